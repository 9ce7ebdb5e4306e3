"""Parts of a large comparison: together they are the whole, and each fits on a page."""

import pytest

from api.dashboard.evidence import Evidence
from api.dashboard.matrix import matrix_of
from api.dashboard.part import CELLS, VARIANTS, part_of
from domain.catalog import load_catalog
from domain.comparison import compare
from domain.metric import MetricChoice
from domain.results import RunResult


def evidence(variants: int, settings: int) -> Evidence:
    """A comparison of so many kinds at so many batch sizes, one seed each; the first kind is the baseline."""
    kinds = [f"kind_{number:04}" for number in range(variants)]
    found = [
        RunResult(
            run_id=f"run_{kind}_{batch}",
            job_id=f"job_{kind}_{batch}",
            seed=0,
            status="succeeded",
            outcome="completed",
            spec={"normalization.kind": kind, "training.batch_size": batch},
            value=0.1,
        )
        for kind in kinds
        for batch in range(1, settings + 1)
    ]
    comparison = compare(
        found,
        group_by=["normalization.kind", "training.batch_size"],
        metric=MetricChoice(name="test_error"),
        baseline={"normalization.kind": kinds[0]},
        catalog=load_catalog(),
    )
    return Evidence(comparison, {}, list(dict.fromkeys(group.variant for group in comparison.groups)))


def test_what_fits_on_a_page_is_shown_whole() -> None:
    whole = evidence(3, 4)
    shown, part = part_of(whole)
    assert shown is whole
    assert part.is_whole


@pytest.mark.parametrize(("variants", "settings"), [(5, 400), (130, 3)])
def test_the_parts_together_are_the_whole_and_each_fits(variants: int, settings: int) -> None:
    whole = evidence(variants, settings)
    _, first = part_of(whole)
    seen: list[str] = []
    for number in range(1, first.count + 1):
        shown, part = part_of(whole, str(number))
        assert len(shown.comparison.groups) <= CELLS
        matrix = matrix_of(shown)
        assert (len(matrix.rows), len(matrix.columns)) == (min(variants, VARIANTS), part.last - part.first + 1)
        seen += shown.comparison.strata
    assert seen == whole.comparison.strata
    assert part_of(whole, str(first.count + 7))[1].number == first.count
    assert {part_of(whole, wrong)[1].number for wrong in ("0", "-1", "x", "", "1" * 5000)} == {1}
