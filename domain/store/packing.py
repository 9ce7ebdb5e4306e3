"""Packing: the points of a finished run, a thousand to a row instead of one, each column compressed.

A pack's columns are the bytes of `n` 64-bit numbers: integers (step; at, in microseconds since 1970; samples) or IEEE
floating-point numbers (value, NaN and infinities too; relative; epoch). They are written so that any language reads
them: take the patterns of 64 bits as unsigned integers; subtract from each the one before it, from the first 0, modulo
2^64; write the lowest bytes of all n, then the second lowest of all, up to the highest; compress that with zlib.
"""

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, delete, not_, select, update

from domain.run import FINAL
from domain.store.rollups import NUMBERS
from domain.tables import pack, point, run, series

SIZE = 1024
"""Points of a full pack."""
SHORTEST = 64
"""A series of fewer points stays as rows, which are smaller than a pack would be."""
AT_ONCE = 4 * SIZE
"""Points packed in one transaction; on SQLite every other writer waits for it, some hundredths of a second."""
_TYPES = {"step": "<i8", "value": "<f8", "at": "<i8", "relative": "<f8", "epoch": "<f8", "samples": "<i8"}
COLUMNS = tuple(_TYPES)
_LEVEL = 6


def encode(column: str, numbers: Sequence[float]) -> bytes:
    """A column of a pack as it is stored."""
    patterns = np.array(numbers, _TYPES[column]).view("<u8")
    differences = np.diff(patterns, prepend=np.zeros(1, "<u8"))
    return zlib.compress(differences.view("u1").reshape(-1, 8).T.tobytes(), _LEVEL)


def decode(column: str, data: bytes) -> NDArray[Any]:
    """The numbers of a stored column."""
    planes = np.frombuffer(zlib.decompress(data), "u1").reshape(8, -1)
    differences = np.ascontiguousarray(planes.T).view("<u8").ravel()
    return np.cumsum(differences, dtype="<u8").view(_TYPES[column])


def pack_finished(c: Connection, *, at_once: int = AT_ONCE) -> int:
    """Pack some series of runs that have ended; returns how many it looked at, 0 when nothing is left to do.

    A long series takes several calls: its packs hold its first points meanwhile, and rows the others.
    """
    ended = [str(status) for status in FINAL]
    waiting = (
        select(series.c.id, series.c.n, series.c.last_step)
        .join(run, run.c.id == series.c.run_id)
        .where(not_(series.c.packed), run.c.status.in_(ended))
        .limit(max(1, at_once // SHORTEST))
        # Deleting its job waits for us then, and does not fail on a pack that has lost its series.
        .with_for_update(of=series, skip_locked=True)
    )
    found = c.execute(waiting).all()
    left, done = at_once, []
    for one in found:
        if one.n < SHORTEST:
            done.append(one.id)
        elif left > 0:
            points, is_done = _pack(c, one, max(SIZE, left // SIZE * SIZE))
            left -= points
            done += [one.id] * is_done
    c.execute(update(series).where(series.c.id.in_(done)).values(packed=True))
    return len(found)


def _pack(c: Connection, one: Any, at_most: int) -> tuple[int, bool]:
    """Pack the first points of a series that are still rows; how many they were, and whether they were the last."""
    query = select(point).where(point.c.series_id == one.id).order_by(point.c.step).limit(at_most)
    rows = c.execute(query).all()
    if not rows:
        return 0, True
    c.execute(pack.insert(), [_packed(one.id, rows[start : start + SIZE]) for start in range(0, len(rows), SIZE)])
    c.execute(delete(point).where(point.c.series_id == one.id, point.c.step <= rows[-1].step))
    return len(rows), rows[-1].step == one.last_step


def _packed(series_id: int, rows: Sequence[Row[Any]]) -> dict[str, Any]:
    columns = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
    columns["value"] = [NUMBERS[row.kind] if row.value is None else row.value for row in rows]
    ends = {"first_step": rows[0].step, "last_step": rows[-1].step, "n": len(rows)}
    return {"series_id": series_id, **ends, **{name: encode(name, numbers) for name, numbers in columns.items()}}
