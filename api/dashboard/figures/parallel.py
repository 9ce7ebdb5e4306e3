"""Parallel coordinates: a line for each group through what was varied, the metric and the cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from api.dashboard.figures.plot import Figure, Trace, rounded
from api.dashboard.numbers import figures
from api.dashboard.palette import Slot, colour
from api.dashboard.whisker import nice_step

TICKS = 4


@dataclass(frozen=True)
class Axis:
    """One vertical axis: the words of its places from the bottom, or None for an axis of numbers."""

    title: str
    places: Sequence[str] | None = None


@dataclass(frozen=True)
class Line:
    """One group: its value on each axis (the number of its place where the axis has words), None where it has none."""

    label: str
    variant: str
    slot: Slot
    values: Sequence[float | None]


def parallel(axes: Sequence[Axis], lines: Sequence[Line]) -> Figure:
    """Every axis from 0 to 1 between its own ends; values that are not there leave a gap in their line."""
    ends = [_ends(axis, [line.values[at] for line in lines]) for at, axis in enumerate(axes)]
    layout = {
        "hovermode": "closest",
        "margin": {"l": 20 + 7 * _longest(axes[:1]), "r": 60, "t": 34, "b": 10},
        "xaxis": {"range": [-0.04, len(axes) - 0.96], "visible": False, "fixedrange": True},
        "yaxis": {"range": [-0.04, 1.04], "visible": False, "fixedrange": True},
        "shapes": [_rule(at) for at in range(len(axes))],
        "annotations": [
            *(_title(axis, at, len(axes)) for at, axis in enumerate(axes)),
            *(tick for at, axis in enumerate(axes) for tick in _ticks(axis, at, ends[at])),
        ],
    }
    return {"data": [_trace(line, axes, ends) for line in lines], "layout": layout}


Ends = tuple[float, float]


def _ends(axis: Axis, values: Sequence[float | None]) -> Ends:
    if axis.places is not None:
        return 0.0, float(max(1, len(axis.places) - 1))
    known = [value for value in values if value is not None and math.isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _place(value: float | None, ends: Ends) -> float | None:
    return None if value is None else (value - ends[0]) / (ends[1] - ends[0])


def _trace(line: Line, axes: Sequence[Axis], ends: Sequence[Ends]) -> Trace:
    values = {axis.title: _words(axis, value) for axis, value in zip(axes, line.values, strict=True)}
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": list(range(len(axes))),
        "y": rounded(_place(value, each) for value, each in zip(line.values, ends, strict=True)),
        "line": {"color": line.slot.tint(0.75), "width": 1.5, "dash": line.slot.dash},
        "marker": {"symbol": line.slot.symbol, "size": 6, "color": line.slot.colour},
        "text": [f"{title}: {words}" for title, words in values.items()],
        "hovertemplate": f"{line.label}<br>%{{text}}<extra></extra>",
        "name": line.label,
        "legendgroup": line.variant,
        "meta": {"role": "parallel", "variant": line.variant, "values": values},
    }


def _words(axis: Axis, value: float | None) -> str:
    if value is None:
        return "–"
    return axis.places[int(value)] if axis.places is not None else figures(value, 4)


def _rule(at: int) -> dict[str, object]:
    line = {"color": colour("edge"), "width": 1}
    return {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "line": line, "layer": "above"}


def _title(axis: Axis, at: int, axes: int) -> dict[str, object]:
    """Above its axis; the outer ones lean inwards."""
    side = "left" if at == 0 else "right" if at == axes - 1 else "center"
    return {**_text(at, 1, axis.title), "xanchor": side, "yanchor": "bottom", "yshift": 10, "font": {"size": 12}}


def _ticks(axis: Axis, at: int, ends: Ends) -> list[dict[str, object]]:
    """Right of the axis, of the first one left: all words, or a few round numbers."""
    if axis.places is not None:
        marks = [(float(index), words) for index, words in enumerate(axis.places)]
    else:
        step = nice_step((ends[1] - ends[0]) / TICKS)
        first, last = math.ceil(ends[0] / step), math.floor(ends[1] / step)
        digits = max(0, -math.floor(math.log10(step)))
        marks = [(index * step, f"{index * step:.{digits}f}") for index in range(first, last + 1)]
    font = {"size": 11, "color": colour("muted")}
    return [
        {
            **_text(at, (value - ends[0]) / (ends[1] - ends[0]), words),
            "xanchor": "left" if at else "right",
            "xshift": 7 if at else -7,
            "font": font,
            "bgcolor": colour("page"),
            "borderpad": 0,
        }
        for value, words in marks
    ]


def _longest(axes: Sequence[Axis]) -> int:
    return max((len(words) for axis in axes for words in axis.places or ("0000",)), default=4)


def _text(at: int, y: float, words: str) -> dict[str, object]:
    return {"x": at, "y": y, "text": words, "showarrow": False, "name": "axis"}
