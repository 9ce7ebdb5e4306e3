"""Reading points, in whichever form they are stored: rows while a run lasts, packs once it has ended, both meanwhile.

The packs of a series hold its first points and its rows the others. Whoever reads both does so in one transaction of
`Database.read`, which sees one moment of the database.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from domain.store.packing import COLUMNS, decode
from domain.store.rollups import NUMBERS, RawPoint, kind_of, raw_points
from domain.tables import pack, point

END = 2**62
_BATCH_ROWS = 5000
_BATCH_PACKS = 50


class Pack(NamedTuple):
    """Columns of some consecutive points of a series."""

    series_id: int
    columns: dict[str, NDArray[Any]]


def between(c: Connection, series_ids: Sequence[int], first_step: int, end_step: int) -> list[RawPoint]:
    """The points in [first_step, end_step), by series and step."""
    rows = list(raw_points(c, series_ids, first_step, end_step))
    packed = [row for found in packs(c, series_ids, ("value",), first_step, end_step) for row in _raw(found)]
    return sorted([*packed, *rows], key=lambda row: row[:2]) if packed else rows


def _raw(found: Pack) -> Iterator[RawPoint]:
    for step, value in zip(found.columns["step"].tolist(), found.columns["value"].tolist(), strict=True):
        kind = kind_of(value)
        yield found.series_id, step, None if kind else value, kind


def every(c: Connection, series_id: int) -> Iterator[tuple[Any, ...]]:
    """Every point of a series in order of steps: step, value, at (microseconds), relative, epoch, samples."""
    for found in packs(c, [series_id], COLUMNS):
        yield from zip(*(found.columns[name].tolist() for name in COLUMNS), strict=True)
    query = select(point).where(point.c.series_id == series_id).order_by(point.c.step)
    for row in c.execute(query.execution_options(yield_per=_BATCH_ROWS)):
        value = NUMBERS[row.kind] if row.value is None else row.value
        yield row.step, value, row.at, row.relative, row.epoch, row.samples


def packs(
    c: Connection, series_ids: Sequence[int], names: Sequence[str], first_step: int = 0, end_step: int = END
) -> Iterator[Pack]:
    """The packed points in [first_step, end_step), by series and step: the step and the columns `names`."""
    query = select(*PLACE, *(pack.c[name] for name in names if name != "step")).where(
        pack.c.series_id.in_(series_ids), pack.c.last_step >= first_step, pack.c.first_step < end_step
    )
    ordered = query.order_by(pack.c.series_id, pack.c.first_step).execution_options(yield_per=_BATCH_PACKS)
    for row in c.execute(ordered):
        columns = unpack(row, names)
        inside = slice(*np.searchsorted(columns["step"], [first_step, end_step]).tolist())
        yield Pack(row.series_id, {name: column[inside] for name, column in columns.items()})


PLACE = (pack.c.series_id, pack.c.first_step, pack.c.last_step, pack.c.n, pack.c.step)
"""What a query of packs selects beside the columns it is after."""


def unpack(row: Any, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The step and the columns `names` of a row of packs."""
    is_dense = row.last_step - row.first_step + 1 == row.n
    step = np.arange(row.first_step, row.last_step + 1) if is_dense else decode("step", row.step)
    return {"step": step} | {name: decode(name, getattr(row, name)) for name in names if name != "step"}
