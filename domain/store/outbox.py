"""The outbox: wake-up messages waiting to be published, written in the transaction that made them necessary."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, or_, select, update

from domain.clock import database_now, now
from domain.run import Record, RunStatus
from domain.tables import outbox, run


class Wakeup(Record):
    """A message to publish: somebody serving `queue` should look for work."""

    id: int
    run_id: str
    queue: str


def add(c: Connection, run_id: str, queue: str, due_at: datetime) -> None:
    c.execute(outbox.insert().values(run_id=run_id, queue=queue, due_at=due_at))


def due(c: Connection, *, limit: int = 500) -> list[Wakeup]:
    """The messages whose time has come, oldest first."""
    query = select(outbox).where(outbox.c.due_at <= database_now()).order_by(outbox.c.due_at, outbox.c.id).limit(limit)
    return [Wakeup.model_validate(row) for row in c.execute(query)]


def published(c: Connection, wakeups: Sequence[Wakeup]) -> None:
    """Forget messages that the broker has. Publishing one twice is harmless, so this comes after."""
    if wakeups:
        c.execute(delete(outbox).where(outbox.c.id.in_([wakeup.id for wakeup in wakeups])))


def announce_unclaimed(c: Connection, *, after: float, limit: int = 100) -> int:
    """Put a new message out for runs that have waited unclaimed for `after` seconds: theirs may be lost.

    Returns how many. A few are enough, since any message makes a worker claim the best run of its queue.
    """
    at = now(c)
    waiting = (
        select(run.c.id)
        .where(
            run.c.status == RunStatus.QUEUED,
            or_(run.c.not_before.is_(None), run.c.not_before <= at),
            func.coalesce(run.c.not_before, run.c.woken_at) <= at - timedelta(seconds=after),
            run.c.woken_at <= at - timedelta(seconds=after),
        )
        .order_by(run.c.woken_at, run.c.id)
        .limit(limit)
    )
    woken = (
        update(run)
        .where(run.c.id.in_(waiting), run.c.status == RunStatus.QUEUED)
        .values(woken_at=at)
        .returning(run.c.id, run.c.queue)
    )
    rows = c.execute(woken).all()
    if rows:
        c.execute(outbox.insert(), [{"run_id": row.id, "queue": row.queue, "due_at": at} for row in rows])
    return len(rows)
