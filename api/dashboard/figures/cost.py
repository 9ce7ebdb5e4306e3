"""Cost against quality: time, throughput or memory beside the metric, with the frontier that nothing beats in both."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from api.dashboard.figures.plot import Figure, Trace, held, label_text, marker, note, rounded, whiskers
from api.dashboard.numbers import figures
from api.dashboard.palette import Slot, colour
from domain.numbers import decimals_for, number

Box = tuple[float, float, float, float]
HEIGHT, WIDE, NARROW = 290.0, 460.0, 278.0
"""Pixels of the plot: the least it has on a wide screen, and on a phone 360 pixels wide. Wider, names only part."""
CHARACTER, MARK, LINE = 6.7, 15.0, 16.0
"""Pixels that a letter and a variant's mark take of a name's line, and the height of the line."""
BESIDE, SHIFTS = 10, (11, -11, 27, -27, 43, -43, 59, -59)
"""Where a name may stand: pixels beside its point, and upwards from it, the nearest place first."""


@dataclass(frozen=True)
class Cost:
    """What is paid: the title of its axis, how a number of it is told, and whether less is better."""

    title: str
    unit: str
    less_is_better: bool = True


TIME = Cost("time of a training step, ms", "ms a step")
THROUGHPUT = Cost("samples per second", "samples a second", less_is_better=False)
MEMORY = Cost("peak memory, MB", "MB")


@dataclass(frozen=True)
class Point:
    """One variant: its cost and the metric, each with the half of its interval where n allows one."""

    name: str
    slot: Slot
    n: int
    cost: float
    cost_half: float | None
    value: float
    value_half: float | None


def frontier(points: Sequence[Point], *, lower_is_better: bool, of: Cost = TIME) -> list[Point]:
    """The points that no other beats in both cost and quality, cheapest first."""
    sign, paid = 1 if lower_is_better else -1, 1 if of.less_is_better else -1
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (paid * p.cost, sign * p.value)):
        if not kept or sign * point.value < sign * kept[-1].value:
            kept.append(point)
    return kept


def cost(points: Sequence[Point], *, y_title: str, lower_is_better: bool, of: Cost = TIME) -> Figure:
    """The figure of one stratum; points without a finite cost and value are left to the table."""
    shown = [p for p in points if math.isfinite(p.cost) and math.isfinite(p.value)]
    x_range = held(((p.cost, p.cost_half) for p in shown), 0.18)
    y_range = held(((p.value, p.value_half) for p in shown), 0.12)
    layout = {
        "hovermode": "closest",
        "margin": {"l": 46, "r": 12, "t": 8, "b": 42},
        "xaxis": {"title": {"text": of.title}, "range": x_range, "showgrid": True, "nticks": 6},
        "yaxis": {"title": {"text": y_title}, "range": y_range, "nticks": 6},
        "annotations": _labels(shown, x_range, y_range, WIDE),
        "meta": {"narrow": {"margin": {"l": 42, "r": 8}, "annotations": _labels(shown, x_range, y_range, NARROW)}},
    }
    edge = frontier(shown, lower_is_better=lower_is_better, of=of)
    bounds = (x_range[1 if of.less_is_better else 0], y_range[1] if lower_is_better else y_range[0])
    return {"data": [_frontier_line(edge, *bounds), *(_point(point, of) for point in shown)], "layout": layout}


def _frontier_line(edge: Sequence[Point], end: float, start: float) -> Trace:
    x = [edge[0].cost, *(p.cost for p in edge), end] if edge else []
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


def _point(point: Point, of: Cost) -> Trace:
    places = decimals_for(point.value_half, point.value)
    value = number(point.value, places) + (f" ± {number(point.value_half, places)}" if point.value_half else "")
    return {
        "type": "scatter",
        "mode": "markers",
        "x": rounded([point.cost]),
        "y": rounded([point.value]),
        "error_x": {**whiskers(point.cost_half, point.slot), "thickness": 1.5},
        "error_y": {**whiskers(point.value_half, point.slot), "thickness": 1.5},
        "marker": marker(point.slot, 10, hollow=point.value_half is None),
        "name": point.name,
        "meta": {"role": "cost", "variant": point.name},
        "hovertemplate": f"{point.name}: {figures(point.cost)} {of.unit}, {value} (n = {point.n})<extra></extra>",
    }


def _labels(
    points: Sequence[Point], x_range: list[float], y_range: list[float], width: float
) -> list[dict[str, object]]:
    """A name beside each point, inside a plot so wide: at the nearest place where it meets no other name and no point.

    Where there is no such place, at the one where it meets fewest. A name further off than a line carries its mark.
    """
    spots = [_pixels(point, x_range, y_range, width) for point in points]
    taken = [(x - 8, y - 8, x + 8, y + 8) for x, y in spots]
    labels = []
    for point, spot in zip(points, spots, strict=True):
        box = min(_boxes(spot, CHARACTER * len(point.name), width), key=lambda box: sum(_meet(box, t) for t in taken))
        taken.append(box)
        across, up = round(box[0] - spot[0]), round(box[1] + LINE / 2 - spot[1])
        text = point.name if abs(up) <= LINE else label_text(point.slot, point.name)
        place = {"xanchor": "left", "xshift": across, "yshift": up}
        labels.append(note(point.cost, point.value, text, **place, font={"size": 12}, name="label"))
    return labels


def _pixels(point: Point, x_range: list[float], y_range: list[float], width: float) -> tuple[float, float]:
    """About where a point stands in a plot so wide, from the lower left corner."""
    x = (point.cost - x_range[0]) / (x_range[1] - x_range[0]) * width
    return x, (point.value - y_range[0]) / (y_range[1] - y_range[0]) * HEIGHT


def _boxes(spot: tuple[float, float], length: float, width: float) -> Iterator[Box]:
    """The places of a name so long, the best first: right of its point, left of it; each pushed inside the plot."""
    x, y = spot
    for shift in SHIFTS:
        low = min(max(y + shift - LINE / 2, 0), HEIGHT - LINE)
        long = length + (MARK if abs(shift) > LINE else 0)
        for start in (x + BESIDE, x - BESIDE - long):
            left = max(min(start, width - long), 0)
            yield (left, low, left + long, low + LINE)


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
