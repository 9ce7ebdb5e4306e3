"""Axes of curves: linear, logarithmic or the clock; which range is shown, what it cuts off and how that is said."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import quantiles
from typing import Any, NamedTuple

from api.dashboard.figures.plot import Trace, held, note, padded, x_axis, y_axis
from api.dashboard.numbers import figures
from api.dashboard.palette import Slot
from api.dashboard.view import X_TITLES, View
from api.dashboard.whisker import nice_step
from domain.numbers import number

HEAD = 0.1
"""The share of a linear horizontal axis whose values do not rule a clipped range: the first steep fall."""
FENCE = 1.5
"""A value is an outlier this many times the span of the middle 90 % beyond it."""
MARKED = 40
"""Marks of one line at most: the furthest outside."""


class Place(NamedTuple):
    """A point of a line; `low` and `high` bound what is drawn around it, None where nothing is."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Frame:
    """The vertical range in the unit of the values, and what lies outside: the furthest values, None where nothing."""

    low: float
    high: float
    is_log: bool
    above: float | None = None
    below: float | None = None
    hidden: int = 0
    """Values a logarithmic axis has no place for: zero and less."""

    def at(self, value: float) -> float:
        """Where an annotation at this value stands: Plotly wants the exponent on a logarithmic axis."""
        return math.log10(value) if self.is_log else value

    @property
    def range(self) -> list[float]:
        """As Plotly wants it."""
        return [self.at(self.low), self.at(self.high)]

    def axis(self, title: str, view: View) -> dict[str, Any]:
        kind = log_axis(self.range) if self.is_log else {}
        return y_axis(title, range=self.range, uirevision=f"{view.log_y} {view.clip}", **kind)

    def notes(self) -> list[dict[str, Any]]:
        """A line above the plot that says what is outside of it; none where nothing is."""
        words = [f"up to {figures(self.above, 4)} above" if self.above is not None else ""]
        words.append(f"down to {figures(self.below, 4)} below" if self.below is not None else "")
        words.append(f"{self.hidden} at zero or less" if self.hidden else "")
        said = ", ".join(word for word in words if word)
        place = {"xref": "paper", "yref": "paper", "xanchor": "right", "yanchor": "bottom"}
        return [note(1, 1, f"outside: {said}", **place)] if said else []


def frame_of(places: Sequence[Place], view: View) -> Frame:
    """The range for these points: without outliers and the first steep fall, or all of them."""
    finite = [place for place in places if math.isfinite(place.y)]
    shown = [place for place in finite if place.y > 0] if view.log_y else finite
    kept = _typical(shown, view) if view.clip == "on" else shown
    low, high = _log_range(kept) if view.log_y else _linear_range(kept, view)
    values = [place.y for place in shown]
    return Frame(
        low=low,
        high=high,
        is_log=view.log_y,
        above=max((value for value in values if value > high), default=None),
        below=min((value for value in values if value < low), default=None),
        hidden=len(finite) - len(shown),
    )


def _typical(places: Sequence[Place], view: View) -> list[Place]:
    """What is no outlier, after the first steep fall."""
    last = max((place.x for place in places), default=0.0)
    first = min((place.x for place in places), default=0.0)
    start = first if view.log_x else first + HEAD * (last - first)
    after = [place for place in places if place.x >= start]
    if len(after) < 3:
        return list(places)
    cuts = quantiles((place.y for place in after), n=20, method="inclusive")
    # A flat line's quantiles differ from it in the last bit; without this nothing of it would be typical.
    fence = FENCE * (cuts[-1] - cuts[0]) + 1e-9 * max(abs(cuts[0]), abs(cuts[-1]))
    return [place for place in after if cuts[0] - fence <= place.y <= cuts[-1] + fence]


def _linear_range(places: Sequence[Place], view: View) -> tuple[float, float]:
    if view.clip == "on":
        low, high = held((place.y, None if place.high is None else place.high - place.y) for place in places)
    else:
        low, high = padded(value for place in places for value in (place.y, place.low, place.high))
    return low, high


