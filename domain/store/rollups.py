"""Roll-ups of a series: buckets of 64, 64² and 64³ steps, each made from the level below, and the summary on top.

They are recomputed for the buckets a batch touches, in its transaction. So a point that is sent twice, or again with
another value after a resume, leaves no trace in them.
"""

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from domain.store.upsert import upsert
from domain.tables import point, rollup, series

WIDTH = 64
LEVELS = (1, 2, 3)
FINITE, NAN, PLUS, MINUS = range(4)
"""The kinds of a stored value; all but the first are kept beside a NULL."""
NUMBERS = {NAN: math.nan, PLUS: math.inf, MINUS: -math.inf}

Bucket = dict[str, Any]
"""The columns of a roll-up; a single point can be written as one too."""

RawPoint = tuple[int, int, float | None, int]
"""series_id, step, value, kind."""


def kind_of(value: float) -> int:
    if math.isfinite(value):
        return FINITE
    return NAN if math.isnan(value) else PLUS if value > 0 else MINUS


def roll(c: Connection, series_ids: Sequence[int], first_step: int, last_step: int) -> None:
    """Bring every level and the summaries up to date after points of these steps were written or removed."""
    for level in LEVELS:
        width = WIDTH**level
        first, end = first_step // width * width, (last_step // width + 1) * width
        if level == 1:
            buckets = _gather(raw_points(c, series_ids, first, end), lambda row: (row[0], row[1] // WIDTH), join_points)
        else:
            parts = rolled(c, series_ids, level - 1, first, end)
            buckets = _gather(parts, lambda part: (part["series_id"], part["bucket"] // WIDTH), join)
        upsert(c, rollup, [{**bucket, "level": level} for bucket in buckets], ["series_id", "level", "bucket"])
    _summarize(c, series_ids)


def forget(c: Connection, series_ids: Sequence[int], after_step: int) -> None:
    """Remove the buckets that hold a step beyond `after_step`; `roll` then remakes the one it lies in."""
    for level in LEVELS:
        beyond = rollup.c.bucket >= (after_step + 1) // WIDTH**level
        c.execute(delete(rollup).where(rollup.c.series_id.in_(series_ids), rollup.c.level == level, beyond))


def raw_points(c: Connection, series_ids: Sequence[int], first_step: int, end_step: int) -> Sequence[RawPoint]:
    """The points in [first_step, end_step), by series and step."""
    query = select(point.c.series_id, point.c.step, point.c.value, point.c.kind).where(
        point.c.series_id.in_(series_ids), point.c.step >= first_step, point.c.step < end_step
    )
    rows: Sequence[Any] = c.execute(query.order_by(point.c.series_id, point.c.step)).all()
    return rows


def rolled(c: Connection, series_ids: Sequence[int], level: int, first_step: int, end_step: int) -> Sequence[Bucket]:
    """The roll-ups of a level that begin in [first_step, end_step), by series and step."""
    width = WIDTH**level
    query = select(rollup).where(
        rollup.c.series_id.in_(series_ids),
        rollup.c.level == level,
        rollup.c.bucket >= first_step // width,
        rollup.c.bucket < -(-end_step // width),
    )
    rows = c.execute(query.order_by(rollup.c.series_id, rollup.c.bucket))
    # A curve reads thousands of them: mappings would take as long again as everything else.
    names = tuple(rows.keys())
    return [dict(zip(names, row, strict=True)) for row in rows.all()]


def join_points(points: Sequence[RawPoint]) -> Bucket:
    """A bucket out of points of one series, in order of steps."""
    finite = [(value, step) for _, step, value, _ in points if value is not None]
    odd = [(step, kind) for _, step, value, kind in points if value is None]
    values = [value for value, _ in finite]
    low = min(finite, key=lambda pair: pair[0], default=(None, None))
    high = max(finite, key=lambda pair: pair[0], default=(None, None))
    first, last = points[0], points[-1]
    return {
        "series_id": first[0],
        "n": len(points),
        "odd": len(odd),
        "sum": math.fsum(values),
        "min": low[0],
        "min_step": low[1],
        "max": high[0],
        "max_step": high[1],
        "first": first[2],
        "first_step": first[1],
        "last": last[2],
        "last_step": last[1],
        "last_kind": last[3],
        "odd_step": odd[0][0] if odd else None,
        "odd_kind": odd[0][1] if odd else FINITE,
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


def _gather(
    parts: Sequence[Any], place: Callable[[Any], tuple[int, int]], make: Callable[[Sequence[Any]], Bucket]
) -> list[Bucket]:
    """The parts, in order, joined wherever `place` (series and bucket) is the same."""
    return [{**make(list(group)), "bucket": bucket} for (_, bucket), group in groupby(parts, key=place)]


def _summarize(c: Connection, series_ids: Sequence[int]) -> None:
    """Write each series' summary from its few buckets of the highest level."""
    parts = rolled(c, series_ids, LEVELS[-1], 0, 2**62)
    groups = groupby(parts, key=lambda part: part["series_id"])
    summaries = [_summary(series_id, join(list(group))) for series_id, group in groups]
    if summaries:
        c.execute(_WRITE_SUMMARY, summaries)


SUMMARY = ("n", "odd", "first_step", "last_step", "last", "last_kind", "min", "min_step", "max", "max_step", "mean")
_WRITE_SUMMARY = (
    update(series)
    .where(series.c.id == bindparam("series_id"))
    .values(median=None, **{name: bindparam(f"new_{name}") for name in SUMMARY})
)


def _summary(series_id: int, whole: Bucket) -> dict[str, Any]:
    finite = whole["n"] - whole["odd"]
    facts = {**whole, "mean": whole["sum"] / finite if finite else None}
    return {"series_id": series_id, **{f"new_{name}": facts[name] for name in SUMMARY}}
