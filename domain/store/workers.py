"""Workers: their registration, heartbeat, draining, and their ends."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, update

from domain.clock import now
from domain.errors import NotFound, StaleToken
from domain.event import EventKind, Level
from domain.run import RunStatus, Worker
from domain.store import events, pages
from domain.store.endings import lose as lose_run
from domain.store.ids import new_id
from domain.store.pages import Page
from domain.tables import run, worker

LIVE = ("idle", "busy", "draining")


def register(
    c: Connection,
    *,
    name: str,
    host: str,
    pid: int,
    queues: Sequence[str],
    device: str = "cpu",
    device_name: str = "",
    devices: Sequence[str] = (),
    measures: Mapping[str, Any] | None = None,
) -> Worker:
    """A worker that begins to serve, taking runs for `devices`. Each start of the process is a worker of its own."""
    at = now(c)
    values: dict[str, Any] = {"name": name, "host": host, "pid": pid, "queues": list(queues), "device": device}
    values["devices"] = list(devices) or [device]
    times = {"started_at": at, "last_heartbeat_at": at}
    row = c.execute(
        worker.insert()
        .values(
            id=new_id("wrk"), status="idle", device_name=device_name, measures=dict(measures or {}), **values, **times
        )
        .returning(worker)
    ).one()
    _tell(c, EventKind.WORKER_STARTED, row, f"{name} serves {', '.join(queues)} on {device}")
    return Worker.model_validate(row)


def beat(c: Connection, worker_id: str, *, measures: Mapping[str, Any] | None = None) -> Worker:
    """I am alive. The answer says whether to drain. A worker taken for lost is back by this. Raises NotFound."""
    row = _row(c, worker_id, lock=True)
    status = row.status if row.status in LIVE else "draining" if row.draining else "busy" if row.run_id else "idle"
    values: dict[str, Any] = {
        "hb_seq": row.hb_seq + 1,
        "last_heartbeat_at": now(c),
        "status": status,
        "stopped_at": None,
    }
    if measures is not None:
        values["measures"] = dict(measures)
    after = c.execute(update(worker).where(worker.c.id == worker_id).values(**values).returning(worker)).one()
    if status != row.status:
        _tell(c, EventKind.WORKER_STARTED, after, f"{row.name} is back")
    return Worker.model_validate(after)


def drain(c: Connection, worker_id: str) -> Worker:
    """Take no more runs; the run in hand is saved and goes back to the queue. Raises NotFound."""
    row = _row(c, worker_id, lock=True)
    status = "draining" if row.status in LIVE else row.status
    changed = update(worker).where(worker.c.id == worker_id).values(draining=True, status=status)
    return Worker.model_validate(c.execute(changed.returning(worker)).one())


def stop(c: Connection, worker_id: str) -> None:
    """The worker ended by itself. A run it still held is lost at once."""
    _leave(c, _row(c, worker_id), "stopped", EventKind.WORKER_STOPPED, "stopped")


def lose(c: Connection, worker_id: str, *, message: str = "no heartbeat", backoff: float = 5) -> None:
    """The worker is gone without a word: its process is dead, or it was silent for the lease."""
    _leave(c, _row(c, worker_id), "lost", EventKind.WORKER_LOST, f"was lost: {message}", backoff)


def _leave(c: Connection, row: Row[Any], status: str, kind: EventKind, words: str, backoff: float = 5) -> None:
    # Runs first and the worker's row after them: the order in which every other transaction locks the two.
    holding = select(run.c.id, run.c.token).where(run.c.worker == row.id, run.c.status == RunStatus.RUNNING)
    for left in c.execute(holding.order_by(run.c.id).with_for_update()).all():
        try:
            lose_run(c, left.id, left.token, message=f"Worker {row.name} {words}", backoff=backoff)
        except StaleToken:  # It ended between the two statements (PostgreSQL); nothing is lost.
            continue
    left_now = {"status": status, "run_id": None, "stopped_at": now(c)}
    gone = c.execute(update(worker).where(worker.c.id == row.id, worker.c.status.in_(LIVE)).values(**left_now))
    if gone.rowcount:
        _tell(c, kind, row, f"{row.name} {words}", level=Level.WARNING if status == "lost" else Level.INFO)


def get(c: Connection, worker_id: str) -> Worker:
    return Worker.model_validate(_row(c, worker_id))


def page(c: Connection, *, live: bool = False, cursor: str | None = None, limit: int = 50) -> Page[Worker]:
    """A page of workers, the newest first; `live` leaves out those that stopped or were lost."""
    query = select(worker)
    if live:
        query = query.where(worker.c.status.in_(LIVE))
    return pages.fetch(c, query, worker, _records, cursor=cursor, limit=limit, time="started_at")


def alive(c: Connection, *, host: str | None = None) -> list[Worker]:
    """Every worker, or every one of a host, that neither stopped nor was lost, the newest first."""
    query = select(worker).where(worker.c.status.in_(LIVE))
    if host is not None:
        query = query.where(worker.c.host == host)
    return _records(c.execute(query.order_by(worker.c.started_at.desc(), worker.c.id.desc())).all())


def _records(rows: Sequence[Row[Any]]) -> list[Worker]:
    return [Worker.model_validate(row) for row in rows]


def _row(c: Connection, worker_id: str, *, lock: bool = False) -> Row[Any]:
    query = select(worker).where(worker.c.id == worker_id)
    row = c.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound("worker", worker_id)
    return row


def _tell(c: Connection, kind: EventKind, row: Row[Any], message: str, *, level: Level = Level.INFO) -> None:
    events.append(c, kind, message, level=level, data={"worker": row.id, "name": row.name})