def _log_range(places: Sequence[Place]) -> tuple[float, float]:
    """Powers are padded as powers; a lower bound at or below zero rules nothing."""
    values = [value for place in places for value in place[1:] if value is not None and value > 0]
    low, high = padded(map(math.log10, values)) if values else (0.0, 1.0)
    return 10**low, 10**high


def log_axis(exponents: Sequence[float]) -> dict[str, Any]:
    """A logarithmic axis between two powers of ten, its marks written out: round steps, 1 2 5, or powers alone."""
    low, high = (10**exponent for exponent in exponents)
    span = exponents[1] - exponents[0]
    if span < 0.7:
        step = nice_step((high - low) / 5)
        marks = [index * step for index in range(math.ceil(low / step), math.floor(high / step) + 1)]
    else:
        factors = (1, 2, 5) if span < 3 else (1,)
        powers = range(math.floor(exponents[0]), math.ceil(exponents[1]) + 1)
        marks = [factor * 10.0**power for power in powers for factor in factors]
    shown = [float(f"{mark:.6g}") for mark in marks if low <= mark <= high]
    return {"type": "log", "tickvals": shown, "ticktext": [_round(mark) for mark in shown]}


def _round(mark: float) -> str:
    """A mark without places that say nothing."""
    if mark >= 1e6 or mark < 1e-4:
        return figures(mark, 1)
    return number(mark, max(0, -math.floor(math.log10(mark)) + (1 if f"{mark:.2g}" != f"{mark:.1g}" else 0)))


def horizontal(view: View, places: Iterable[float], *, end: float | None = None) -> dict[str, Any]:
    """The horizontal axis of curves: from zero, on a logarithmic one from the first place; by the clock as dates."""
    known = list(places)
    title, revision = X_TITLES[view.x], f"{view.x} {view.log_x}"
    if view.x == "wall":
        return x_axis(title, type="date", uirevision=revision)
    last = end if end is not None else max(known, default=1.0)
    if view.log_x:
        first = min((x for x in known if x > 0), default=1.0)
        powers = [math.log10(first), math.log10(max(last, first * 1.01))]
        return x_axis(title, range=powers, uirevision=revision, **log_axis(powers))
    return x_axis(title, range=[0, last], uirevision=revision)


def along(view: View, x: Sequence[float]) -> list[float]:
    """Places as Plotly takes them: milliseconds on a clock."""
    return [round(1000 * place) for place in x] if view.x == "wall" else list(x)


def annotated(view: View, x: float) -> float:
    """Where an annotation at this place stands: Plotly wants the exponent on a logarithmic axis."""
    return math.log10(x) if view.log_x and x > 0 else along(view, [x])[0]


def outside_marks(
    x: Sequence[float], y: Sequence[float], frame: Frame, slot: Slot, name: str, view: View
) -> list[Trace]:
    """Small open triangles at the edge for pieces of a line outside; where a line begins outside, one sees it come."""
    drawn = list(zip(x, y, strict=True))
    found = []
    for side, group in groupby(enumerate(drawn), key=lambda point: _side(point[1][1], frame)):
        piece = list(group)
        if side and piece[0][0] > 0:
            found.append(max((point for _, point in piece), key=lambda point: side * point[1]))
    found = sorted(found, key=lambda point: -abs(point[1] - frame.high))[:MARKED]
    if not found:
        return []
    above = [_side(value, frame) > 0 for _, value in found]
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "x": along(view, [place for place, _ in found]),
            "y": [0.985 if up else 0.015 for up in above],
            "yaxis": "y2",
            "marker": {
                "symbol": ["triangle-up-open" if up else "triangle-down-open" for up in above],
                "size": 7,
                "color": slot.colour,
                "line": {"width": 1.25},
            },
            "text": [f"{name}: {figures(value, 4)}" for _, value in found],
            "hovertemplate": "%{text}<extra>outside</extra>",
            "name": f"{name}, outside",
            "meta": {"role": "outside", "variant": name},
        }
    ]


def _side(value: float, frame: Frame) -> int:
    """1 above the frame, −1 below it, 0 inside."""
    if frame.is_log and value <= 0:
        return 0
    return (value > frame.high) - (value < frame.low)
