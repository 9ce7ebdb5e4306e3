"""Curves over seeds: bands at common x, and the first point beyond a threshold."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.curves import curve_bands, first_reaching, seed_bands
from domain.statistics import t_interval

SEEDS = {0: [(0, 4.0), (10, 2.0), (20, 1.0)], 1: [(0, 5.0), (10, 2.5), (20, 1.5)], 2: [(0, 3.0), (10, 1.5)]}


def test_a_band_is_the_t_interval_at_each_step() -> None:
    band = curve_bands(SEEDS)
    assert band.x == [0, 10, 20]
    assert band.n == [3, 3, 2]
    for at, values in enumerate(([4.0, 5.0, 3.0], [2.0, 2.5, 1.5], [1.0, 1.5])):
        wanted = t_interval(values)
        assert (band.mean[at], band.low[at], band.high[at]) == pytest.approx((wanted.mean, wanted.low, wanted.high))
        assert (band.minimum[at], band.maximum[at]) == (min(values), max(values))


def test_the_deviation_is_that_between_seeds() -> None:
    band = curve_bands(SEEDS)
    assert band.sd[0] == pytest.approx(1.0)
    assert curve_bands({0: SEEDS[0]}).sd == [None, None, None]


def test_thinned_seeds_meet_only_where_all_of_them_were_kept() -> None:
    """The extremes that thinning keeps of one seed are at places where the others have none."""
    band = seed_bands({0: [(0, 1.0), (3, 9.0), (10, 2.0), (20, 2.0)], 1: [(0, 2.0), (7, 0.0), (10, 3.0), (20, 3.0)]})
    assert (band.x, band.n, band.mean) == ([0, 10, 20], [2, 2, 2], [1.5, 2.5, 2.5])


def test_a_seed_that_is_behind_leaves_the_others_their_line() -> None:
    band = seed_bands(SEEDS)
    assert (band.x, band.n) == ([0, 10, 20], [3, 3, 2])


def test_seeds_that_never_meet_are_read_off_at_even_places_as_far_as_half_of_them_reach() -> None:
    band = seed_bands({0: [(0.1, 1.0), (1.1, 2.0)], 1: [(0.2, 1.0), (1.3, 2.0)], 2: [(0.3, 1.0), (5.0, 2.0)]})
    assert (band.x[0], band.x[-1]) == (0.1, 1.3)
    assert max(band.n) == 3
    assert seed_bands({}).x == seed_bands({0: []}).x == []


def test_one_seed_has_a_line_and_no_band() -> None:
    band = curve_bands({0: SEEDS[0]})
    assert band.mean == [4.0, 2.0, 1.0]
    assert band.low == band.high == [None, None, None]


def test_what_is_not_finite_is_in_no_mean() -> None:
    band = curve_bands({0: [(0, 1.0), (10, math.nan)], 1: [(0, 3.0), (10, math.inf), (20, 2.0)], 2: [(10, math.nan)]})
    assert (band.x, band.mean, band.n) == ([0, 20], [2.0, 2.0], [2, 1])


def test_no_seeds_and_no_points_are_an_empty_band() -> None:
    assert curve_bands({}).x == []
    assert curve_bands({0: [], 1: []}).x == []
    assert curve_bands({0: []}, grid=[0.0, 1.0]).x == []


def test_a_grid_reads_each_seed_off_by_straight_lines_within_its_range() -> None:
    band = curve_bands({0: [(0.0, 0.0), (2.0, 2.0)], 1: [(1.0, 3.0), (3.0, 5.0)]}, grid=[0.0, 1.0, 2.0, 3.0])
    assert band.n == [1, 2, 2, 1]
    assert band.mean == [0.0, 2.0, 3.0, 5.0]


@given(
    st.dictionaries(
        st.integers(min_value=0, max_value=5),
        st.lists(
            st.tuples(st.integers(min_value=0, max_value=9), st.floats(width=32)), unique_by=lambda point: point[0]
        ),
        max_size=5,
    )
)
def test_a_band_encloses_its_mean_and_holds_only_numbers(series: dict[int, list[tuple[int, float]]]) -> None:
    band = curve_bands({seed: sorted(points) for seed, points in series.items()})
    assert band.x == sorted(set(band.x))
    for at, mean in enumerate(band.mean):
        assert math.isfinite(mean)
        slack = 1e-6 * max(abs(band.minimum[at]), abs(band.maximum[at]), 1e-30)
        assert band.minimum[at] - slack <= mean <= band.maximum[at] + slack
        low, high = band.low[at], band.high[at]
        assert (low is None) == (high is None) == (band.n[at] < 2)
        if low is not None and high is not None:
            assert low - slack <= mean <= high + slack


def test_twenty_curves_of_many_points_are_one_pass() -> None:
    x = np.arange(20_000)
    band = curve_bands({seed: list(zip(x, np.cos(x / 100 + seed), strict=True)) for seed in range(10)})
    assert (len(band.x), set(band.n)) == (20_000, {10})


CURVE = [(0, 0.9, 0.0), (10, 0.4, 1.0), (20, math.nan, 2.0), (30, 0.1, None)]


def test_the_first_point_at_or_beyond_a_threshold_is_found() -> None:
    found = first_reaching(CURVE, 0.4, lower_is_better=True)
    assert found is not None
    assert (found.step, found.seconds) == (10, 1.0)
    assert first_reaching(CURVE, 0.05, lower_is_better=True) is None
    more = first_reaching(CURVE, 0.9, lower_is_better=False)
    assert more is not None
    assert more.step == 0
