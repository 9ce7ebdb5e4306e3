"""The numbers of a figure as a table: a row for each place on the horizontal axis, a column for each line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from api.dashboard.figure_csv import numbers_of_figure
from api.dashboard.numbers import NOTHING, day, figures, whole

LINES = ("mean", "seed", "single", "raw", "average")
"""The roles of traces that hold numbers; bands stand beside their means, marks are in their own columns."""


@dataclass(frozen=True)
class FigureTable:
    """Words in rows, each begun by its place on the axis."""

    x_title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]


def table_of_figure(figure: Mapping[str, Any]) -> FigureTable:
    """Every line of a figure, at every place where any of them has a point; a mean says its interval and n."""
    # Drawn last is drawn on top, so the first of the legend is the last of the data.
    lines = [trace for trace in reversed(figure["data"]) if trace.get("meta", {}).get("role") in LINES]
    places = sorted({x for trace in lines for x in trace["x"]})
    cells = [_cells(trace) for trace in lines]
    axis = figure["layout"]["xaxis"]
    words = dict(zip(axis.get("tickvals", []), axis.get("ticktext", []), strict=True))
    return FigureTable(
        x_title=axis["title"]["text"],
        columns=[trace["name"] for trace in lines],
        rows=[(words.get(x) or _place(x, axis), [of.get(x, NOTHING) for of in cells]) for x in places],
    )


def table_of_points(figure: Mapping[str, Any]) -> FigureTable:
    """Every point of a figure that has no lines, begun by the name of its series."""
    columns, rows = numbers_of_figure(figure)
    others = [column for column in columns if column not in {"series", "kind"}]
    return FigureTable(
        x_title="series",
        columns=[column.replace("_", " ") for column in others],
        rows=[(row["series"], [_word(row.get(column)) for column in others]) for row in rows],
    )


def _word(value: Any) -> str:
    return figures(value, 4) if isinstance(value, int | float) else NOTHING if value is None else str(value)


def _place(x: float, axis: Mapping[str, Any]) -> str:
    if axis.get("type") == "date":
        return day(datetime.fromtimestamp(x / 1000, UTC))
    return whole(x) if float(x).is_integer() else figures(x, 6)


def _cells(trace: Mapping[str, Any]) -> dict[float, str]:
    said = trace.get("customdata") or [""] * len(trace["x"])
    return {x: f"{figures(y, 4)}{more}" for x, y, more in zip(trace["x"], trace["y"], said, strict=True)}
