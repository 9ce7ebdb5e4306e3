"""The statistics against scipy, closed forms and simulation."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from domain.statistics import holm, paired, t_factor, t_interval, welch, wilson

NUMBERS = st.floats(min_value=-1e6, max_value=1e6, allow_subnormal=False)
SAMPLES = st.lists(NUMBERS, min_size=2, max_size=12)
P_VALUES = st.lists(st.floats(min_value=0, max_value=1), max_size=12)


def spread(values: list[float]) -> bool:
    """Whether the sample varies by more than rounding."""
    return float(np.std(values)) > 1e-6 * (1 + max(map(abs, values)))


def test_the_factor_for_three_seeds_is_the_one_of_the_tables() -> None:
    assert t_factor(3) == pytest.approx(4.3027, abs=1e-4)
    assert t_factor(2) == pytest.approx(12.7062, abs=1e-4)


@given(SAMPLES)
def test_the_interval_is_scipys(values: list[float]) -> None:
    assume(spread(values))
    ours = t_interval(values)
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    scale = max(map(abs, values))
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), rel=1e-9, abs=1e-9 * scale)


def test_one_value_has_no_interval_and_none_has_no_mean() -> None:
    one = t_interval([0.25])
    assert (one.n, one.mean, one.sd, one.half_width, one.low, one.high) == (1, 0.25, None, None, None, None)
    assert (t_interval([]).n, t_interval([]).mean) == (0, None)


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_the_interval_holds_the_mean_in_95_of_100_samples(n: int) -> None:
    samples = np.random.default_rng(20160721).normal(3.0, 2.0, size=(4000, n)).tolist()
    held = sum(
        interval.low <= 3.0 <= interval.high
        for interval in map(t_interval, samples)
        if interval.low is not None and interval.high is not None
    )
    # 4000 draws at 0.95 have a standard error of 0.0034; the seed is fixed.
    assert held / 4000 == pytest.approx(0.95, abs=0.0105)


@given(SAMPLES, st.data())
def test_paired_differences_are_scipys_paired_test(ours: list[float], data: st.DataObject) -> None:
    theirs = data.draw(st.lists(NUMBERS, min_size=len(ours), max_size=len(ours)))
    differences = [one - other for one, other in zip(ours, theirs, strict=True)]
    assume(spread(differences))
    found, wanted = paired(differences), stats.ttest_rel(ours, theirs)
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-6, abs=1e-12)
    interval = wanted.confidence_interval(0.95)
    scale = max(map(abs, [*ours, *theirs]))
    assert (found.low, found.high) == pytest.approx(tuple(interval), rel=1e-6, abs=1e-9 * scale)


@given(SAMPLES, SAMPLES)
def test_unpaired_differences_are_welchs(ours: list[float], theirs: list[float]) -> None:
    assume(spread(ours) and spread(theirs))
    found, wanted = welch(ours, theirs), stats.ttest_ind(ours, theirs, equal_var=False)
    assert found.n == min(len(ours), len(theirs))
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-6, abs=1e-12)
    interval = wanted.confidence_interval(0.95)
    scale = max(map(abs, [*ours, *theirs]))
    assert (found.low, found.high) == pytest.approx(tuple(interval), rel=1e-6, abs=1e-9 * scale)


@given(SAMPLES)
def test_the_interval_misses_zero_exactly_when_p_is_below_five_percent(values: list[float]) -> None:
    found = paired(values)
    assume(spread(values) and found.p is not None and abs(found.p - 0.05) > 1e-9)
    assert found.low is not None
    assert found.high is not None
    assert (found.low > 0 or found.high < 0) == (found.p is not None and found.p < 0.05)


@pytest.mark.parametrize("value", [0.0, 0.1, 5 / 3, 1e9])
def test_equal_values_have_a_spread_of_zero_and_no_interval(value: float) -> None:
    found = t_interval([value] * 3)
    assert found.mean == pytest.approx(value)
    assert (found.sd, found.half_width, found.low, found.high) == (0.0, None, None, None)


def test_equal_differences_have_no_spread_to_judge_by() -> None:
    found = paired([0.25, 0.25, 0.25])
    assert (found.n, found.mean, found.low, found.p) == (3, 0.25, None, None)
    rounding = paired([0.1 + 0.2, 0.3, 0.3])
    assert rounding.p is None


def test_no_difference_at_all_is_plainly_none() -> None:
    assert paired([0.0, 0.0, 0.0]).model_dump(exclude_none=True) == {"n": 3, "mean": 0.0, "p": 1.0}
    assert welch([1.0, 1.0, 1.0], [1.0, 1.0, 1.0]).p == 1.0
    assert welch([1.0, 1.0, 1.0], [2.0, 2.0, 2.0]).p is None


def test_a_single_pair_has_a_mean_and_nothing_more() -> None:
    found = paired([0.5])
    assert (found.n, found.mean, found.low, found.p) == (1, 0.5, None, None)
    assert paired([]).mean is None


def test_welch_with_one_value_on_a_side_has_no_interval() -> None:
    assert welch([1.0], [1.0, 2.0, 3.0]).low is None
    assert welch([], [1.0, 2.0]).mean is None


def test_holms_correction_of_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(P_VALUES)
def test_holm_never_makes_a_p_value_smaller_nor_changes_their_order(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(after >= before or after == 1.0 for before, after in zip(p_values, corrected, strict=True))
    assert all(0 <= after <= 1 for after in corrected)
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    assert [corrected[i] for i in order] == sorted(corrected)
    assert all(after <= len(p_values) * before + 1e-15 for before, after in zip(p_values, corrected, strict=True))


def test_holm_keeps_the_familys_error_rate_under_the_null() -> None:
    drawn = np.random.default_rng(7).uniform(size=(2000, 10))
    families = sum(min(holm(row)) < 0.05 for row in drawn.tolist())
    assert families / 2000 == pytest.approx(0.05, abs=0.015)


@given(st.integers(min_value=1, max_value=60), st.data())
def test_shares_have_scipys_wilson_interval(of: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(min_value=0, max_value=of))
    ours = wilson(count, of)
    theirs = stats.binomtest(count, of).proportion_ci(0.95, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert ours.rate == count / of


def test_none_of_ten_may_still_be_one_in_four() -> None:
    assert wilson(0, 10).low == 0.0
    assert wilson(0, 10).high == pytest.approx(0.2775, abs=1e-4)
    assert (wilson(10, 10).high, wilson(0, 0).rate) == (1.0, None)


def test_tiny_variances_do_not_underflow() -> None:
    found = welch([1e-160, 2e-160, 4e-160], [3e-160, 5e-160, 9e-160])
    assert found.p is not None
    assert math.isfinite(found.p)
