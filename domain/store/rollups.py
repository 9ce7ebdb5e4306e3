"""Roll-ups of a series: buckets of 64, 64² and 64³ steps, each made from the level below, and the summary on top.

They are recomputed for the buckets a batch touches, in its transaction. So a point that is sent twice, or again with
another value after a resume, leaves no trace in them.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from domain.tables import point, rollup, series

WIDTH = 64
LEVELS = (1, 2, 3)
FINITE, NAN, PLUS, MINUS = range(4)
"""The kinds of a stored value; all but the first are kept beside a NULL."""

Bucket = dict[str, Any]


def kind_of(value: float) -> int:
    if math.isfinite(value):
        return FINITE
    return NAN if math.isnan(value) else PLUS if value > 0 else MINUS


def upsert(c: Connection, table: Any, rows: Sequence[dict[str, Any]], key: Sequence[str]) -> None:
    """Insert the rows, replacing those with the same key."""
    if not rows:
        return
    insert: Any = postgresql.insert(table) if c.dialect.name == "postgresql" else sqlite.insert(table)
    changed = {name: insert.excluded[name] for name in rows[0] if name not in key}
    c.execute(insert.on_conflict_do_update(index_elements=list(key), set_=changed), rows)


def roll(c: Connection, series_ids: Sequence[int], first_step: int, last_step: int) -> None:
    """Bring every level and the summaries up to date after points of these steps were written or removed."""
    for level in LEVELS:
        width = WIDTH**level
        low, high = first_step // width, last_step // width
        buckets = _gather(_below(c, series_ids, level, low * width, (high + 1) * width), width)
        upsert(c, rollup, [{**bucket, "level": level} for bucket in buckets], ["series_id", "level", "bucket"])
    _summarize(c, series_ids)


def forget(c: Connection, series_ids: Sequence[int], after_step: int) -> None:
    """Remove the buckets that hold a step beyond `after_step`; `roll` then remakes the one it lies in."""
    for level in LEVELS:
        beyond = rollup.c.bucket >= (after_step + 1) // WIDTH**level
        c.execute(delete(rollup).where(rollup.c.series_id.in_(series_ids), rollup.c.level == level, beyond))


def point_bucket(row: Any) -> Bucket:
    """A single point as a bucket of one."""
    odd = row.kind != FINITE
    step, value = row.step, row.value
    return {
        "series_id": row.series_id,
        "n": 1,
        "odd": int(odd),
        "sum": 0.0 if odd else value,
        "min": value,
        "min_step": None if odd else step,
        "max": value,
        "max_step": None if odd else step,
        "first": value,
        "first_step": step,
        "last": value,
        "last_step": step,
        "last_kind": row.kind,
        "odd_step": step if odd else None,
        "odd_kind": row.kind,
    }


def join(parts: Sequence[Bucket]) -> Bucket:
    """One bucket out of several of one series, in order of steps."""
    first, last = parts[0], parts[-1]
    finite = [part for part in parts if part["min_step"] is not None]
    low = min(finite, key=lambda part: part["min"], default=first)
    high = max(finite, key=lambda part: part["max"], default=first)
    strange = next((part for part in parts if part["odd"]), first)
    return {
        "series_id": first["series_id"],
        "n": sum(part["n"] for part in parts),
        "odd": sum(part["odd"] for part in parts),
        "sum": math.fsum(part["sum"] for part in parts),
        "min": low["min"],
        "min_step": low["min_step"],
        "max": high["max"],
        "max_step": high["max_step"],
        "first": first["first"],
        "first_step": first["first_step"],
        "last": last["last"],
        "last_step": last["last_step"],
        "last_kind": last["last_kind"],
        "odd_step": strange["odd_step"],
        "odd_kind": strange["odd_kind"],
    }


def parts_between(
    c: Connection, series_ids: Sequence[int], level: int, first_step: int, end_step: int
) -> Iterable[Bucket]:
    """The buckets of a level (0: single points) that lie in [first_step, end_step), by series and step."""
    if level == 0:
        rows = c.execute(_ordered(point, point.c.step, series_ids, first_step, end_step))
        return [point_bucket(row) for row in rows]
    width = WIDTH**level
    query = _ordered(rollup, rollup.c.bucket, series_ids, first_step // width, -(-end_step // width))
    return [dict(row) for row in c.execute(query.where(rollup.c.level == level)).mappings()]


def _below(c: Connection, series_ids: Sequence[int], level: int, first_step: int, end_step: int) -> Iterable[Bucket]:
    return parts_between(c, series_ids, level - 1, first_step, end_step)


def _ordered(table: Any, position: ColumnElement[int], series_ids: Sequence[int], low: int, high: int) -> Any:
    inside = select(table).where(table.c.series_id.in_(series_ids), position >= low, position < high)
    return inside.order_by(table.c.series_id, position)


def _gather(parts: Iterable[Bucket], width: int) -> list[Bucket]:
    """The parts joined into buckets of `width` steps."""
    groups: dict[tuple[int, int], list[Bucket]] = defaultdict(list)
    for part in parts:
        groups[part["series_id"], part["first_step"] // width].append(part)
    return [{**join(group), "bucket": bucket} for (_, bucket), group in groups.items()]


def _summarize(c: Connection, series_ids: Sequence[int]) -> None:
    """Write each series' summary from its few buckets of the highest level."""
    by_series: dict[int, list[Bucket]] = defaultdict(list)
    for part in parts_between(c, series_ids, LEVELS[-1], 0, 2**62):
        by_series[part["series_id"]].append(part)
    for series_id, parts in by_series.items():
        whole = join(parts)
        finite = whole["n"] - whole["odd"]
        names = ("n", "odd", "first_step", "last_step", "last", "last_kind", "min", "min_step", "max", "max_step")
        summary = {name: whole[name] for name in names}
        mean = whole["sum"] / finite if finite else None
        c.execute(update(series).where(series.c.id == series_id).values(mean=mean, median=None, **summary))
