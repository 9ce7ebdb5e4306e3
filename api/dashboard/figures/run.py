"""One run's series: every bucket thin, the moving average thick; attempts, NaN and infinity marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.dashboard.figures.average import moving_average
from api.dashboard.figures.axes import Place, along, annotated, frame_of, horizontal, outside_marks
from api.dashboard.figures.plot import EDGE_AXIS, Figure, Trace, edge_marks, note, rounded
from api.dashboard.numbers import figures, whole
from api.dashboard.palette import Slot, colour
from api.dashboard.view import RUN, View

FEW = 80
"""Up to this many points are drawn with markers, and without an average that nobody asked for: it would only blur."""


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
    y_title: str = ""
    unit: str = ""
    lower_is_better: bool | None = None
    x_end: float | None = None
    is_zoomed: bool = False


def run_curve(series: Series, slot: Slot, resumptions: Sequence[Resumption] = (), *, view: View = RUN) -> Figure:
    """The figure of one series of one run."""
    points = list(zip(series.x, series.y, strict=True))
    frame = frame_of([Place(x, y) for x, y in points], view)
    traces = _lines(series, slot, view)
    traces += outside_marks(series.x, series.y, frame, slot, series.key, view)
    if series.marks:
        words = [f"{kind} at {whole(x)}" if view.x != "wall" else kind for x, kind in series.marks]
        traces.append(edge_marks(along(view, [x for x, _ in series.marks]), words, "not finite"))
    best = _best(series, points)
    if best:
        traces.append(_best_mark(best, view))
    layout = {
        "margin": {"l": 46, "r": 30, "t": 22 if frame.notes() else 8, "b": 42},
        "xaxis": horizontal(view, series.x, end=series.x_end),
        "yaxis": frame.axis(series.y_title or series.key, view),
        "yaxis2": EDGE_AXIS,
        "shapes": [_attempt_line(each) for each in resumptions],
        "annotations": [
            *(_attempt_note(each, series.x_end, view) for each in resumptions),
            *([_best_note(series, best, frame.at(best[1]), view)] if best else []),
            *frame.notes(),
        ],
    }
    return {"data": traces, "layout": layout}


def _lines(series: Series, slot: Slot, view: View) -> list[Trace]:
    """Few points with markers; many thin. Over them the moving average, if the view has one."""
    is_few = len(series.x) <= FEW
    if not view.average or (is_few and view.average == RUN.average):
        width = {"width": 2} if is_few else {"width": 1.25}
        single = _line(series, view, role="single", line={"color": slot.colour, **width})
        marked = {"mode": "lines+markers", "marker": {"size": 5, "color": slot.colour}} if is_few else {}
        return [{**single, **marked, "hovertemplate": f"%{{y:.4g}} {series.unit}"}]
    raw = _line(series, view, role="raw", line={"color": slot.tint(0.32), "width": 1})
    average = _line(series, view, role="average", line={"color": slot.colour, "width": 2})
    average["y"] = rounded(moving_average(series.y, view.average))
    return [{**raw, "hoverinfo": "skip"}, {**average, "hovertemplate": f"average %{{y:.4g}} {series.unit}"}]


def _line(series: Series, view: View, *, role: str, **more: Any) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": along(view, series.x),
        "y": rounded(series.y),
        "name": series.key if role == "single" else role,
        "meta": {"role": role},
        **more,
    }


def _best(series: Series, points: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """The best point of a series that has a direction and was drawn point by point."""
    if series.lower_is_better is None or series.is_zoomed or not 2 <= len(points) <= FEW:
        return None
    choose = min if series.lower_is_better else max
    return choose(points, key=lambda point: point[1])


def _best_mark(best: tuple[float, float], view: View) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": along(view, [best[0]]),
        "y": rounded([best[1]]),
        "marker": {"symbol": "circle-open", "size": 13, "color": colour("ink"), "line": {"width": 1.5}},
        "hoverinfo": "skip",
        "name": "best",
        "meta": {"role": "best"},
    }


def _best_note(series: Series, best: tuple[float, float], y: float, view: View) -> dict[str, Any]:
    """Beside the best point, on the side where the line left room: above a minimum, below a maximum."""
    where = figures(best[0], 4) if view.x == "epoch" else whole(best[0])
    text = f"best {figures(best[1], 4)} {series.unit}".rstrip() + ("" if view.x == "wall" else f"<br>at {where}")
    late = series.x_end is not None and best[0] > 0.8 * series.x_end
    above = bool(series.lower_is_better)
    return note(
        annotated(view, best[0]),
        y,
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


def _attempt_note(resumption: Resumption, end: float | None, view: View) -> dict[str, Any]:
    text = f"attempt {resumption.attempt},<br>resumed at {whole(resumption.step)}"
    late = end is not None and resumption.step > 0.7 * end
    side = {"xanchor": "right", "xshift": -5, "align": "right"} if late else {"xanchor": "left", "xshift": 5}
    return note(annotated(view, resumption.step), 1, text, xref="x", yref="paper", yanchor="top", **side)
