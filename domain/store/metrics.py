"""Metric series: points, roll-ups and summaries written together, cut off on resume, exported."""

import hashlib
import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, update

from domain.event import EventKind, Level
from domain.metric import MEASURED
from domain.report import Point
from domain.run import Record
from domain.store import events
from domain.store import points as stored
from domain.store.rollups import FINITE, MINUS, NAN, NUMBERS, PLUS, forget, kind_of, roll
from domain.store.text import storable
from domain.store.upsert import upsert
from domain.tables import pack, point, rollup, run, series, truncated

WORDS = {NAN: "NaN", PLUS: "Infinity", MINUS: "-Infinity"}


class Summary(Record):
    """A series in one row. Values that are not finite count as `odd` and stay out of min, max and mean."""

    run_id: str
    name: str
    count: int
    odd: int
    first_step: int
    last_step: int
    last: float | str
    """The last value; "NaN", "Infinity" or "-Infinity" when it is not finite."""
    min: float | None
    min_step: int | None
    max: float | None
    max_step: int | None
    mean: float | None
    median: float | None
    """Of what a run measures of itself, once it has ended."""


def append(c: Connection, run_id: str, points: Mapping[str, Sequence[Point]], *, run: Any = None) -> None:
    """Write points of a run, replacing any of the same step, with roll-ups and summaries. The caller holds the token.

    Where an earlier attempt's values were cut off, the ones written again are compared with their hash.
    """
    given = {name: batch for name, batch in points.items() if batch}
    if not given:
        return
    ids = _ids(c, run_id, list(given))
    rows = [_row(ids[name], value) for name, batch in given.items() for value in batch]
    upsert(c, point, rows, ["series_id", "step"])
    steps = [row["step"] for row in rows]
    roll(c, list(ids.values()), min(steps), max(steps))
    _compare_with_truncated(c, run_id, ids, run)


def _row(series_id: int, value: Point) -> dict[str, Any]:
    kind = kind_of(value.value)
    return {
        "series_id": series_id,
        "step": value.step,
        # SQLite keeps -0.0 as 0; adding 0.0 makes it so everywhere, before any hash is taken.
        "value": value.value + 0.0 if kind == FINITE else None,
        "kind": kind,
        "at": int(value.at * 1e6),
        "relative": value.relative,
        "epoch": value.epoch,
        "samples": value.samples,
    }


def _ids(c: Connection, run_id: str, names: Sequence[str]) -> dict[str, int]:
    """The series ids by name; series that are new are made."""
    query = select(series.c.name, series.c.id).where(series.c.run_id == run_id, series.c.name.in_(names))
    found = {row.name: row.id for row in c.execute(query)}
    for name in [name for name in names if name not in found]:
        made = series.insert().values(run_id=run_id, name=storable(name, limit=64)).returning(series.c.id)
        found[name] = c.execute(made).scalar_one()
    return found


def truncate_after(c: Connection, run_id: str, step: int | None, *, token: int) -> int:
    """Cut off every point beyond `step` (None: all of them), keeping a hash of each series' tail.

    Returns how many points went. `token` is that of the attempt that will write them again.
    """
    after = -1 if step is None else step
    tails = c.execute(
        select(series.c.id, series.c.name).where(series.c.run_id == run_id, series.c.last_step > after)
    ).all()
    if not tails:
        return 0
    removed = sum(_keep_digest(c, run_id, tail, after, token) for tail in tails)
    ids = [tail.id for tail in tails]
    c.execute(delete(point).where(point.c.series_id.in_(ids), point.c.step > after))
    forget(c, ids, after)
    roll(c, ids, max(after, 0), max(after, 0))
    emptied = series.c.first_step > after
    c.execute(delete(series).where(series.c.id.in_(ids), emptied))
    return removed


