"""Whiskers: an interval, its estimate and the zero line, placed in a small drawing inside text."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

WIDTH = 120.0
MARGIN = 5.0


@dataclass(frozen=True)
class Scale:
    """What a row of whiskers shares: the values at the left and the right edge of the drawing."""

    low: float
    high: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(MARGIN + share * (WIDTH - 2 * MARGIN), 1)

    def ticks(self) -> list[float]:
        """Three to six round values inside the scale."""
        step = nice_step((self.high - self.low) / 4)
        first = math.ceil(self.low / step - 1e-9)
        return [round(index * step, 10) for index in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Whisker:
    """Where the parts of one whisker stand; `left_off` and `right_off` say that it goes on beyond the scale."""

    zero: float
    estimate: float
    start: float | None
    end: float | None
    left_off: bool
    right_off: bool


def nice_step(rough: float) -> float:
    """The next of 1, 2, 5 times a power of ten at or above a rough step."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


def scale_of(differences: Iterable[tuple[float, float | None, float | None]]) -> Scale:
    """A scale for (estimate, low, high): every estimate and zero fit; a long interval is cut rather than rule it."""
    rows = [row for row in differences if math.isfinite(row[0])]
    if not rows:
        return Scale(-1.0, 1.0)
    reach = max(abs(estimate) for estimate, _, _ in rows) or max(abs(high or 0.0) for _, _, high in rows) or 1.0
    least = min(0.0, *(estimate for estimate, _, _ in rows), 0.0)
    most = max(0.0, *(estimate for estimate, _, _ in rows), 0.0)
    low = min([least, *(max(low, least - reach) for _, low, _ in rows if low is not None)])
    high = max([most, *(min(high, most + reach) for _, _, high in rows if high is not None)])
    if low == high:
        return Scale(-1.0, 1.0)
    room = 0.08 * (high - low)
    return Scale(low - room, high + room)


def whisker(scale: Scale, estimate: float, low: float | None, high: float | None) -> Whisker:
    """Places a difference on a scale; without an interval (one seed) only the estimate is drawn, hollow."""
    at = min(max(scale.at(estimate), MARGIN), WIDTH - MARGIN)
    if low is None or high is None:
        return Whisker(scale.at(0.0), at, None, None, left_off=False, right_off=False)
    start, end = scale.at(max(low, scale.low)), scale.at(min(high, scale.high))
    return Whisker(scale.at(0.0), at, start, end, left_off=low < scale.low, right_off=high > scale.high)
