"""The cell matrix and the comparison table, from a stored study."""

import pytest

from api.dashboard.comparison_table import table_of
from api.dashboard.evidence import Evidence, evidence_of
from api.dashboard.matrix import Ramp, column_heads, matrix_of, ramp_of, slots_of
from domain.catalog import load_catalog
from domain.database import Database
from domain.store import studies


@pytest.fixture
def evidence(sample: Database, ids: dict[str, str]) -> Evidence:
    with sample.read() as c:
        return evidence_of(c, studies.get(c, ids["study"]), load_catalog())


def test_rows_stand_as_the_study_lists_them_with_the_baseline_first(evidence: Evidence) -> None:
    matrix = matrix_of(evidence)
    assert [row.name for row in matrix.rows] == [
        "layer_norm",
        "rms_norm",
        "group_norm",
        "batch_norm",
        "batch_renorm",
        "none",
    ]
    assert [row.is_baseline for row in matrix.rows] == [True, *[False] * 5]


def test_columns_say_what_they_share_once(evidence: Evidence) -> None:
    matrix = matrix_of(evidence)
    assert (matrix.columns_title, list(matrix.columns)) == ("batch size", ["4", "512"])


def test_columns_of_several_fields_are_their_values(evidence: Evidence) -> None:
    strata = ["batch size 4, learning rate 0.1", "batch size 8, learning rate 0.1"]
    assert column_heads(evidence.comparison, strata) == ("batch size, learning rate", ["4, 0.1", "8, 0.1"])
    assert column_heads(evidence.comparison, ["batch size 4", "depth 8"]) == ("", ["batch size 4", "depth 8"])


def test_a_cell_shows_mean_half_width_and_how_many_seeds_are_done(evidence: Evidence) -> None:
    cell = matrix_of(evidence).rows[0].cells[0]
    assert cell is not None
    group = cell.group
    assert cell.done == 1.0
    assert group.mean == pytest.approx(float(cell.mean), abs=0.1)
    assert cell.half is not None


def test_what_diverged_failed_or_runs_is_marked_and_said(evidence: Evidence) -> None:
    cells = {(row.name, cell.group.stratum): cell for row in matrix_of(evidence).rows for cell in row.cells if cell}
    assert cells["none", "batch size 4"].mark == "diverged"
    assert "1 diverged" in cells["none", "batch size 4"].words
    assert 0 < cells["none", "batch size 512"].done < 1


def test_deeper_is_better_and_an_outlier_leaves_colour_for_the_rest(evidence: Evidence) -> None:
    ramp = Ramp(best=10.0, worst=12.0)
    assert [ramp.step(value) for value in (10.0, 10.9, 12.0, 99.0)] == [6, 3, 0, 0]
    assert Ramp(best=5.0, worst=5.0).step(5.0) == 6
    found = ramp_of(evidence.comparison)
    assert found is not None
    assert found.best == min(group.mean for group in evidence.comparison.groups if group.mean is not None)


def test_the_table_has_every_group_with_its_difference_on_one_scale(evidence: Evidence) -> None:
    table = table_of(evidence)
    rows = [row for stratum in table.strata for row in stratum.rows]
    assert len(rows) == len(evidence.comparison.groups)
    for row in rows:
        assert (row.estimate is None) == (row.group.is_baseline or row.group.n == 0)
        if row.estimate:
            assert 0 <= row.estimate.whisker.estimate <= 120
            assert row.estimate.words.startswith(row.estimate.mean)


def test_a_variant_keeps_its_slot_in_matrix_and_table(evidence: Evidence) -> None:
    slots = slots_of(evidence)
    assert {row.name: row.slot for row in matrix_of(evidence).rows} == slots
    assert all(row.slot == slots[row.group.variant] for s in table_of(evidence).strata for row in s.rows)
