"""Pivot tables: one field down, one across."""

import pytest

from domain.errors import InvalidSpec
from domain.pivot import pivot
from tests.domain.runs_to_compare import compared, result, results

ERRORS = {"none": [12.0, 12.4, 12.1], "layer_norm": [10.0, 10.4, 10.1]}


def test_rows_begin_with_the_baseline_and_numbers_rise() -> None:
    runs = results(ERRORS, batch=128) + results(ERRORS) + results({"none": [9.0, 9.1, 9.3]}, batch=32)
    table = pivot(compared(runs), "normalization", "training.batch_size")
    assert table.rows == ["layer_norm", "none"]
    assert table.columns == [4, 32, 128]
    assert [[cell.n if cell else None for cell in row] for row in table.cells] == [[3, None, 3], [3, 3, 3]]


def test_one_field_makes_one_column() -> None:
    table = pivot(compared(results(ERRORS), group_by=["normalization"]), "normalization")
    assert (table.columns, len(table.cells)) == ([None], 2)


def test_a_field_that_is_not_grouped_by_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidSpec, match="Did you mean normalization"):
        pivot(compared(results(ERRORS)), "normalisation", "training.batch_size")


def test_a_third_field_has_no_room() -> None:
    runs = [*results(ERRORS), result("none", 0, 0.1, spec={"training.optimizer.lr": 1.0}, job_id="b")]
    fields = ["normalization", "training.batch_size", "training.optimizer.lr"]
    with pytest.raises(InvalidSpec, match="share a cell"):
        pivot(compared(runs, group_by=fields), "normalization", "training.batch_size")
