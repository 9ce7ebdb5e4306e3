"""What the holder of a run's token may write while it trains: heartbeats with metrics and logs, and checkpoints.

Every function here first renews or checks the token in one UPDATE; a stale token raises StaleToken and writes nothing.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update
from sqlalchemy.exc import NoResultFound

from domain.clock import now
from domain.errors import NotFound, StaleToken
from domain.event import EventKind, Level
from domain.report import Report, SavedCheckpoint
from domain.run import ASKED, Checkpoint, Orders, RunStatus
from domain.store import events, logs, metrics
from domain.store.ids import new_id
from domain.store.text import storable
from domain.tables import checkpoint, run, worker


def held(c: Connection, run_id: str, token: int) -> Row[Any]:
    """The running run that `token` holds, locked until the commit. Raises StaleToken."""
    query = select(run).where(run.c.id == run_id, run.c.token == token, run.c.status == RunStatus.RUNNING)
    row = c.execute(query.with_for_update()).one_or_none()
    if row is None:
        raise StaleToken(run_id, token)
    return row


def change_held(c: Connection, run_id: str, token: int, **values: Any) -> Row[Any]:
    """Change the running run that `token` holds, in one UPDATE. Raises StaleToken if it holds nothing."""
    changed = (
        update(run)
        .where(run.c.id == run_id, run.c.token == token, run.c.status == RunStatus.RUNNING)
        .values(**values)
        .returning(run)
    )
    row = c.execute(changed).one_or_none()
    if row is None:
        raise StaleToken(run_id, token)
    return row


def report(c: Connection, run_id: str, token: int, told: Report, *, lease: float = 30) -> Orders:
    """A heartbeat with everything new since the last; renews the lease and answers what the runner should do."""
    before = held(c, run_id, token)
    at = now(c)
    fresh = told.number > before.hb_seq
    beat = {"lease_until": at + timedelta(seconds=lease), "last_heartbeat_at": at, "updated_at": at}
    row = change_held(c, run_id, token, **beat, **(_news(told, before) if fresh else {}))
    _keep_worker(c, row)
    metrics.append(c, run_id, told.points, run=row)
    logs.append(c, run_id, token, told.lines)
    if fresh:
        _tell(c, row, before, told)
    return orders(c, row)


def _keep_worker(c: Connection, row: Row[Any]) -> None:
    """A run's heartbeat is also a sign of life of the worker that holds it."""
    alive = {"hb_seq": worker.c.hb_seq + 1, "last_heartbeat_at": row.last_heartbeat_at}
    c.execute(update(worker).where(worker.c.id == row.worker).values(**alive))


def orders(c: Connection, row: Row[Any]) -> Orders:
    """What the holder of this run should do: a person's request first, then the worker's draining."""
    if row.request is not None:
        return Orders(row.request)
    draining = c.execute(select(worker.c.draining).where(worker.c.id == row.worker)).scalar()
    return Orders.DRAIN if draining else Orders.GO


def _news(told: Report, before: Row[Any]) -> dict[str, Any]:
    given = {
        "step": told.step,
        "total_steps": told.total_steps,
        "progress": None if told.progress is None else min(1.0, max(0.0, told.progress)),
        "seconds": told.seconds,
        "seconds_left": told.seconds_left,
        "phase": told.phase,
        "exact": False if told.exact is False else None,
    }
    news = {name: value for name, value in given.items() if value is not None}
    if before.request is not None and "phase" in news:
        news["phase"] = ASKED[before.request]
    return {"hb_seq": told.number, **news}


def _tell(c: Connection, row: Row[Any], before: Row[Any], told: Report) -> None:
    for note in told.notes:
        events.append(c, note.kind, note.message, run=row, level=note.level, data=dict(note.data))
    if row.phase != before.phase:
        events.append(c, EventKind.RUN_PHASE, str(row.phase), run=row, data={"phase": row.phase, "step": row.step})
    ends = {name: points[-1].step for name, points in told.points.items() if points}
    if ends:
        last = max(ends.values())
        data = {"step": last, "names": sorted(ends), "progress": row.progress}
        events.append(c, EventKind.METRICS, f"Metrics up to step {last}", run=row, data=data)


