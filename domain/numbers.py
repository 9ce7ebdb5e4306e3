"""Numbers as they are written: as many digits as the interval supports, a true minus, a thin space in thousands.

The half-width of an interval is rounded to two figures and the mean to the same place; without an interval a number has
four figures.
"""

import math

__all__ = ["bounds", "decimals_for", "half_words", "number", "p_value", "percent", "signed"]

MINUS = "\u2212"
THIN_SPACE = "\u202f"
NO_BREAK_SPACE = "\u00a0"


def decimals_for(half_width: float | None, value: float | None = None) -> int:
    """Decimal places for a number with this half-width; negative for tens and hundreds.

    Without a half-width (or with one of zero, which says nothing about digits) `value` gets four figures.
    """
    if half_width is not None and math.isfinite(half_width) and half_width > 0:
        return _places(half_width, figures=2)
    if value is None or not math.isfinite(value) or value == 0:
        return 2
    return max(0, _places(abs(value), figures=4))


def _places(size: float, figures: int) -> int:
    places = figures - 1 - math.floor(math.log10(size))
    # 0.0996 to two figures is 0.10: rounding can gain a digit, which would then be a third.
    return figures - 1 - math.floor(math.log10(round(size, places)))


def number(value: float | None, decimals: int) -> str:
    """The value with so many decimal places (negative: rounded to tens, hundreds); an absent one is an en dash."""
    if value is None:
        return "–"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    rounded = round(value, decimals) if decimals < 0 else value
    text = f"{abs(rounded):,.{max(0, decimals)}f}".replace(",", THIN_SPACE)
    is_zero = not any(digit in text for digit in "123456789")
    return f"{MINUS}{text}" if rounded < 0 and not is_zero else text


def signed(value: float | None, decimals: int) -> str:
    """As `number`, with a plus before what is above zero."""
    text = number(value, decimals)
    grows = value is not None and value > 0 and any(digit in text for digit in "123456789∞")
    return f"+{text}" if grows else text


def half_words(half_width: float | None, n: int, decimals: int) -> str | None:
    """Half of the interval of `n` values; a dash where they are all equal, None where there are too few."""
    return number(half_width, decimals) if n > 1 else None


def bounds(low: float | None, high: float | None, decimals: int) -> str:
    """An interval in brackets: `[2.29, 3.04]`; empty where there is none."""
    return "" if low is None or high is None else f"[{number(low, decimals)}, {number(high, decimals)}]"


def p_value(p: float | None) -> str:
    """Three decimals, or that it is smaller; empty where nothing was tested."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def percent(share: float) -> str:
    """A share as a whole percentage: `11 %`."""
    return f"{number(100 * share, 0)}{NO_BREAK_SPACE}%"
