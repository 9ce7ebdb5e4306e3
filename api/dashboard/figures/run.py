"""One run's series: every bucket thin, the moving average thick; attempts, NaN and infinity marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.dashboard.figures.plot import EDGE_AXIS, Figure, Trace, edge_marks, note, rounded, x_axis, y_axis
from api.dashboard.numbers import figures, whole
from api.dashboard.palette import Slot, colour

FEW = 80
"""Up to this many points are drawn as they are, with markers; a moving average would only blur them."""


@dataclass(frozen=True)
class Resumption:
    """An attempt after the first: where it took over."""

    attempt: int
    step: int


@dataclass(frozen=True)
class Series:
    """Finite points in their order, and marks (x, words) where values were NaN or infinite."""

    key: str
    x: Sequence[float]
    y: Sequence[float]
    marks: Sequence[tuple[float, str]] = ()
    x_title: str = "step"
    y_title: str = ""
    unit: str = ""
    lower_is_better: bool | None = None
    x_end: float | None = None
    is_zoomed: bool = False


def moving_average(values: Sequence[float]) -> list[float]:
    """Exponential moving average over about a thirtieth of the points, without the bias of its start."""
    smoothing = 1 - 2 / (1 + max(3.0, len(values) / 30))
    total = weight = 0.0
    smoothed = []
    for value in values:
        total = smoothing * total + (1 - smoothing) * value
        weight = smoothing * weight + (1 - smoothing)
        smoothed.append(total / weight)
    return smoothed


def run_curve(series: Series, slot: Slot, resumptions: Sequence[Resumption] = ()) -> Figure:
    """The figure of one series of one run."""
    points = list(zip(series.x, series.y, strict=True))
    traces = _few(series, slot) if len(points) <= FEW else _many(series, slot)
    if series.marks:
        words = [f"{kind} at {whole(x)}" for x, kind in series.marks]
        traces.append(edge_marks([x for x, _ in series.marks], words, "not finite"))
    best = _best(series, points)
    layout = {
        "margin": {"l": 46, "r": 30, "t": 8, "b": 42},
        "xaxis": x_axis(series.x_title, **({"range": [0, series.x_end]} if series.x_end else {})),
        "yaxis": y_axis(series.y_title or series.key),
        "yaxis2": EDGE_AXIS,
        "shapes": [_attempt_line(each) for each in resumptions],
        "annotations": [
            *(_attempt_note(each, series.x_end) for each in resumptions),
            *([_best_note(series, best)] if best else []),
        ],
    }
    if best:
        traces.append(_best_mark(best))
    return {"data": traces, "layout": layout}


def _few(series: Series, slot: Slot) -> list[Trace]:
    return [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": list(series.x),
            "y": rounded(series.y),
            "line": {"color": slot.colour, "width": 2},
            "marker": {"size": 5, "color": slot.colour},
            "name": series.key,
            "hovertemplate": f"%{{y:.4g}} {series.unit}",
            "meta": {"role": "single"},
        }
    ]


def _many(series: Series, slot: Slot) -> list[Trace]:
    raw: Trace = {
        "type": "scatter",
        "mode": "lines",
        "x": list(series.x),
        "y": rounded(series.y),
        "line": {"color": slot.tint(0.32), "width": 1},
        "name": "raw",
        "hoverinfo": "skip",
        "meta": {"role": "raw"},
    }
    smooth: Trace = {
        "type": "scatter",
        "mode": "lines",
        "x": list(series.x),
        "y": rounded(moving_average(series.y)),
        "line": {"color": slot.colour, "width": 2},
        "name": "average",
        "hovertemplate": f"average %{{y:.4g}} {series.unit}",
        "meta": {"role": "average"},
    }
    return [raw, smooth]


def _best(series: Series, points: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """The best point of a series that has a direction and was drawn point by point."""
    if series.lower_is_better is None or series.is_zoomed or not 2 <= len(points) <= FEW:
        return None
    choose = min if series.lower_is_better else max
    return choose(points, key=lambda point: point[1])


def _best_mark(best: tuple[float, float]) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [best[0]],
        "y": rounded([best[1]]),
        "marker": {"symbol": "circle-open", "size": 13, "color": colour("ink"), "line": {"width": 1.5}},
        "hoverinfo": "skip",
        "name": "best",
        "meta": {"role": "best"},
    }


def _best_note(series: Series, best: tuple[float, float]) -> dict[str, Any]:
    """Beside the best point, on the side where the line left room: above a minimum, below a maximum."""
    text = f"best {figures(best[1], 4)} {series.unit}".rstrip() + f"<br>at {whole(best[0])}"
    late = series.x_end is not None and best[0] > 0.8 * series.x_end
    above = bool(series.lower_is_better)
    return note(
        *best,
        text,
        xanchor="right" if late else "left",
        yanchor="bottom" if above else "top",
        xshift=-4 if late else 4,
        yshift=10 if above else -10,
        font={"size": 11},
        align="right" if late else "left",
    )


def _attempt_line(resumption: Resumption) -> dict[str, Any]:
    line = {"color": colour("muted"), "width": 1, "dash": "dot"}
    where = {"xref": "x", "x0": resumption.step, "x1": resumption.step, "yref": "paper", "y0": 0, "y1": 1}
    return {"type": "line", **where, "line": line}


def _attempt_note(resumption: Resumption, end: float | None) -> dict[str, Any]:
    text = f"attempt {resumption.attempt},<br>resumed at {whole(resumption.step)}"
    late = end is not None and resumption.step > 0.7 * end
    side = {"xanchor": "right", "xshift": -5, "align": "right"} if late else {"xanchor": "left", "xshift": 5}
    return note(resumption.step, 1, text, xref="x", yref="paper", yanchor="top", **side)
