"""Numbers as they are written: digits by the interval, true minus, thin spaces."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.numbers import bounds, decimals_for, number, p_value, percent, signed

THIN = "\u202f"


@pytest.mark.parametrize(
    ("mean", "half_width", "written"),
    [
        (10.4789, 0.2534, "10.48 ± 0.25"),
        (10.4789, 0.0996, "10.48 ± 0.10"),
        (10.4789, 0.0994, "10.479 ± 0.099"),
        (10.4789, 2.0, "10.5 ± 2.0"),
        (1234.5, 34.2, f"1{THIN}234 ± 34"),
        (12345.6, 342.0, f"12{THIN}350 ± 340"),
        (12345.6, 996.0, f"12{THIN}300 ± 1{THIN}000"),
        (-0.0412, 0.31, "−0.04 ± 0.31"),
        (-0.0012, 0.31, "0.00 ± 0.31"),
        (1.5e-7, 2.34e-8, "0.000000150 ± 0.000000023"),
    ],
)
def test_the_half_width_has_two_figures_and_the_mean_ends_at_the_same_place(
    mean: float, half_width: float, written: str
) -> None:
    places = decimals_for(half_width, mean)
    assert f"{number(mean, places)} ± {number(half_width, places)}" == written


@given(st.floats(min_value=1e-9, max_value=9e8))
def test_a_half_width_never_has_more_or_fewer_than_two_figures(half_width: float) -> None:
    places = decimals_for(half_width)
    digits = number(half_width, places).replace(THIN, "").replace(".", "").lstrip("0")
    assert len(digits) == 2 if places >= 0 else set(digits[2:]) == {"0"}


@given(st.floats(min_value=-1e9, max_value=1e9), st.integers(min_value=0, max_value=6))
def test_what_is_written_is_the_value_rounded(value: float, places: int) -> None:
    read = float(number(value, places).replace(THIN, "").replace("−", "-"))
    assert math.isclose(read, value, rel_tol=1e-15, abs_tol=0.5000001 * 10**-places)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "–"),
        (math.nan, "NaN"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (-0.0, "0.0"),
        (1e6, f"1{THIN}000{THIN}000.0"),
    ],
)
def test_what_is_no_ordinary_number_has_its_sign(value: float | None, written: str) -> None:
    assert number(value, 1) == written


def test_without_an_interval_a_number_has_four_figures() -> None:
    assert number(13.0174, decimals_for(None, 13.0174)) == "13.02"
    assert number(0.0, decimals_for(None, 0.0)) == "0.00"
    assert number(7.0, decimals_for(0.0, 7.0)) == "7.000"


def test_signs_bounds_and_shares() -> None:
    assert [signed(value, 2) for value in (0.5, -0.5, 0.001, None)] == ["+0.50", "−0.50", "0.00", "–"]
    assert bounds(-0.354, 0.262, 2) == "[−0.35, 0.26]"
    assert bounds(None, None, 2) == ""
    assert percent(0.108) == "11\u00a0%"


@pytest.mark.parametrize(
    ("p", "written"), [(None, ""), (0.0, "< 0.001"), (0.00099, "< 0.001"), (0.0344, "0.034"), (1.0, "1.000")]
)
def test_a_p_value_has_three_decimals_or_is_below_them(p: float | None, written: str) -> None:
    assert p_value(p) == written
