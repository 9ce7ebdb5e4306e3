"""Cost against quality: time of a step beside the metric, with the frontier of what nothing beats in both."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from api.dashboard.figures.plot import Figure, Trace, marker, note, padded, rounded, whiskers
from api.dashboard.numbers import figures
from api.dashboard.palette import Slot, colour
from domain.numbers import decimals_for, number


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
    x_range = padded([p.cost + s * (p.cost_half or 0) for p in shown for s in (-1, 1)], 0.18)
    y_range = padded([p.value + s * (p.value_half or 0) for p in shown for s in (-1, 1)], 0.12)
    layout = {
        "hovermode": "closest",
        "margin": {"l": 46, "r": 12, "t": 8, "b": 42},
        "xaxis": {"title": {"text": "time of a training step, ms"}, "range": x_range, "showgrid": True, "nticks": 6},
        "yaxis": {"title": {"text": y_title}, "range": y_range, "nticks": 6},
        "annotations": [_label(point, shown, x_range, y_range) for point in shown],
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


def _label(point: Point, all_points: Sequence[Point], x_range: list[float], y_range: list[float]) -> dict[str, object]:
    """A name beside its point: above, or below where a close neighbour stands higher; inwards near the right edge."""
    wide, high = x_range[1] - x_range[0], y_range[1] - y_range[0]
    crowded = any(
        other is not point
        and abs(other.cost - point.cost) < 0.2 * wide
        and 0 <= other.value - point.value < 0.12 * high
        for other in all_points
    )
    inward = point.cost > x_range[1] - 0.22 * wide
    return note(
        point.cost,
        point.value,
        point.name,
        xanchor="right" if inward else "left",
        xshift=-10 if inward else 10,
        yshift=-11 if crowded else 11,
        font={"size": 12},
        name="label",
    )
