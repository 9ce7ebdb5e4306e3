"""The varied fields of a comparison as axes: what a heat map crosses and parallel coordinates run through."""

from collections.abc import Sequence
from typing import Any

from api.dashboard.evidence import Evidence
from api.dashboard.figures import effect, heat, parallel
from api.dashboard.matrix import ramp_of, slots_of
from api.dashboard.palette import assign_slots
from domain.findings import Comparison, Group
from domain.words import field_words, key_words, value_words

ROWS, COLUMNS, LINES = 30, 24, 200
"""Rows and columns of a heat map, and lines of parallel coordinates, that can be read; of more a part is drawn."""


def axes_of(comparison: Comparison) -> list[str]:
    """The fields that take more than one value, the one compared first."""
    varied = [path for path in comparison.group_by if len(_found(comparison.groups, path)) > 1]
    return sorted(varied, key=lambda path: not path.startswith("normalization"))


def rest_of(group: Group, rows: str, columns: str) -> str:
    """Where a group stands in the fields that a heat map does not show, in words; empty where there are none."""
    return key_words({path: value for path, value in group.key.items() if path not in {rows, columns}})


def rests_of(evidence: Evidence, rows: str, columns: str) -> list[str]:
    """The settings of the fields not shown that occur, of what varies only."""
    return list(dict.fromkeys(rest_of(group, rows, columns) for group in evidence.comparison.groups))


def heat_table(evidence: Evidence, rows: str, columns: str, rest: str) -> heat.Table:
    """The groups with these two fields down and across, where the others are as `rest` says."""
    comparison = evidence.comparison
    down, across = _values(evidence, rows)[:ROWS], _values(evidence, columns)[:COLUMNS]
    placed = {
        (value_words(group.key[rows]), value_words(group.key[columns])): heat.Cell(
            group.mean, group.half_width, group.n
        )
        for group in comparison.groups
        if rest_of(group, rows, columns) == rest and group.mean is not None
    }
    ramp = ramp_of(comparison)
    return heat.Table(
        rows=down,
        columns=across,
        cells=[[placed.get((row, column)) for column in across] for row in down],
        best=ramp.best if ramp else 0.0,
        worst=ramp.worst if ramp else 1.0,
    )


def title_of(evidence: Evidence, path: str, shown: int) -> str:
    """The name of a field on its axis, with how many of its values are shown where not all are."""
    count = len(_values(evidence, path))
    return field_words(path) + (f" (first {shown} of {count})" if count > shown else "")


def effects_of(evidence: Evidence, table: heat.Table) -> list[effect.Variant]:
    """The rows of a heat map as lines along its columns, those that can be told apart: in the study's look."""
    slots = slots_of(evidence)
    looks = slots if set(table.rows) <= set(slots) else assign_slots(table.rows)
    points = {
        name: [effect.Point(at, cell.n, cell.mean, cell.half) for at, cell in enumerate(cells) if cell]
        for name, cells in zip(table.rows, table.cells, strict=True)
    }
    return [effect.Variant(name, looks[name], points[name]) for name in table.rows if looks[name].number]


def parallel_lines(evidence: Evidence, value_title: str) -> tuple[list[parallel.Axis], list[parallel.Line]]:
    """The varied fields, the metric, the time of a step and the memory; a line for each group with a value."""
    comparison = evidence.comparison
    fields = axes_of(comparison)
    slots = slots_of(evidence)
    # Numbers rise; words are read from the top.
    places = {
        path: values if _is_number(comparison, path) else values[::-1]
        for path in fields
        if (values := _values(evidence, path))
    }
    measured = [value_title, "ms / step", "memory, MB"]
    axes = [*(parallel.Axis(field_words(path), places[path]) for path in fields), *map(parallel.Axis, measured)]
    lines = [
        parallel.Line(
            label=group.label,
            variant=group.variant,
            slot=slots[group.variant],
            values=[
                *(float(places[path].index(value_words(group.key[path]))) for path in fields),
                group.mean,
                group.ms_per_step.mean,
                None if group.peak_memory.mean is None else group.peak_memory.mean / 1e6,
            ],
        )
        for group in [group for group in comparison.groups if group.mean is not None][:LINES]
    ]
    return axes, lines


def _values(evidence: Evidence, path: str) -> list[str]:
    """The values of a field in words: numbers rising, everything else in the order of the variants."""
    order = list(slots_of(evidence))
    groups = sorted(evidence.comparison.groups, key=lambda group: order.index(group.variant))
    found = _found(groups, path)
    return [value_words(value) for value in (sorted(found) if _is_number(evidence.comparison, path) else found)]


def _found(groups: Sequence[Group], path: str) -> list[Any]:
    return list(dict.fromkeys(_hashable(group.key[path]) for group in groups))


def _is_number(comparison: Comparison, path: str) -> bool:
    values = [group.key[path] for group in comparison.groups]
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
