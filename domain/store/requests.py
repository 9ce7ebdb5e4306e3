"""What people ask for: cancel, pause, resume and retry, of a run, or of every run of a job or study it applies to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from domain.clock import now
from domain.errors import NotFound, NotPossible
from domain.event import EventKind
from domain.run import ASKED, Action, Phase, Request, Run, RunStatus
from domain.store import events, outbox
from domain.store.ids import new_id
from domain.tables import job, run, study

UNTROUBLED: dict[str, None] = {"reason": None, "responsible": None, "message": None}
"""What the attempt before left on a run that somebody cancelled, paused or resumed since; the attempt keeps it."""
PAST = {Action.CANCEL: "cancelled", Action.PAUSE: "paused", Action.RESUME: "resumed", Action.RETRY: "retried"}


def request(c: Connection, run_id: str, action: Action | str) -> Run:
    """Do it, or ask the runner to. Returns the run as it is then (of a retry, the new run).

    Asking again for what is already so changes nothing. Raises NotFound, and NotPossible where the state forbids it.
    """
    row = c.execute(select(run).where(run.c.id == run_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound("run", run_id)
    return Run.model_validate(_act(c, row, Action(action), now(c)))


def request_job(c: Connection, job_id: str, action: Action | str) -> list[Run]:
    """Ask it of every run of the job to which it applies. Raises NotFound, and NotPossible when it applies to none."""
    if c.execute(select(job.c.id).where(job.c.id == job_id)).one_or_none() is None:
        raise NotFound("job", job_id)
    return _all(c, _latest(c, run.c.job_id == job_id), Action(action), "job", job_id)


def request_study(c: Connection, study_id: str, action: Action | str) -> list[Run]:
    """Ask it of every run of the study to which it applies. Raises NotFound, and NotPossible if it applies to none."""
    if c.execute(select(study.c.id).where(study.c.id == study_id)).one_or_none() is None:
        raise NotFound("study", study_id)
    return _all(c, _latest(c, run.c.study_id == study_id), Action(action), "study", study_id)


def _latest(c: Connection, of: Any) -> Sequence[Row[Any]]:
    # Locked in order of id, so that two such requests cannot wait for each other.
    query = select(run).where(of, run.c.retried_by.is_(None)).order_by(run.c.id)
    return c.execute(query.with_for_update()).all()


def _all(c: Connection, rows: Sequence[Row[Any]], action: Action, noun: str, wanted: str) -> list[Run]:
    at = now(c)
    fitting = [row for row in rows if _refusal(row, action) is None]
    if not fitting:
        states = ", ".join(sorted({row.status for row in rows})) or "gone"
        raise NotPossible(action, noun, wanted, f"all its runs are {states}")
    return [Run.model_validate(_act(c, row, action, at)) for row in fitting]


def _refusal(row: Row[Any], action: Action) -> str | None:
    """Why the action does not apply to this run, as the end of a sentence; None when it does."""
    final = RunStatus(row.status).is_final
    if action is Action.RETRY:
        if row.status not in {RunStatus.FAILED, RunStatus.CANCELLED}:
            return f"it is {row.status}, and only failed or cancelled runs are retried"
        return f"it was retried already, as {row.retried_by}" if row.retried_by else None
    return f"it is already {row.status}" if final and row.status != PAST[action] else None


def _act(c: Connection, row: Row[Any], action: Action, at: datetime) -> Row[Any]:
    refusal = _refusal(row, action)
    if refusal is not None:
        raise NotPossible(action, "run", row.id, refusal)
    if action is Action.RETRY:
        return _retry(c, row, at)
    if action is Action.RESUME:
        return _resume(c, row, at)
    return _stop(c, row, action, at)


def _stop(c: Connection, row: Row[Any], action: Action, at: datetime) -> Row[Any]:
    """Cancel or pause: at once when nobody holds the run, else as a request that the next heartbeat brings."""
    goal = RunStatus.CANCELLED if action is Action.CANCEL else RunStatus.PAUSED
    if row.status in {goal, RunStatus.CANCELLED}:
        return row
    if row.status == RunStatus.RUNNING:
        return _ask(c, row, Request(action), at)
    ended = {"finished_at": at} if goal is RunStatus.CANCELLED else {}
    after = _change(c, row, action, at, status=goal, not_before=None, **UNTROUBLED, **ended)
    kind = EventKind.RUN_CANCELLED if goal is RunStatus.CANCELLED else EventKind.RUN_PAUSED
    events.append(c, kind, PAST[action].capitalize(), run=after, data={"status": goal, "from": row.status})
    return after


def _ask(c: Connection, row: Row[Any], wanted: Request | None, at: datetime) -> Row[Any]:
    if row.request in {wanted, Request.CANCEL}:
        return row
    # Going on, it is taken to train; its next report says more.
    phase = ASKED[wanted] if wanted else Phase.TRAINING
    after = _change(c, row, Action(wanted) if wanted else Action.RESUME, at, request=wanted, phase=phase)
    words = f"Asked to {wanted}" if wanted else "Asked to go on"
    events.append(c, EventKind.RUN_REQUESTED, words, run=after, data={"request": wanted})
    return after


def _resume(c: Connection, row: Row[Any], at: datetime) -> Row[Any]:
    if row.status == RunStatus.RUNNING:
        return _ask(c, row, None, at)
    if row.status == RunStatus.QUEUED:
        return row
    after = _change(c, row, Action.RESUME, at, status=RunStatus.QUEUED, woken_at=at, **UNTROUBLED)
    outbox.add(c, row.id, row.queue, at)
    events.append(c, EventKind.RUN_QUEUED, "Resumed", run=after, data={"status": RunStatus.QUEUED, "from": row.status})
    return after


def _retry(c: Connection, row: Row[Any], at: datetime) -> Row[Any]:
    """A new run of the same job and seed; the old one keeps what it is and points to it."""
    same = ("job_id", "study_id", "seed", "seed_rank", "queue", "device", "priority", "max_attempts", "total_steps")
    fresh = run.insert().values(
        id=new_id("run"),
        status=RunStatus.QUEUED,
        retry_of=row.id,
        woken_at=at,
        created_at=at,
        updated_at=at,
        **{name: value for name, value in row._asdict().items() if name in same},
    )
    new = c.execute(fresh.returning(run)).one()
    c.execute(update(run).where(run.c.id == row.id).values(retried_by=new.id, updated_at=at))
    outbox.add(c, new.id, new.queue, at)
    data = {"status": RunStatus.QUEUED, "retry_of": row.id}
    events.append(c, EventKind.RUN_QUEUED, f"Queued to retry {row.id}", run=new, data=data)
    return new


def _change(c: Connection, row: Row[Any], action: Action, at: datetime, **values: Any) -> Row[Any]:
    """One UPDATE, of the run in the state it was read in (its row is locked, so it is still in it)."""
    same = update(run).where(run.c.id == row.id, run.c.status == row.status, run.c.token == row.token)
    after = c.execute(same.values(updated_at=at, **values).returning(run)).one_or_none()
    if after is None:
        raise NotPossible(action, "run", row.id, "it changed meanwhile")
    return after
