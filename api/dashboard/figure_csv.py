"""The numbers of a figure, a row for each point that it draws, with what is drawn around it; as CSV and for tables."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from api.dashboard.numbers import iso_of

COLUMNS = ("setting", "series", "kind", "x", "y", "value", "low", "high", "x_half_width", "y_half_width", "note")
HELPERS = {"band", "frontier"}
"""Roles of traces that repeat or explain others."""
TOLD = {"divergence", "diverged", "outside"}
"""Roles whose text says what their place does not."""

Row = dict[str, Any]


def numbers_of_figure(figure: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    """The columns that any point fills, and the points; places with words on their axis are those words."""
    rows = [row for trace in reversed(figure["data"]) for row in _rows(trace, figure)]
    others = dict.fromkeys(name for row in rows for name in row if name not in COLUMNS)
    kept = [column for column in (*COLUMNS, *others) if any(row.get(column) is not None for row in rows)]
    return kept, rows


def csv_of_figure(figure: Mapping[str, Any]) -> str:
    kept, rows = numbers_of_figure(figure)
    text = io.StringIO()
    writer = csv.DictWriter(text, kept, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _rows(trace: Mapping[str, Any], figure: Mapping[str, Any]) -> Iterator[Row]:
    role = trace.get("meta", {}).get("role", "")
    if trace["type"] == "heatmap":
        yield from _cells(trace)
    elif role == "parallel":
        yield {"series": trace["name"], **trace["meta"]["values"]}
    elif role not in HELPERS:
        yield from _points(trace, role, figure)


def _points(trace: Mapping[str, Any], role: str, figure: Mapping[str, Any]) -> Iterator[Row]:
    bounds = _bounds(trace, figure) if role == "mean" else {}
    axes = figure["layout"]
    on_edge = trace.get("yaxis") == "y2"
    for at, (x, y) in enumerate(zip(trace["x"], trace["y"], strict=True)):
        low, high = bounds.get(x) or _around(trace, at)
        yield {
            "setting": trace["meta"].get("stratum"),
            "series": trace["name"],
            "kind": role,
            "x": _place(x, axes["xaxis"]),
            "y": None if on_edge else _place(y, axes["yaxis"]),
            "low": low,
            "high": high,
            "x_half_width": _half(trace, "error_x", at),
            "y_half_width": _half(trace, "error_y", at),
            "note": trace["text"][at] if role in TOLD else None,
        }


def _cells(trace: Mapping[str, Any]) -> Iterator[Row]:
    for y, values, words in zip(trace["y"], trace["z"], trace["text"], strict=True):
        for x, value, said in zip(trace["x"], values, words, strict=True):
            note = said.partition("<br>")[2] or None
            yield {"series": trace["name"], "kind": "cell", "x": x, "y": y, "value": value, "note": note}


Bounds = tuple[float | None, float | None]


def _bounds(mean: Mapping[str, Any], figure: Mapping[str, Any]) -> dict[float, Bounds]:
    """What the band of the same variant has at each x: it runs there along its upper edge and back along the lower."""
    for trace in figure["data"]:
        if trace.get("meta") == {"role": "band", "variant": mean["meta"].get("variant")}:
            half = len(trace["x"]) // 2
            pairs = zip(trace["x"][:half], reversed(trace["y"][half:]), trace["y"][:half], strict=True)
            return {x: (low, high) for x, low, high in pairs}
    return {}


def _around(trace: Mapping[str, Any], at: int) -> Bounds:
    """The ends of an interval that is not even around its point."""
    error = trace.get("error_x", {})
    if error.get("symmetric") is not False:
        return None, None
    return trace["x"][at] - error["arrayminus"][at], trace["x"][at] + error["array"][at]


def _half(trace: Mapping[str, Any], name: str, at: int) -> float | None:
    error = trace.get(name, {"visible": False})
    return None if error.get("visible") is False or "arrayminus" in error else error["array"][at]


def _place(value: Any, axis: Mapping[str, Any]) -> Any:
    """A place as its axis writes it: a word, a time, a number."""
    if axis.get("type") == "date":
        return iso_of(value / 1000)
    marks = axis.get("tickvals", []) if "ticktext" in axis and axis.get("type") != "log" else []
    # Marks at whole numbers are the names of rows or columns; others only divide an axis of numbers.
    is_named = all(float(mark).is_integer() for mark in marks)
    return dict(zip(marks, axis["ticktext"], strict=True)).get(value, value) if marks and is_named else value
