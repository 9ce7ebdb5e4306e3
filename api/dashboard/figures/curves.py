"""Learning curves of a comparison: mean and band over seeds, single seeds, or minimum to maximum."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from api.dashboard.figures.plot import (
    EDGE_AXIS,
    Figure,
    Trace,
    band,
    edge_marks,
    held,
    label,
    label_text,
    line,
    note,
    spread,
    x_axis,
    y_axis,
)
from api.dashboard.palette import Slot
from domain.curves import Band
from domain.numbers import decimals_for, number

Show = Literal["mean", "seeds", "range"]

HEAD = 0.1
"""The share of the horizontal axis whose values do not rule the vertical range: the first steep fall."""


@dataclass(frozen=True)
class SeedCurve:
    """One seed's series; `left_at` is where it became NaN or infinite, None for one that stayed."""

    seed: int
    x: Sequence[float]
    y: Sequence[float]
    left_at: float | None = None


@dataclass(frozen=True)
class Curve:
    """One variant's curve: mean and interval over the n seeds that stayed finite, and every seed by itself."""

    name: str
    slot: Slot
    n: int
    over: Band
    seeds: Sequence[SeedCurve] = field(default_factory=tuple)


def curves(drawn: Sequence[Curve], *, x_title: str, y_title: str, show: Show = "mean") -> Figure:
    """The figure of one stratum. Bands lie under all lines; labels stand at the right, or in the key when narrow."""
    traces = [trace for curve in reversed(drawn) for trace in _under(curve, show)]
    traces += [_mean_line(curve, show) for curve in reversed(drawn) if curve.over.x]
    marks = [_left(curve) for curve in drawn if any(seed.left_at is not None for seed in curve.seeds)]
    y_range = visible_range(drawn)
    lost = _lost_notes(drawn)
    layout = {
        "margin": {"l": 46, "r": 12 + 8 * max((len(_label(curve)) for curve in drawn), default=6), "t": 8, "b": 42},
        "xaxis": x_axis(x_title, range=[0, _last_x(drawn)]),
        "yaxis": y_axis(y_title, range=y_range),
        "yaxis2": EDGE_AXIS,
        "annotations": [*_labels(drawn, y_range), *lost],
        "meta": {"narrow": {"margin": {"l": 42, "r": 24}, "annotations": lost}},
    }
    return {"data": [*traces, *marks], "layout": layout}


def visible_range(drawn: Sequence[Curve]) -> list[float]:
    """The vertical range that the curves need after their first steep part."""
    start = HEAD * _last_x(drawn)
    return held(
        (mean, None if high is None else high - mean)
        for curve in drawn
        for x, mean, high in zip(curve.over.x, curve.over.mean, curve.over.high, strict=True)
        if x >= start
    )


def _last_x(drawn: Sequence[Curve]) -> float:
    own = [x for curve in drawn for x in curve.over.x[-1:]]
    return max(own + [seed.x[-1] for curve in drawn for seed in curve.seeds if len(seed.x)], default=1)


def _under(curve: Curve, show: Show) -> list[Trace]:
    if show == "seeds":
        return [_seed_line(curve, seed) for seed in curve.seeds]
    over = curve.over
    low, high = (over.low, over.high) if show == "mean" else (over.minimum, over.maximum)
    known = [at for at, n in enumerate(over.n) if n > 1]
    if not known:
        return []
    x = [over.x[at] for at in known]
    return [band(x, [low[at] for at in known], [high[at] for at in known], curve.slot, curve.name)]


def _seed_line(curve: Curve, seed: SeedCurve) -> Trace:
    return line(
        seed.x,
        seed.y,
        curve.slot,
        f"{curve.name}, seed {seed.seed}",
        line={"color": curve.slot.tint(0.55), "width": 1, "dash": curve.slot.dash},
        legendgroup=curve.name,
        hovertemplate=f"seed {seed.seed}: %{{y:.4g}}<extra>{curve.name}</extra>",
        meta={"role": "seed", "variant": curve.name, "seed": seed.seed},
    )


def _mean_line(curve: Curve, show: Show) -> Trace:
    """The line of the mean; with one seed it says so instead of pretending a band."""
    over = curve.over
    if curve.n == 1:
        alone = [", n = 1: no interval"] * len(over.x)
        return line(over.x, over.mean, curve.slot, curve.name, customdata=alone, hovertemplate="%{y:.4g}%{customdata}")
    if show == "mean":
        halves = [top - mean if top is not None else None for top, mean in zip(over.high, over.mean, strict=True)]
        known = ["" if half is None else f" ± {number(half or None, decimals_for(half))}" for half in halves]
    else:
        known = ["" for _ in over.x]
    hover = [f"{words} (n = {n})" for words, n in zip(known, over.n, strict=True)]
    return line(over.x, over.mean, curve.slot, curve.name, customdata=hover, hovertemplate="%{y:.4g}%{customdata}")


def _left(curve: Curve) -> Trace:
    left = [seed for seed in curve.seeds if seed.left_at is not None]
    hover = [f"{curve.name}, seed {seed.seed} diverged at {seed.left_at}" for seed in left]
    return edge_marks([seed.left_at or 0 for seed in left], hover, f"{curve.name}, diverged")


def _lost_notes(drawn: Sequence[Curve]) -> list[dict[str, object]]:
    """Beside the first arrow of a variant, how many of its seeds left; one under another where there are several."""
    notes: list[dict[str, object]] = []
    for curve in drawn:
        left = [seed.left_at for seed in curve.seeds if seed.left_at is not None]
        if left:
            words = f"{len(left)} of {len(curve.seeds)} seeds of <i>{curve.name}</i> diverged"
            place = {"yref": "paper", "xanchor": "left", "yanchor": "middle", "xshift": 10, "yshift": -15 * len(notes)}
            notes.append(note(max(left), 0.975, words, **place))
    return notes


def _label(curve: Curve) -> str:
    return f"{curve.name}, n = 1" if curve.n == 1 else curve.name


def _labels(drawn: Sequence[Curve], y_range: list[float]) -> list[dict[str, object]]:
    ending = [curve for curve in drawn if curve.over.mean]
    gap = 0.062 * (y_range[1] - y_range[0])
    places = spread([curve.over.mean[-1] for curve in ending], gap, *y_range)
    return [label(place, label_text(curve.slot, _label(curve))) for curve, place in zip(ending, places, strict=True)]
