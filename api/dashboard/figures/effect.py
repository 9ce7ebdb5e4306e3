"""The effect of one axis: the metric of each variant against batch size, depth or whatever else a study varies."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.dashboard.figures.plot import (
    Figure,
    Trace,
    band,
    held,
    label,
    label_text,
    line,
    marker,
    rounded,
    spread,
    whiskers,
)
from api.dashboard.palette import Slot


@dataclass(frozen=True)
class Point:
    """The mean at one place of the axis; `half` is None for one seed."""

    position: int
    n: int
    mean: float
    half: float | None


@dataclass(frozen=True)
class Variant:
    name: str
    slot: Slot
    points: Sequence[Point]


def effect(variants: Sequence[Variant], *, places: Sequence[str], x_title: str, y_title: str) -> Figure:
    """Lines over the axis' places in their order, equally far apart; labels at the left, where most effects begin."""
    shown = [variant for variant in variants if variant.points]
    y_range = held((point.mean, point.half) for variant in shown for point in variant.points)
    starting = [variant for variant in shown if variant.points[0].position == 0]
    longest = max((len(_name(variant)) for variant in starting), default=6)
    layout = {
        "margin": {"l": 26 + 7 * longest, "r": 46, "t": 8, "b": 42},
        "xaxis": {
            "tickvals": list(range(len(places))),
            "ticktext": list(places),
            "unifiedhovertitle": {"text": f"{x_title} %{{x}}"},
            "title": {"text": x_title},
            "range": [-0.12, len(places) - 0.85],
            "showgrid": False,
        },
        "yaxis": {"side": "right", "range": y_range, "title": {"text": y_title}, "nticks": 6},
        "annotations": _labels(starting, y_range),
        "meta": {"narrow_below": 380, "narrow": {"margin": {"l": 14, "r": 46}, "annotations": []}},
    }
    return {
        "data": [*_bands(shown), *(trace for variant in reversed(shown) for trace in _lines(variant))],
        "layout": layout,
    }


def _bands(variants: Sequence[Variant]) -> list[Trace]:
    traces = []
    for variant in reversed(variants):
        for known in _stretches(variant):
            if len(known) > 1:
                low = [point.mean - (point.half or 0) for point in known]
                high = [point.mean + (point.half or 0) for point in known]
                traces.append(band([point.position for point in known], low, high, variant.slot, variant.name))
    return traces


def _stretches(variant: Variant) -> list[list[Point]]:
    """Points with an interval, neighbours together: a band never crosses a point that has none."""
    stretches: list[list[Point]] = [[]]
    for point in variant.points:
        if point.half is None:
            stretches.append([])
        else:
            stretches[-1].append(point)
    return [stretch for stretch in stretches if stretch]


def _lines(variant: Variant) -> list[Trace]:
    x = [point.position for point in variant.points]
    y = [point.mean for point in variant.points]
    hover = [
        f"{p.mean:.4g}" + (f" ± {p.half:.2g}" if p.half is not None else "") + f" (n = {p.n})" for p in variant.points
    ]
    drawn = line(x, y, variant.slot, variant.name, mode="lines+markers", text=hover, hovertemplate="%{text}")
    drawn["marker"] = {
        **marker(variant.slot, 8),
        "size": [8 if p.half is not None else 0 for p in variant.points],
        "opacity": 1,
    }
    alone = {stretch[0].position for stretch in _stretches(variant) if len(stretch) == 1}
    if alone:
        halves = rounded(p.half if p.position in alone else 0.0 for p in variant.points)
        drawn["error_y"] = {"type": "data", "array": halves, "color": variant.slot.colour, "thickness": 2, "width": 0}
    single = [point for point in variant.points if point.half is None]
    hollow = [
        line(
            [point.position],
            [point.mean],
            variant.slot,
            f"{variant.name}, n = {point.n}",
            mode="markers",
            marker=marker(variant.slot, 10, hollow=True),
            error_y=whiskers(None, variant.slot),
            hoverinfo="skip",
            meta={"role": "single", "variant": variant.name},
        )
        for point in single
    ]
    return [drawn, *hollow]


def _name(variant: Variant) -> str:
    return f"{variant.name}, n = 1" if variant.points[0].n == 1 else variant.name


def _labels(variants: Sequence[Variant], y_range: list[float]) -> list[dict[str, object]]:
    gap = 0.055 * (y_range[1] - y_range[0])
    places = spread([variant.points[0].mean for variant in variants], gap, *y_range)
    return [
        label(place, label_text(variant.slot, _name(variant), glyph_first=False), at="left")
        for variant, place in zip(variants, places, strict=True)
    ]
