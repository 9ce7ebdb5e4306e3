"""Labels that are kept apart, ranges that hold what they must."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from api.dashboard.figures.plot import padded, rounded, spread


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12))
def test_labels_keep_their_order_and_their_distance(wanted: list[float]) -> None:
    gap = 5.0
    placed = spread(wanted, gap, 0.0, 100.0)
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    for below, above in pairwise(order):
        assert placed[above] - placed[below] >= gap - 1e-6
    assert min(placed) >= -1e-6
    assert max(placed) <= 100 + 1e-6


def test_labels_with_room_stay_where_they_belong() -> None:
    assert spread([10, 50, 90], 5, 0, 100) == [10, 50, 90]


def test_a_range_holds_all_that_is_finite() -> None:
    assert padded([1.0, math.nan, None, 3.0, math.inf]) == [0.88, 3.12]
    assert padded([]) == [0.0, 1.0]
    low, high = padded([2.0])
    assert low < 2.0 < high


def test_numbers_travel_short_and_what_is_not_finite_becomes_a_gap() -> None:
    assert rounded([1 / 3, math.nan, None, math.inf]) == [0.333333, None, None, None]
