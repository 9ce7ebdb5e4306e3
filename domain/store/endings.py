"""How an attempt ends: finished, failed and tried again, drained, paused, or lost. Terminal states are written once."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, update

from domain.clock import now
from domain.event import EventKind, Level
from domain.report import Ending
from domain.run import Outcome, Reason, Request, Responsible, RunStatus
from domain.store import events, metrics, outbox
from domain.store.reports import change_held, held
from domain.store.text import storable
from domain.tables import attempt, worker

LONGEST_BACKOFF = 300
"""Seconds."""
MESSAGE = 4000
TRACEBACK = 60_000


def finish(c: Connection, run_id: str, token: int, ending: Ending, *, backoff: float = 5) -> RunStatus:
    """End the attempt. Returns the run's new status: final, or `queued` when a transient failure is tried again."""
    row = held(c, run_id, token)
    if ending.status is RunStatus.FAILED and ending.responsible is Responsible.TRANSIENT:
        return _try_again(c, row, ending, backoff)
    return _end(c, row, ending, ending.status)


def release(c: Connection, run_id: str, token: int) -> RunStatus:
    """Give the run back after a checkpoint; the attempt is not counted.

    What is asked for now decides, not what the runner was told: a run to be cancelled ends, one to be paused rests, and
    every other goes back to the queue, also one whose pause was taken back too late for its runner.
    """
    row = held(c, run_id, token)
    if row.request == Request.CANCEL:
        return _end(c, row, Ending.cancelled(), RunStatus.CANCELLED)
    paused = row.request == Request.PAUSE
    uncounted = {"attempt": row.attempt - 1, "failures": max(0, row.failures - 1)}
    ending = Ending(status=RunStatus.QUEUED, reason=None if paused else Reason.PREEMPTED, exit_code=75)
    return _put_back(c, row, ending, "paused" if paused else "drained", delay=0, paused=paused, **uncounted)


def lose(
    c: Connection, run_id: str, token: int, *, reason: str = Reason.LOST_WORKER, message: str, backoff: float = 5
) -> RunStatus:
    """End an attempt whose worker is gone: the reaper's word, or a new worker's. Raises StaleToken if it ended."""
    row = held(c, run_id, token)
    return _try_again(
        c, row, Ending.failed(Responsible.TRANSIENT, reason, message), backoff, kind=EventKind.RUN_LOST, word="lost"
    )


def retry_delay(failures: int, backoff: float) -> float:
    """Seconds before the next attempt after so many failures in a row: none after the first, then doubling."""
    return 0.0 if failures <= 1 else min(LONGEST_BACKOFF, backoff * 2.0 ** (failures - 2))


def _try_again(
    c: Connection,
    row: Row[Any],
    ending: Ending,
    backoff: float,
    *,
    kind: EventKind = EventKind.RUN_QUEUED,
    word: str = "retried",
) -> RunStatus:
    if row.request == Request.CANCEL:
        return _end(c, row, ending, RunStatus.CANCELLED)
    if row.failures >= row.max_attempts:
        return _end(c, row, ending, RunStatus.FAILED, note=f"Given up after {row.failures} attempts without progress. ")
    delay = retry_delay(row.failures, backoff)
    return _put_back(c, row, ending, word, delay=delay, paused=row.request == Request.PAUSE, kind=kind)


def _end(c: Connection, row: Row[Any], ending: Ending, status: RunStatus, *, note: str = "") -> RunStatus:
    at = now(c)
    failed = status is RunStatus.FAILED
    message = storable(note + (ending.message or ""), limit=MESSAGE) or None
    values = {
        "status": status,
        "outcome": ending.outcome if status is RunStatus.SUCCEEDED else None,
        "reason": ending.reason if failed else None,
        "responsible": ending.responsible if failed else None,
        "message": message,
        "finished_at": at,
        **_left(at),
    }
    if status is RunStatus.SUCCEEDED:
        values["progress"] = row.progress if ending.outcome is Outcome.DIVERGED else 1.0
    ended = change_held(c, row.id, row.token, **values)
    _close_attempt(c, row, ending, str(status), at)
    metrics.settle(c, row.id)
    _tell_end(c, ended, message)
    return status


def _put_back(
    c: Connection,
    row: Row[Any],
    ending: Ending,
    word: str,
    *,
    delay: float,
    paused: bool,
    kind: EventKind = EventKind.RUN_QUEUED,
    **counts: int,
) -> RunStatus:
    at = now(c)
    status = RunStatus.PAUSED if paused else RunStatus.QUEUED
    due_at = at + timedelta(seconds=delay)
    back = change_held(
        c,
        row.id,
        row.token,
        status=status,
        reason=ending.reason,
        responsible=ending.responsible,
        message=storable(ending.message, limit=MESSAGE) if ending.message else None,
        not_before=due_at if delay else None,
        woken_at=at,
        **_left(at),
        **counts,
    )
    _close_attempt(c, row, ending, word, at)
    if not paused:
        outbox.add(c, row.id, row.queue, due_at)
    _tell_back(c, back, EventKind.RUN_PAUSED if paused else kind, delay)
    return status


def _left(at: datetime) -> dict[str, Any]:
    """What a run that nobody holds looks like."""
    return {"worker": None, "lease_until": None, "phase": None, "request": None, "seconds_left": None, "updated_at": at}


def _close_attempt(c: Connection, row: Row[Any], ending: Ending, word: str, at: datetime) -> None:
    c.execute(
        update(attempt)
        .where(attempt.c.run_id == row.id, attempt.c.token == row.token, attempt.c.ended_at.is_(None))
        .values(
            ended_at=at,
            ending=word,
            exit_code=ending.exit_code,
            signal=ending.signal,
            reason=ending.reason,
            message=storable(ending.message, limit=MESSAGE) if ending.message else None,
            traceback=storable(ending.traceback, limit=TRACEBACK) if ending.traceback else None,
        )
    )
    idle = {"status": "idle", "run_id": None}
    c.execute(update(worker).where(worker.c.id == row.worker, worker.c.status == "busy").values(**idle))
    c.execute(update(worker).where(worker.c.id == row.worker, worker.c.run_id == row.id).values(run_id=None))


def _tell_end(c: Connection, row: Row[Any], message: str | None) -> None:
    kind = EventKind(f"run_{row.status}")
    level = Level.ERROR if row.status == RunStatus.FAILED else Level.INFO
    words = row.outcome or row.reason or row.status
    data = {
        "status": row.status,
        "outcome": row.outcome,
        "reason": row.reason,
        "responsible": row.responsible,
        "step": row.step,
    }
    events.append(c, kind, f"{words}: {message}" if message else str(words), run=row, level=level, data=data)


def _tell_back(c: Connection, row: Row[Any], kind: EventKind, delay: float) -> None:
    data = {"status": row.status, "reason": row.reason, "delay": delay, "step": row.step, "attempt": row.attempt}
    level = Level.INFO if row.reason in {None, Reason.PREEMPTED} else Level.WARNING
    words = "Paused" if row.status == RunStatus.PAUSED else "Queued again"
    why = f": {row.reason}" if row.reason else ""
    events.append(c, kind, f"{words}{why}", run=row, level=level, data=data)
