"""Pivot tables: a comparison laid out by two of its fields, rows and columns."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from domain.errors import FieldError, InvalidSpec
from domain.findings import Comparison, Group
from domain.nearest import suggest
from domain.words import setting_words, value_words

__all__ = ["Pivot", "pivot"]


class Pivot(BaseModel):
    """Groups by row and column; None where a combination was not run."""

    model_config = ConfigDict(frozen=True)

    row_field: str
    column_field: str | None
    rows: list[Any]
    columns: list[Any]
    cells: list[list[Group | None]]


def pivot(comparison: Comparison, rows: str, columns: str | None = None) -> Pivot:
    """The groups of a comparison with one field down and one across; without `columns` there is a single column.

    Raises InvalidSpec when a field is not grouped by, or when several groups would fall into one cell.
    """
    for name, field in (("rows", rows), ("columns", columns)):
        if field is not None and field not in comparison.group_by:
            detail = f"{field} is not grouped by. {suggest(field, comparison.group_by)}"
            raise InvalidSpec([FieldError(pointer=f"/{name}", code="not_grouped", detail=detail)])
    placed: dict[tuple[Any, Any], Group] = {}
    for group in comparison.groups:
        place = (group.key[rows], group.key[columns] if columns else None)
        if place in placed:
            detail = f"{placed[place].label} and {group.label} would share a cell; the table has room for two fields."
            raise InvalidSpec([FieldError(pointer="/columns", code="ambiguous", detail=detail)])
        placed[place] = group
    down, across = _values(comparison, rows), _values(comparison, columns) if columns else [None]
    return Pivot(
        row_field=rows,
        column_field=columns,
        rows=down,
        columns=across,
        cells=[[placed.get((row, column)) for column in across] for row in down],
    )


def _values(comparison: Comparison, field: str) -> list[Any]:
    """The values of a field: numbers rising, everything else with the baseline first and then as it comes."""
    groups = sorted(comparison.groups, key=lambda group: not group.is_baseline)
    found = list(dict.fromkeys(group.key[field] for group in groups))
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in found):
        return sorted(found)
    return found


def heading(field: str, value: Any) -> str:
    """A column's head or a row's name in words."""
    return value_words(value) if isinstance(value, str) else setting_words(field, value)


def headings(field: str | None, values: Sequence[Any]) -> list[str]:
    """The heads of all columns; of a table with one column, nothing."""
    return [""] if field is None else [heading(field, value) for value in values]
