"""Learning curves over seeds: mean and interval, deviation, extremes or single seeds, as the view wants them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat

from api.dashboard.figures.average import moving_average
from api.dashboard.figures.axes import Frame, Place, along, annotated, frame_of, horizontal, outside_marks
from api.dashboard.figures.plot import (
    EDGE_AXIS,
    Figure,
    Trace,
    band,
    edge_marks,
    label,
    label_text,
    line,
    note,
    spread,
)
from api.dashboard.palette import Slot, colour
from api.dashboard.view import CURVES, View
from domain.curves import Band
from domain.numbers import decimals_for, number

CHARACTER, GLYPH = 7, 34
"""Pixels that a letter of a label takes, and its marker with the room around."""


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


def curves(drawn: Sequence[Curve], *, y_title: str, view: View = CURVES) -> Figure:
    """The figure of one stratum. Bands lie under all lines; labels stand at the right, or in the key when narrow."""
    frame = frame_of([place for curve in drawn for place in _places(curve, view)], view)
    traces = [trace for curve in reversed(drawn) for trace in _under(curve, view, frame)]
    traces += [trace for curve in reversed(drawn) if curve.over.x for trace in _mean_lines(curve, view)]
    marks = [_left(curve, view) for curve in drawn if any(seed.left_at is not None for seed in curve.seeds)]
    marks += [mark for curve in drawn for mark in _outside(curve, frame, view)]
    said = [*_lost_notes(drawn, view), *frame.notes()]
    top = 22 if frame.notes() else 8
    longest = max((len(curve.name) + len(_count(curve)) for curve in drawn), default=6)
    layout = {
        "margin": {"l": 46, "r": GLYPH + CHARACTER * longest, "t": top, "b": 42},
        "xaxis": horizontal(view, _every_x(drawn)),
        "yaxis": frame.axis(y_title, view),
        "yaxis2": EDGE_AXIS,
        "annotations": [*_labels(drawn, frame), *said],
        "meta": {"narrow": {"margin": {"l": 42, "r": 24}, "annotations": said}},
    }
    return {"data": [*traces, *marks], "layout": layout}


def _every_x(drawn: Sequence[Curve]) -> list[float]:
    seeds = [seed for curve in drawn for seed in curve.seeds]
    return [x for curve in drawn for x in curve.over.x] + [x for seed in seeds for x in seed.x]


def _places(curve: Curve, view: View) -> Iterator[Place]:
    """What the vertical range has to hold: the mean with its band, or the seeds that did not diverge."""
    over = curve.over
    low, high = _bounds(over, view)
    yield from map(Place, over.x, over.mean, low, high)
    if view.show == "seeds" or not over.x:
        yield from (Place(*point) for seed in curve.seeds for point in zip(seed.x, seed.y, strict=True))


Bounds = Sequence[float | None]


def _bounds(over: Band, view: View) -> tuple[Bounds, Bounds]:
    """The lower and the upper edge of what is shown around the mean."""
    if view.show == "sd":
        pairs = list(zip(over.mean, over.sd, strict=True))
        return [None if sd is None else m - sd for m, sd in pairs], [None if sd is None else m + sd for m, sd in pairs]
    return (over.minimum, over.maximum) if view.show == "range" else (over.low, over.high)


def _under(curve: Curve, view: View, frame: Frame) -> list[Trace]:
    if view.show == "seeds" or not curve.over.x:
        return [_seed_line(curve, seed, view) for seed in curve.seeds]
    low, high = _bounds(curve.over, view)
    known = [at for at, n in enumerate(curve.over.n) if n > 1]
    if not known:
        return []
    # On a logarithmic axis a bound at or below zero lies below the picture, not nowhere.
    floor = frame.low / 10 if frame.is_log else float("-inf")
    lower, upper = ([max(value, floor) for at in known if (value := each[at]) is not None] for each in (low, high))
    return [band(along(view, [curve.over.x[at] for at in known]), lower, upper, curve.slot, curve.name)]


def _seed_line(curve: Curve, seed: SeedCurve, view: View) -> Trace:
    return line(
        along(view, seed.x),
        seed.y,
        curve.slot,
        f"{curve.name}, seed {seed.seed}",
        line={"color": curve.slot.tint(0.55), "width": 1, "dash": curve.slot.dash},
        legendgroup=curve.name,
        hovertemplate=f"seed {seed.seed}: %{{y:.4g}}<extra>{curve.name}</extra>",
        meta={"role": "seed", "variant": curve.name, "seed": seed.seed},
    )


def _mean_lines(curve: Curve, view: View) -> list[Trace]:
    """The line of the mean, under its moving average where the view wants one; with one seed it says so."""
    over = curve.over
    mean = line(
        along(view, over.x),
        over.mean,
        curve.slot,
        curve.name,
        customdata=_said(curve, view),
        hovertemplate="%{y:.4g}%{customdata}",
    )
    if not view.average:
        return [mean]
    faint = {"color": curve.slot.tint(0.4), "width": 1, "dash": curve.slot.dash}
    average = line(
        mean["x"],
        moving_average(over.mean, view.average),
        curve.slot,
        f"{curve.name}, average",
        hoverinfo="skip",
        meta={"role": "average", "variant": curve.name},
    )
    return [{**mean, "line": faint}, average]


def _said(curve: Curve, view: View) -> list[str]:
    """What stands behind each mean: its spread and n, or that one seed has none."""
    over = curve.over
    if curve.n == 1:
        return [", n = 1: no interval"] * len(over.x)
    if view.show == "mean":
        halves = [None if top is None else top - mean for top, mean in zip(over.high, over.mean, strict=True)]
        known = ["" if half is None else f" ± {number(half or None, decimals_for(half))}" for half in halves]
    elif view.show == "sd":
        known = ["" if sd is None else f", sd {number(sd, decimals_for(sd))}" for sd in over.sd]
    else:
        known = list(repeat("", len(over.x)))
    return [f"{words} (n = {n})" for words, n in zip(known, over.n, strict=True)]


def _left(curve: Curve, view: View) -> Trace:
    left = [seed for seed in curve.seeds if seed.left_at is not None]
    where = "" if view.x == "wall" else " at {}"
    hover = [f"{curve.name}, seed {seed.seed} diverged{where.format(seed.left_at)}" for seed in left]
    return edge_marks(along(view, [seed.left_at or 0 for seed in left]), hover, f"{curve.name}, diverged")


def _outside(curve: Curve, frame: Frame, view: View) -> list[Trace]:
    """Marks of the lines that are drawn: of the mean, or of the seeds."""
    if view.show == "seeds" or not curve.over.x:
        return [
            mark
            for seed in curve.seeds
            for mark in outside_marks(seed.x, seed.y, frame, curve.slot, f"{curve.name}, seed {seed.seed}", view)
        ]
    return outside_marks(curve.over.x, curve.over.mean, frame, curve.slot, curve.name, view)


def _lost_notes(drawn: Sequence[Curve], view: View) -> list[dict[str, object]]:
    """Beside the first arrow of a variant, how many of its seeds left; one under another where there are several."""
    notes: list[dict[str, object]] = []
    for curve in drawn:
        left = [seed.left_at for seed in curve.seeds if seed.left_at is not None]
        if left:
            words = f"{len(left)} of {len(curve.seeds)} seeds of <i>{curve.name}</i> diverged"
            place = {"yref": "paper", "xanchor": "left", "yanchor": "middle", "xshift": 10, "yshift": -15 * len(notes)}
            notes.append(note(annotated(view, max(left)), 0.975, words, **place))
    return notes


def _count(curve: Curve) -> str:
    return f" n = {curve.n}"


def _end(curve: Curve) -> float | None:
    """Where the label of a curve points: the end of its mean, without one that of its first seed."""
    ends = [*curve.over.mean[-1:], *(seed.y[-1] for seed in curve.seeds if len(seed.y))]
    return ends[0] if ends else None


def _labels(drawn: Sequence[Curve], frame: Frame) -> list[dict[str, object]]:
    """Name and n of each variant beside the end of its line."""
    ending = [(curve, end) for curve in drawn if (end := _end(curve)) is not None and (end > 0 or not frame.is_log)]
    low, high = frame.range
    places = spread([frame.at(end) for _, end in ending], 0.062 * (high - low), low, high)
    return [label(place, _label(curve)) for (curve, _), place in zip(ending, places, strict=True)]


def _label(curve: Curve) -> str:
    return f'{label_text(curve.slot, curve.name)}<span style="color:{colour("muted")}">{_count(curve)}</span>'
