"""Claiming: a worker takes the best eligible run of its queues, with a lease and a fencing token."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, literal_column, or_, select, update

from domain.clock import database_now, now
from domain.event import EventKind
from domain.run import Checkpoint, Claim, Phase, Run, RunStatus
from domain.store import events, metrics
from domain.tables import attempt, checkpoint, job, run, worker


def claim(
    c: Connection, worker_id: str, *, queues: Sequence[str], devices: Sequence[str] = ("cpu",), lease: float = 30
) -> Claim | None:
    """Take the best run that is queued in one of `queues` and may run on one of `devices`; None if there is none.

    Best is the highest priority, then breadth first over seeds, then the oldest. The run's token rises, its attempt is
    counted, metrics after its checkpoint are cut off (their hash is kept), and its lease lasts `lease` seconds.
    A worker that is draining gets nothing.
    """
    if _is_draining(c, worker_id):
        return None
    at = now(c)
    taken = (
        update(run)
        .where(run.c.id == _best(c, queues, devices).scalar_subquery(), run.c.status == RunStatus.QUEUED)
        .values(
            status=RunStatus.RUNNING,
            token=run.c.token + 1,
            attempt=run.c.attempt + 1,
            failures=run.c.failures + 1,
            worker=worker_id,
            hb_seq=0,
            lease_until=at + timedelta(seconds=lease),
            last_heartbeat_at=at,
            not_before=None,
            request=None,
            reason=None,
            responsible=None,
            message=None,
            seconds_left=None,
            updated_at=at,
        )
        .returning(run)
    )
    row = c.execute(taken).one_or_none()
    return None if row is None else _begin_attempt(c, row, worker_id, at, lease)


def is_waiting(c: Connection, *, queues: Sequence[str], devices: Sequence[str]) -> bool:
    """Whether a claim for these would get a run now."""
    return c.execute(_eligible(queues, devices).limit(1)).first() is not None


def _is_draining(c: Connection, worker_id: str) -> bool:
    return bool(c.execute(select(worker.c.draining).where(worker.c.id == worker_id)).scalar())


def _best(c: Connection, queues: Sequence[str], devices: Sequence[str]) -> Select[Any]:
    query = _eligible(queues, devices).order_by(run.c.priority.desc(), run.c.seed_rank, run.c.id).limit(1)
    # On PostgreSQL several workers claim at once, each skipping what another holds; SQLite has one writer at a time.
    return query.with_for_update(skip_locked=True) if c.dialect.name == "postgresql" else query


def _eligible(queues: Sequence[str], devices: Sequence[str]) -> Select[Any]:
    return select(run.c.id).where(
        # Written out, not bound: only then may the partial index be used.
        run.c.status == literal_column(f"'{RunStatus.QUEUED}'"),
        run.c.queue.in_(queues),
        run.c.device.in_(["auto", *devices]),
        or_(run.c.not_before.is_(None), run.c.not_before <= database_now()),
    )


def _begin_attempt(c: Connection, row: Row[Any], worker_id: str, at: datetime, lease: float) -> Claim:
    saved = _resume_point(c, row)
    step = saved.step if saved else 0
    c.execute(
        attempt.insert().values(
            run_id=row.id, token=row.token, number=row.attempt, worker=worker_id, started_at=at, start_step=step
        )
    )
    metrics.truncate_after(c, row.id, step if saved else None, token=row.token)
    begun = {
        "step": step,
        **_progress(row, step),
        "phase": Phase.RECOVERING if row.token > 1 else Phase.STARTING,
        "started_at": row.started_at or at,
    }
    started = c.execute(update(run).where(run.c.id == row.id).values(**begun).returning(run)).one()
    c.execute(update(worker).where(worker.c.id == worker_id).values(status="busy", run_id=row.id))
    _tell(c, started, step)
    return Claim(
        run=Run.model_validate(started),
        token=started.token,
        spec=c.execute(select(job.c.spec).where(job.c.id == row.job_id)).scalar_one(),
        checkpoint=saved,
        lease_seconds=lease,
        spent_seconds=_spent(c, row.id),
    )


def _progress(row: Row[Any], step: int) -> dict[str, float]:
    """How far the run is at the step it begins from; of a budget in seconds the next report says it."""
    if step == 0:
        return {"progress": 0.0, "seconds": 0.0}
    return {} if row.total_steps is None else {"progress": min(1.0, step / row.total_steps)}


def _spent(c: Connection, run_id: str) -> float:
    """Seconds that the ended attempts at a run took."""
    times = c.execute(select(attempt.c.started_at, attempt.c.ended_at).where(attempt.c.run_id == run_id))
    taken = [ended - started for started, ended in times if ended is not None]
    return sum(taken, timedelta()).total_seconds()


def _resume_point(c: Connection, row: Row[Any]) -> Checkpoint | None:
    if row.ckpt_id is None:
        return None
    return Checkpoint.model_validate(c.execute(select(checkpoint).where(checkpoint.c.id == row.ckpt_id)).one())


def _tell(c: Connection, row: Row[Any], step: int) -> None:
    data = {"status": RunStatus.RUNNING, "attempt": row.attempt, "token": row.token, "worker": row.worker, "step": step}
    if row.token == 1:
        events.append(c, EventKind.RUN_STARTED, "Started", run=row, data=data)
    else:
        events.append(c, EventKind.RUN_RESUMED, f"Resumed from step {step}", run=row, data=data)
