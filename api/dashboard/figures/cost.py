"""Cost against quality: time of a step beside the metric, with the frontier of what nothing beats in both."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from api.dashboard.figures.plot import Figure, Trace, held, marker, note, rounded, whiskers
from api.dashboard.numbers import figures
from api.dashboard.palette import Slot, colour
from domain.numbers import decimals_for, number

Box = tuple[float, float, float, float]
WIDTH, HEIGHT, CHARACTER = 720.0, 290.0, 6.7
"""Pixels of the plot on a wide screen and of a letter: enough to see which names would meet."""
PLACES = (("left", 11), ("right", 11), ("left", -11), ("right", -11), ("left", 27), ("right", 27), ("left", -27))
"""Where a name may stand: the side of it that faces the point, and pixels upwards."""


@dataclass(frozen=True)
class Point:
    """One variant: milliseconds a step and the metric, each with the half of its interval where n allows one."""

    name: str
    slot: Slot
    n: int
    cost: float
    cost_half: float | None
    value: float
    value_half: float | None


def frontier(points: Sequence[Point], *, lower_is_better: bool) -> list[Point]:
    """The points that no other beats in both cost and quality, cheapest first."""
    sign = 1 if lower_is_better else -1
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, sign * p.value)):
        if not kept or sign * point.value < sign * kept[-1].value:
            kept.append(point)
    return kept


def cost(points: Sequence[Point], *, y_title: str, lower_is_better: bool) -> Figure:
    """The figure of one stratum; points without a finite cost and value are left to the table."""
    shown = [p for p in points if math.isfinite(p.cost) and math.isfinite(p.value)]
    x_range = held(((p.cost, p.cost_half) for p in shown), 0.18)
    y_range = held(((p.value, p.value_half) for p in shown), 0.12)
    layout = {
        "hovermode": "closest",
        "margin": {"l": 46, "r": 12, "t": 8, "b": 42},
        "xaxis": {"title": {"text": "time of a training step, ms"}, "range": x_range, "showgrid": True, "nticks": 6},
        "yaxis": {"title": {"text": y_title}, "range": y_range, "nticks": 6},
        "annotations": _labels(shown, x_range, y_range),
        "meta": {"narrow": {"margin": {"l": 42, "r": 8}}},
    }
    edge = frontier(shown, lower_is_better=lower_is_better)
    bounds = (x_range[1], y_range[1] if lower_is_better else y_range[0])
    return {"data": [_frontier_line(edge, *bounds), *map(_point, shown)], "layout": layout}


def _frontier_line(edge: Sequence[Point], right: float, start: float) -> Trace:
    x = [edge[0].cost, *(p.cost for p in edge), right] if edge else []
    y = [start, *(p.value for p in edge), edge[-1].value] if edge else []
    return {
        "type": "scatter",
        "mode": "lines",
        "x": rounded(x),
        "y": rounded(y),
        "line": {"shape": "hv", "color": colour("edge"), "width": 1, "dash": "dot"},
        "hoverinfo": "skip",
        "name": "frontier",
        "meta": {"role": "frontier"},
    }


def _point(point: Point) -> Trace:
    places = decimals_for(point.value_half, point.value)
    value = number(point.value, places) + (f" ± {number(point.value_half, places)}" if point.value_half else "")
    return {
        "type": "scatter",
        "mode": "markers",
        "x": rounded([point.cost]),
        "y": rounded([point.value]),
        "error_x": {**whiskers(point.cost_half, point.slot), "thickness": 1.5},
        "error_y": {**whiskers(point.value_half, point.slot), "thickness": 1.5},
        "marker": marker(point.slot, 10, hollow=point.n == 1),
        "name": point.name,
        "meta": {"role": "cost", "variant": point.name},
        "hovertemplate": f"{point.name}: {figures(point.cost)} ms a step, {value} (n = {point.n})<extra></extra>",
    }


def _labels(points: Sequence[Point], x_range: list[float], y_range: list[float]) -> list[dict[str, object]]:
    """A name beside each point, at the first of several places where it meets no other name and no point."""
    spots = [_pixels(point, x_range, y_range) for point in points]
    taken = [(x - 8, y - 8, x + 8, y + 8) for x, y in spots]
    labels = []
    for point, (x, y) in zip(points, spots, strict=True):
        width = CHARACTER * len(point.name)
        boxes = [_box(x, y, width, side, shift) for side, shift in PLACES]
        free = (
            at
            for at, box in enumerate(boxes)
            if box[2] < WIDTH and box[0] > 0 and not any(_meet(box, t) for t in taken)
        )
        chosen = next(free, 0)
        taken.append(boxes[chosen])
        side, shift = PLACES[chosen]
        place = {"xanchor": side, "xshift": 10 if side == "left" else -10, "yshift": shift}
        labels.append(note(point.cost, point.value, point.name, **place, font={"size": 12}, name="label"))
    return labels


def _pixels(point: Point, x_range: list[float], y_range: list[float]) -> tuple[float, float]:
    """About where a point stands on a wide screen, from the lower left corner."""
    x = (point.cost - x_range[0]) / (x_range[1] - x_range[0]) * WIDTH
    return x, (point.value - y_range[0]) / (y_range[1] - y_range[0]) * HEIGHT


def _box(x: float, y: float, width: float, side: str, shift: float) -> Box:
    left = x + 10 if side == "left" else x - 10 - width
    return (left, y + shift - 8, left + width, y + shift + 8)


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
