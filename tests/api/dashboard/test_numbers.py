"""Lengths of time, sizes and rough numbers as the pages write them."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from api.dashboard.numbers import about, ago, duration, figures, flop, iso, size, whole


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.4931, "0.493"),
        (12345.6, "12 346"),
        (0.000012, "1.20 × 10⁻⁵"),
        (-3.14159, "−3.14"),
        (None, "–"),
        (math.nan, "NaN"),
        (math.inf, "∞"),
        (0.0, "0"),
    ],
)
def test_three_figures_are_enough_for_a_readout(value: float | None, words: str) -> None:
    assert figures(value).replace("\u202f", " ") == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0123, "12 ms"),
        (3.21, "3.2 s"),
        (42, "42 s"),
        (185, "3 min 5 s"),
        (3599, "59 min"),
        (7260, "2 h 1 min"),
        (90000, "1 d 1 h"),
        (None, "–"),
        (math.inf, "–"),
    ],
)
def test_a_length_of_time_has_the_units_that_matter(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_what_is_left_is_said_as_roughly_as_it_is_known() -> None:
    assert [about(s) for s in (0.2, 45, 240, 8000, None)] == ["1 s", "45 s", "4 min", "2 h 13 min", "–"]


def test_a_heartbeat_is_a_time_in_one_unit_and_never_in_the_future() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    past = [0, 2, 59, 60, 7200, 200_000]
    assert [ago(now - timedelta(seconds=s), now) for s in past] == [
        "0 s ago", "2 s ago", "59 s ago", "1 min ago", "2 h ago", "2 d ago",
    ]  # fmt: skip
    assert ago(now + timedelta(seconds=5), now) == "0 s ago"
    assert ago(None) == "–"


def test_operations_are_counted_in_the_unit_that_fits() -> None:
    assert [flop(n) for n in (4_116_480, 3.2e9, 2.47e13)] == ["4.12 MFLOP", "3.20 GFLOP", "24.7 TFLOP"]


def test_sizes_count_in_thousands() -> None:
    assert [size(n) for n in (12, 21_600_000, 3.1e9, None)] == ["12 bytes", "21.6 MB", "3.10 GB", "–"]


def test_thousands_are_parted_by_a_thin_space() -> None:
    assert whole(12480) == "12\u202f480"


def test_times_travel_in_utc_with_a_z() -> None:
    assert iso(datetime(2026, 1, 1, 12, tzinfo=UTC)) == "2026-01-01T12:00:00.000Z"