def _keep_digest(c: Connection, run_id: str, tail: Any, after: int, token: int) -> int:
    count, last, digest = _digest(c, tail.id, after, 2**62)
    row = {"run_id": run_id, "token": token, "name": tail.name, "after_step": after, "to_step": last}
    upsert(c, truncated, [{**row, "n": count, "digest": digest, "matched": None}], ["run_id", "token", "name"])
    return count


def _digest(c: Connection, series_id: int, after: int, to: int) -> tuple[int, int, str]:
    """Count, last step and SHA-256 of the (step, value) pairs of a tail, bit for bit."""
    query = select(point.c.step, point.c.value, point.c.kind).where(
        point.c.series_id == series_id, point.c.step > after, point.c.step <= to
    )
    sha, count, last = hashlib.sha256(), 0, after
    for row in c.execute(query.order_by(point.c.step)):
        sha.update(struct.pack("<qdb", row.step, row.value if row.kind == FINITE else 0.0, row.kind))
        count, last = count + 1, row.step
    return count, last, sha.hexdigest()


def _compare_with_truncated(c: Connection, run_id: str, ids: Mapping[str, int], about: Any) -> None:
    """Once a cut-off tail is complete again, say whether it has the same bits: a free check of determinism."""
    waiting = select(truncated, series.c.id, series.c.last_step).join(
        series, and_(series.c.run_id == truncated.c.run_id, series.c.name == truncated.c.name)
    )
    due = waiting.where(
        truncated.c.run_id == run_id,
        truncated.c.matched.is_(None),
        truncated.c.name.in_([name for name in ids if name not in MEASURED]),
        series.c.last_step >= truncated.c.to_step,
    )
    for tail in c.execute(due).all():
        count, _, digest = _digest(c, tail.id, tail.after_step, tail.to_step)
        matched = (count, digest) == (tail.n, tail.digest)
        where = and_(truncated.c.run_id == run_id, truncated.c.token == tail.token, truncated.c.name == tail.name)
        c.execute(update(truncated).where(where).values(matched=matched))
        if not matched and about is not None:
            message = f"{tail.name} differs from the interrupted attempt after step {tail.after_step}"
            data = {"name": tail.name, "after_step": tail.after_step, "to_step": tail.to_step}
            events.append(c, EventKind.WARNING, message, run=about, level=Level.WARNING, data=data)


