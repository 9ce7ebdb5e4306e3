"""The pieces figures are made of: bands, lines, labels and marks as plain Plotly JSON."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from api.dashboard.palette import GLYPHS, Slot, colour

Trace = dict[str, Any]
Figure = dict[str, Any]
Number = float | int

REACH = 0.6
"""How far beyond the estimates an interval may widen a range, as a share of what the estimates span."""

EDGE_AXIS: dict[str, Any] = {
    "overlaying": "y",
    "range": [0, 1],
    "fixedrange": True,
    "visible": False,
}
"""A second vertical axis from 0 to 1 on which marks keep to the upper edge, whatever the zoom."""


def rounded(values: Iterable[float | None], digits: int = 6) -> list[float | None]:
    """Plain JSON numbers with a few significant digits; what is not finite becomes a gap (marks say why)."""
    return [float(f"{v:.{digits}g}") if v is not None and math.isfinite(v) else None for v in values]


def band(
    x: Sequence[Number], low: Sequence[float | None], high: Sequence[float | None], slot: Slot, name: str
) -> Trace:
    """A closed area between two lines, in 14 % of the variant's colour, under all lines."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [*x, *reversed(x)],
        "y": rounded([*high, *reversed(low)]),
        "fill": "toself",
        "fillcolor": slot.tint(),
        "line": {"width": 0},
        "hoverinfo": "skip",
        "name": f"{name}, band",
        "legendgroup": name,
        "meta": {"role": "band", "variant": name},
    }


def line(x: Sequence[Number], y: Sequence[float | None], slot: Slot, name: str, **more: Any) -> Trace:
    """A variant's line with its dash; `more` is laid over it."""
    trace: Trace = {
        "type": "scatter",
        "mode": "lines",
        "x": list(x),
        "y": rounded(y),
        "line": {"color": slot.colour, "width": 2, "dash": slot.dash},
        "name": name,
        "legendgroup": name,
        "meta": {"role": "mean", "variant": name},
    }
    return {**trace, **more}


def marker(slot: Slot, size: int, *, hollow: bool = False) -> dict[str, Any]:
    """A variant's marker; hollow where there is no interval."""
    if not hollow:
        return {"symbol": slot.symbol, "size": size, "color": slot.colour}
    symbol = slot.symbol if slot.symbol.endswith("-open") else f"{slot.symbol}-open"
    return {"symbol": symbol, "size": size, "color": slot.colour, "line": {"width": 1.75}}


def whiskers(half_width: float | None, slot: Slot) -> dict[str, Any]:
    """Error bars in both directions of one point; none where there is no interval."""
    if half_width is None or not math.isfinite(half_width):
        return {"type": "data", "array": [0], "visible": False}
    return {"type": "data", "array": rounded([half_width]), "color": slot.colour, "thickness": 2, "width": 0}


def edge_marks(x: Sequence[Number], hover: Sequence[str], name: str) -> Trace:
    """Rising arrows at the upper edge, where series left for NaN or infinity."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": list(x),
        "y": [0.975] * len(x),
        "yaxis": "y2",
        "marker": {"symbol": "arrow-up", "size": 11, "color": colour("warning")},
        "text": list(hover),
        "hovertemplate": "%{text}<extra></extra>",
        "name": name,
        "meta": {"role": "diverged"},
    }


def label_text(slot: Slot, name: str, *, glyph_first: bool = True) -> str:
    glyph = f'<span style="color:{slot.colour}">{GLYPHS.get(slot.symbol, "○")}</span>'
    return f"{glyph} {name}" if glyph_first else f"{name} {glyph}"


def label(y: float, text: str, *, at: str = "right") -> dict[str, Any]:
    """A direct label beside the end of a line (`at` the right or the left of the plot)."""
    right = at == "right"
    return {
        "x": 1 if right else 0,
        "xref": "paper",
        "y": y,
        "yref": "y",
        "xanchor": "left" if right else "right",
        "xshift": 8 if right else -8,
        "yanchor": "middle",
        "text": text,
        "showarrow": False,
        "font": {"size": 12},
        "name": "label",
    }


def note(x: Number, y: Number, text: str, **more: Any) -> dict[str, Any]:
    """A small remark inside the plot."""
    return {
        "x": x,
        "y": y,
        "text": text,
        "showarrow": False,
        "align": "left",
        "font": {"size": 11, "color": colour("muted")},
        "name": "note",
        **more,
    }


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions as near to the wanted ones as a least gap allows, inside [low, high] if there is room."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed: list[list[float]] = []  # clusters: [first position, count]
    for index in order:
        placed.append([min(max(wanted[index], low), high), 1])
        while len(placed) > 1 and placed[-1][0] < placed[-2][0] + gap * placed[-2][1]:
            start, count = placed.pop()
            before, held = placed.pop()
            centre = (before + gap * (held - 1) / 2) * held + (start + gap * (count - 1) / 2) * count
            total = held + count
            first = centre / total - gap * (total - 1) / 2
            placed.append([max(low, min(first, high - gap * (total - 1))), total])
    flat = [first + gap * step for first, count in placed for step in range(int(count))]
    result = [0.0] * len(wanted)
    for position, index in zip(flat, order, strict=True):
        result[index] = position
    return result


def padded(values: Iterable[float | None], share: float = 0.06) -> list[float]:
    """A range that holds all finite values with some room; around a single value, a little of it."""
    finite = [v for v in values if v is not None and math.isfinite(v)]
    if not finite:
        return [0.0, 1.0]
    low, high = min(finite), max(finite)
    room = share * (high - low) or 0.05 * abs(high) or 1.0
    return [float(f"{low - room:.6g}"), float(f"{high + room:.6g}")]


def held(points: Iterable[tuple[float, float | None]], share: float = 0.06) -> list[float]:
    """A range for (estimate, half-width) that holds every estimate; an interval much wider than they lie apart is cut.

    Two seeds have intervals 12.7 standard errors wide: they may leave the picture, the estimates may not become a line.
    What is never below zero gets no room there.
    """
    known = [(value, half or 0.0) for value, half in points if math.isfinite(value)]
    if not known:
        return [0.0, 1.0]
    values = [value for value, _ in known]
    reach = REACH * (max(values) - min(values)) or max(half for _, half in known)
    low, high = padded([value + sign * min(half, reach) for value, half in known for sign in (-1, 1)], share)
    return [max(low, 0.0) if min(values) >= 0 else low, high]


def x_axis(title: str, **more: Any) -> dict[str, Any]:
    return {"title": {"text": title}, "unifiedhovertitle": {"text": f"{title} %{{x}}"}, "nticks": 6, **more}


def y_axis(title: str, **more: Any) -> dict[str, Any]:
    return {"title": {"text": title}, **more}
