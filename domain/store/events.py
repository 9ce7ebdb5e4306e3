"""The event log: one row per thing that happened, numbered without gaps in the order of commits.

Appended events wait in the transaction and are numbered just before it commits, from one counter row whose lock is
held until then. So on PostgreSQL too a number becomes visible only after all smaller ones, and a reader of
`seq > last` misses nothing; and since nothing is locked after the counter, it can never be part of a deadlock.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select, update

from domain.clock import now
from domain.event import Event, EventKind, Level
from domain.store.text import storable
from domain.tables import event, event_counter

PENDING = "pending_events"
"""Where a connection keeps the events of its transaction."""


def append(
    c: Connection,
    kind: EventKind,
    message: str,
    *,
    run: Any = None,
    run_id: str | None = None,
    job_id: str | None = None,
    study_id: str | None = None,
    level: Level = Level.INFO,
    data: dict[str, Any] | None = None,
) -> None:
    """Record that something happened. `run` is a row or record with id, job_id and study_id, and fills all three."""
    if run is not None:
        run_id, job_id, study_id = run.id, run.job_id, run.study_id
    c.info.setdefault(PENDING, []).append(
        {
            "kind": kind,
            "run_id": run_id,
            "job_id": job_id,
            "study_id": study_id,
            "level": level,
            "message": storable(message, limit=4000),
            "data": data or {},
        }
    )


def flush(c: Connection) -> None:
    """Number and write the waiting events. `Database.write` calls it as the last thing before the commit."""
    waiting = c.info.pop(PENDING, None)
    if not waiting:
        return
    counted = update(event_counter).values(last=event_counter.c.last + len(waiting)).returning(event_counter.c.last)
    first = c.execute(counted).scalar_one() - len(waiting) + 1
    at = now(c)
    c.execute(event.insert(), [{"seq": first + i, "at": at, **row} for i, row in enumerate(waiting)])


def last_seq(c: Connection) -> int:
    """The number of the newest event, 0 before the first."""
    return int(c.execute(select(func.coalesce(func.max(event.c.seq), 0))).scalar_one())


def after(
    c: Connection,
    seq: int,
    *,
    study_id: str | None = None,
    job_id: str | None = None,
    run_id: str | None = None,
    kinds: Sequence[EventKind] = (),
    limit: int = 500,
) -> list[Event]:
    """The events with a number above `seq`, oldest first."""
    query = select(event).where(event.c.seq > seq).order_by(event.c.seq).limit(limit)
    for column, wanted in ((event.c.study_id, study_id), (event.c.job_id, job_id), (event.c.run_id, run_id)):
        if wanted is not None:
            query = query.where(column == wanted)
    if kinds:
        query = query.where(event.c.kind.in_(kinds))
    return [Event.model_validate(row) for row in c.execute(query)]


def latest(
    c: Connection, *, limit: int = 50, level: Level | None = None, but: EventKind | None = None, **of: str | None
) -> list[Event]:
    """The newest events first, `but` one kind; `of` may name one study_id, job_id or run_id."""
    query = select(event).order_by(event.c.seq.desc()).limit(limit)
    for name, wanted in of.items():
        if wanted is not None:
            query = query.where(event.c[name] == wanted)
    if level is not None:
        query = query.where(event.c.level == level)
    if but is not None:
        query = query.where(event.c.kind != but)
    return [Event.model_validate(row) for row in c.execute(query)]
