"""Differences as the pages write them."""

from api.dashboard.comparison_table import Estimate, estimate_of, scale_of_comparison
from tests.domain.runs_to_compare import compared, difference, results

COMPARISON = compared(
    results({"layer_norm": [2.5] * 3, "rms_norm": [2.5] * 3, "none": [9.0, 9.5, 9.1], "batch_norm": [3.0]})
)


def shown(variant: str) -> Estimate:
    found = estimate_of(difference(COMPARISON, f"{variant}, batch size 4"), scale_of_comparison(COMPARISON))
    assert found is not None
    return found


def test_a_difference_has_its_interval_beside_it() -> None:
    assert (shown("none").mean, shown("none").half) == ("+6.70", "0.66")
    assert shown("none").words == "+6.70, 95 % interval 6.04 to 7.36"


def test_without_spread_there_is_a_dash_and_with_one_pair_nothing() -> None:
    assert (shown("rms_norm").half, shown("rms_norm").words) == ("–", "0.00, equal in every seed, so no interval")
    assert (shown("batch_norm").half, shown("batch_norm").words) == (None, "+0.5000, no interval")