def saved_checkpoint(c: Connection, run_id: str, token: int, saved: SavedCheckpoint) -> Checkpoint:
    """Make a complete checkpoint the one to resume from. Metrics up to its step go into the same transaction.

    A step beyond the last checkpoint is progress and resets the count of failed attempts. Sent again, nothing changes.
    """
    before = held(c, run_id, token)
    known = c.execute(
        select(checkpoint).where(
            checkpoint.c.run_id == run_id, checkpoint.c.step == saved.step, checkpoint.c.token == token
        )
    ).one_or_none()
    if known is not None:
        return Checkpoint.model_validate(known)
    at = now(c)
    row = c.execute(_new_checkpoint(run_id, token, saved, at)).one()
    progress = {} if saved.step <= _current_step(c, before) else {"failures": 0}
    change_held(c, run_id, token, ckpt_id=row.id, updated_at=at, **progress)
    data = {"step": saved.step, "size_bytes": saved.size_bytes, "best": saved.best, "checkpoint": row.id}
    events.append(c, EventKind.CHECKPOINT, f"Saved at step {saved.step}", run=before, data=data)
    return Checkpoint.model_validate(row)


def _new_checkpoint(run_id: str, token: int, saved: SavedCheckpoint, at: Any) -> Any:
    return (
        checkpoint.insert()
        .values(
            id=new_id("ckpt"),
            run_id=run_id,
            step=saved.step,
            token=token,
            path=saved.path,
            size_bytes=saved.size_bytes,
            digest=saved.digest,
            metrics=dict(saved.metrics),
            best=saved.best,
            created_at=at,
        )
        .returning(checkpoint)
    )


def _current_step(c: Connection, row: Row[Any]) -> int:
    if row.ckpt_id is None:
        return 0
    return int(c.execute(select(checkpoint.c.step).where(checkpoint.c.id == row.ckpt_id)).scalar_one())


def drop_old_checkpoints(c: Connection, run_id: str, token: int, *, keep: int = 2) -> list[Checkpoint]:
    """Forget all but the newest `keep` good checkpoints and the best one; returns those whose files may now go.

    Delete the files after the commit: a file without a row is waste, a row without a file is a lie.
    """
    row = held(c, run_id, token)
    query = select(checkpoint).where(checkpoint.c.run_id == run_id)
    rows = c.execute(query.order_by(checkpoint.c.step.desc(), checkpoint.c.token.desc())).all()
    good = [saved for saved in rows if saved.good]
    kept = {saved.id for saved in good[:keep]} | {saved.id for saved in [s for s in good if s.best][:1]} | {row.ckpt_id}
    dropped = [saved for saved in rows if saved.id not in kept]
    if dropped:
        c.execute(delete(checkpoint).where(checkpoint.c.id.in_([saved.id for saved in dropped])))
    return [Checkpoint.model_validate(saved) for saved in dropped]


def bad_checkpoint(c: Connection, run_id: str, token: int, checkpoint_id: str, why: str) -> Checkpoint | None:
    """Mark a checkpoint whose files failed verification, and fall back to the newest good one before it.

    Returns that one, or None when the run must start afresh. Metrics after it are cut off.
    """
    row = held(c, run_id, token)
    try:
        marked = update(checkpoint).where(checkpoint.c.id == checkpoint_id, checkpoint.c.run_id == run_id)
        bad = c.execute(marked.values(good=False).returning(checkpoint)).one()
    except NoResultFound:
        raise NotFound("checkpoint", checkpoint_id) from None
    query = select(checkpoint).where(checkpoint.c.run_id == run_id, checkpoint.c.good.is_(True))
    older = c.execute(query.order_by(checkpoint.c.step.desc(), checkpoint.c.token.desc()).limit(1)).one_or_none()
    step = older.step if older else 0
    change_held(c, run_id, token, ckpt_id=older.id if older else None, step=step, updated_at=now(c))
    metrics.truncate_after(c, run_id, step if older else None, token=token)
    message = f"The checkpoint of step {bad.step} is damaged ({storable(why, limit=500)}); going back to step {step}"
    events.append(c, EventKind.WARNING, message, run=row, level=Level.WARNING, data={"step": step, "bad": bad.id})
    return Checkpoint.model_validate(older) if older else None