def settle(c: Connection, run_id: str) -> None:
    """Once a run has ended: the medians of what it measured of itself, which roll-ups cannot give."""
    query = select(series.c.id, series.c.n, series.c.odd)
    for row in c.execute(query.where(series.c.run_id == run_id, series.c.name.in_(MEASURED))).all():
        finite = row.n - row.odd
        if finite:
            middle = select(point.c.value).where(point.c.series_id == row.id, point.c.kind == FINITE)
            pair = middle.order_by(point.c.value).offset((finite - 1) // 2).limit(2 - finite % 2)
            values = c.execute(pair).scalars().all()
            c.execute(update(series).where(series.c.id == row.id).values(median=sum(values) / len(values)))


def summaries(c: Connection, run_ids: Sequence[str], *, names: Sequence[str] = ()) -> dict[str, list[Summary]]:
    """The summaries of each run's series, by run id and in order of name."""
    query = select(series).where(series.c.run_id.in_(run_ids), series.c.n > 0)
    if names:
        query = query.where(series.c.name.in_(names))
    found: dict[str, list[Summary]] = defaultdict(list)
    for row in c.execute(query.order_by(series.c.run_id, series.c.name)).mappings():
        last = row["last"] if row["last_kind"] == FINITE else WORDS[row["last_kind"]]
        found[row["run_id"]].append(Summary.model_validate({**row, "last": last, "count": row["n"]}))
    return dict(found)


def names(c: Connection, run_ids: Sequence[str]) -> list[str]:
    """The names of the series that any of these runs has."""
    query = select(series.c.name).where(series.c.run_id.in_(run_ids), series.c.n > 0)
    return list(c.execute(query.distinct().order_by(series.c.name)).scalars())


def rows(c: Connection, run_ids: Sequence[str], *, names: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Every point, for export: run_id, name, step, value, at (seconds), relative, epoch, samples."""
    query = select(series.c.id, series.c.run_id, series.c.name).where(series.c.run_id.in_(run_ids))
    if names:
        query = query.where(series.c.name.in_(names))
    for found in c.execute(query.order_by(series.c.run_id, series.c.name)).all():
        for step, value, at, relative, epoch, samples in stored.every(c, found.id):
            yield {
                "run_id": found.run_id,
                "name": found.name,
                "step": step,
                "value": value,
                "at": at / 1e6,
                "relative": relative,
                "epoch": epoch,
                "samples": samples,
            }


def value_at(c: Connection, run_ids: Sequence[str], name: str, step: int) -> dict[str, float]:
    """The value of a series at the last step up to `step`, by run; runs that have not come so far are left out."""
    wanted = and_(series.c.run_id.in_(run_ids), series.c.name == name, series.c.last_step >= step)
    # Where a series is packed in part, its rows are the later points.
    return _packed_value_at(c, wanted, step) | _raw_values(c, and_(wanted, point.c.step <= step))


def value_after(c: Connection, run_ids: Sequence[str], name: str, seconds: float) -> dict[str, float]:
    """The value of a series at the last point within `seconds` of training, by run.

    Runs that trained for less are left out: they were not there at that time, however they ended.
    """
    trained = select(series.c.id, series.c.run_id).join(run, run.c.id == series.c.run_id)
    wanted = trained.where(series.c.run_id.in_(run_ids), series.c.name == name, run.c.seconds >= seconds)
    run_of = {row.id: row.run_id for row in c.execute(wanted)}
    found = {}
    for packed in stored.packs(c, list(run_of), ("value", "relative")):
        places = (packed.columns["relative"] <= seconds).nonzero()[0]
        if len(places):
            found[run_of[packed.series_id]] = float(packed.columns["value"][places[-1]])
    # Where a series is packed in part, its rows are the later points.
    return found | _raw_values(c, and_(series.c.id.in_(run_of), point.c.relative <= seconds))


def _raw_values(c: Connection, wanted: ColumnElement[bool]) -> dict[str, float]:
    """The last of the wanted points of each series, of those that are rows, by run."""
    reached = (
        select(series.c.id, series.c.run_id, func.max(point.c.step).label("step"))
        .join(point, point.c.series_id == series.c.id)
        .where(wanted)
        .group_by(series.c.id, series.c.run_id)
        .subquery()
    )
    query = select(reached.c.run_id, point.c.value, point.c.kind).join(
        point, and_(point.c.series_id == reached.c.id, point.c.step == reached.c.step)
    )
    return {row.run_id: row.value if row.kind == FINITE else NUMBERS[row.kind] for row in c.execute(query)}


def _packed_value_at(c: Connection, wanted: ColumnElement[bool], step: int) -> dict[str, float]:
    reached = (
        select(series.c.id, series.c.run_id, func.max(pack.c.first_step).label("first_step"))
        .join(pack, pack.c.series_id == series.c.id)
        .where(wanted, pack.c.first_step <= step)
        .group_by(series.c.id, series.c.run_id)
        .subquery()
    )
    query = select(reached.c.run_id, *stored.PLACE, pack.c.value).join(
        pack, and_(pack.c.series_id == reached.c.id, pack.c.first_step == reached.c.first_step)
    )
    found = {}
    for row in c.execute(query):
        columns = stored.unpack(row, ["value"])
        place = columns["step"].searchsorted(step, side="right") - 1
        found[row.run_id] = float(columns["value"][place])
    return found


def counts(c: Connection) -> tuple[int, int]:
    """How many points and roll-ups are stored."""
    raw = c.execute(select(func.count()).select_from(point)).scalar_one()
    packed = c.execute(select(func.coalesce(func.sum(pack.c.n), 0))).scalar_one()
    return raw + int(packed), c.execute(select(func.count()).select_from(rollup)).scalar_one()
