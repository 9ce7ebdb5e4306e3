"""The numbers of a figure as CSV: a line for each point that it draws, with what is drawn around it."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from api.dashboard.numbers import iso_of

COLUMNS = ("setting", "series", "kind", "x", "y", "value", "low", "high", "x_half_width", "y_half_width", "note")
HELPERS = {"band", "frontier", "axis"}
"""Roles of traces that repeat or explain others."""

Row = dict[str, Any]


def csv_of_figure(figure: Mapping[str, Any]) -> str:
    """Columns that no point fills are left out; places with words on the axis are those words."""
    rows = [row for trace in reversed(figure["data"]) for row in _rows(trace, figure)]
    kept = [column for column in COLUMNS if any(row.get(column) is not None for row in rows)]
    text = io.StringIO()
    writer = csv.DictWriter(text, kept, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _rows(trace: Mapping[str, Any], figure: Mapping[str, Any]) -> Iterator[Row]:
    role = trace.get("meta", {}).get("role", "")
    if trace["type"] == "heatmap":
        yield from _cells(trace)
    elif role not in HELPERS:
        bounds = _bounds(trace, figure) if role == "mean" else {}
        where = figure["layout"]
        on_edge = trace.get("yaxis") == "y2"
        for at, (x, y) in enumerate(zip(trace["x"], trace["y"], strict=True)):
            low, high = bounds.get(x, (None, None))
            yield {
                "setting": trace["meta"].get("stratum"),
                "series": trace["name"],
                "kind": role,
                "x": _place(x, where["xaxis"]),
                "y": None if on_edge else _place(y, where["yaxis"]),
                "low": low,
                "high": high,
                "x_half_width": _half(trace, "error_x", at),
                "y_half_width": _half(trace, "error_y", at),
                "note": trace["text"][at] if on_edge else None,
            }


def _cells(trace: Mapping[str, Any]) -> Iterator[Row]:
    for y, row in zip(trace["y"], trace["z"], strict=True):
        for x, z in zip(trace["x"], row, strict=True):
            yield {"series": trace["name"], "kind": "cell", "x": x, "y": y, "value": z}


def _bounds(mean: Mapping[str, Any], figure: Mapping[str, Any]) -> dict[float, tuple[float, float]]:
    """What the band of the same variant has at each x: it runs there along its upper edge and back along the lower."""
    for trace in figure["data"]:
        if trace.get("meta") == {"role": "band", "variant": mean["meta"]["variant"]}:
            half = len(trace["x"]) // 2
            pairs = zip(trace["x"][:half], reversed(trace["y"][half:]), trace["y"][:half], strict=True)
            return {x: (low, high) for x, low, high in pairs}
    return {}


def _half(trace: Mapping[str, Any], name: str, at: int) -> float | None:
    error = trace.get(name, {"visible": False})
    return None if error.get("visible") is False else error["array"][at]


def _place(value: Any, axis: Mapping[str, Any]) -> Any:
    """A place as its axis writes it: a word, a time, a number."""
    if axis.get("type") == "date":
        return iso_of(value / 1000)
    words = dict(zip(axis.get("tickvals", []), axis.get("ticktext", []), strict=True))
    return words.get(value, value) if _names(axis) else value


def _names(axis: Mapping[str, Any]) -> bool:
    """Whether the words of an axis name its places, and are not numbers that only mark it."""
    return list(axis.get("tickvals", [])) == list(range(len(axis.get("tickvals", []))))
