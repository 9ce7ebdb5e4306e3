"""Runs: reading them, and by re-export everything that changes one (claims, reports, endings, requests)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, or_, select

from domain.errors import NotFound
from domain.event import EventKind
from domain.run import Attempt, Checkpoint, Run, RunStatus, StatusChange
from domain.store import pages, workers
from domain.store.claims import claim, is_waiting
from domain.store.endings import finish, lose, release
from domain.store.pages import Page
from domain.store.reports import bad_checkpoint, drop_old_checkpoints, report, saved_checkpoint
from domain.store.requests import request, request_job, request_study
from domain.tables import attempt, checkpoint, event, job, run
from domain.waiting import with_reason

__all__ = [
    "ahead",
    "attempts",
    "attempts_page",
    "bad_checkpoint",
    "checkpoints",
    "claim",
    "counts",
    "drop_old_checkpoints",
    "finish",
    "get",
    "ids",
    "is_waiting",
    "lose",
    "missing",
    "of_jobs",
    "page",
    "page_in_order",
    "queue_depths",
    "queued_of",
    "release",
    "report",
    "request",
    "request_job",
    "request_study",
    "saved_checkpoint",
    "upcoming",
]

STATUS_EVENTS = (
    EventKind.RUN_QUEUED,
    EventKind.RUN_STARTED,
    EventKind.RUN_RESUMED,
    EventKind.RUN_PAUSED,
    EventKind.RUN_SUCCEEDED,
    EventKind.RUN_FAILED,
    EventKind.RUN_CANCELLED,
    EventKind.RUN_LOST,
)


def get(c: Connection, run_id: str) -> Run:
    """One run with its history. Raises NotFound."""
    row = c.execute(select(run).where(run.c.id == run_id)).one_or_none()
    if row is None:
        raise NotFound("run", run_id)
    (found,) = _records(c, [row])
    return found.model_copy(update={"status_history": _history(c, run_id)})


def _history(c: Connection, run_id: str) -> list[StatusChange]:
    query = select(event.c.at, event.c.data).where(event.c.run_id == run_id, event.c.kind.in_(STATUS_EVENTS))
    return [
        StatusChange(at=row.at, status=row.data["status"], reason=row.data.get("reason"))
        for row in c.execute(query.order_by(event.c.seq))
    ]


def page(
    c: Connection,
    *,
    job_id: str | None = None,
    study_id: str | None = None,
    status: Sequence[str] = (),
    outcome: str | None = None,
    queue: str | None = None,
    worker: str | None = None,
    owner: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Run]:
    """A page of runs, newest first."""
    query = select(run)
    wanted = {"job_id": job_id, "study_id": study_id, "outcome": outcome, "queue": queue, "worker": worker}
    for name, value in wanted.items():
        if value is not None:
            query = query.where(run.c[name] == value)
    if owner is not None:
        query = query.where(run.c.job_id.in_(select(job.c.id).where(job.c.owner == owner)))
    if status:
        query = query.where(run.c.status.in_(status))
    return pages.fetch(c, query, run, lambda rows: _records(c, rows), cursor=cursor, limit=limit)


def _records(c: Connection, rows: Sequence[Row[Any]]) -> list[Run]:
    alive = workers.alive(c) if any(row.status == RunStatus.QUEUED for row in rows) else []
    return [with_reason(Run.model_validate(row), alive) for row in rows]


def of_jobs(c: Connection, job_ids: Sequence[str], *, retried: bool = False) -> list[Run]:
    """The runs of these jobs by job and seed; of a seed that was retried only the newest, unless `retried`."""
    query = select(run).where(run.c.job_id.in_(job_ids))
    if not retried:
        query = query.where(run.c.retried_by.is_(None))
    return _records(c, c.execute(query.order_by(run.c.job_id, run.c.seed_rank, run.c.id)).all())


def ids(c: Connection, **of: str) -> list[str]:
    """The ids of the runs of a `study_id` or a `job_id`, by cell and seed; of a seed that was retried the newest."""
    return list(c.execute(_latest(select(run.c.id), of).order_by(*IN_ORDER)).scalars())


def missing(c: Connection, wanted: Sequence[str]) -> list[str]:
    """Those of these ids that no run has."""
    known = set(c.execute(select(run.c.id).where(run.c.id.in_(wanted))).scalars())
    return [each for each in wanted if each not in known]


def page_in_order(c: Connection, *, cursor: str | None = None, limit: int = 50, **of: str) -> Page[Run]:
    """A page of the runs of a `study_id` or a `job_id`, as `ids` orders them."""
    return pages.along(
        c, _latest(select(run), of), IN_ORDER, lambda rows: _records(c, rows), cursor=cursor, limit=limit
    )


IN_ORDER = (run.c.job_id, run.c.seed_rank, run.c.id)


def _latest(query: Select[Any], of: Mapping[str, str]) -> Select[Any]:
    return query.where(run.c.retried_by.is_(None), *(run.c[name] == value for name, value in of.items()))


def attempts(c: Connection, run_id: str) -> list[Attempt]:
    """The tries at a run, oldest first."""
    query = select(attempt).where(attempt.c.run_id == run_id).order_by(attempt.c.token)
    return _attempts(c.execute(query))


def attempts_page(c: Connection, run_id: str, *, cursor: str | None = None, limit: int = 50) -> Page[Attempt]:
    """A page of the tries at a run, oldest first."""
    query = select(attempt).where(attempt.c.run_id == run_id)
    return pages.along(c, query, [attempt.c.token], _attempts, cursor=cursor, limit=limit)


def _attempts(rows: Iterable[Row[Any]]) -> list[Attempt]:
    return [Attempt.model_validate(row) for row in rows]


def checkpoints(c: Connection, run_id: str) -> list[Checkpoint]:
    """The checkpoints whose files are kept, newest first."""
    query = select(checkpoint).where(checkpoint.c.run_id == run_id)
    rows = c.execute(query.order_by(checkpoint.c.step.desc(), checkpoint.c.token.desc()))
    return [Checkpoint.model_validate(row) for row in rows]


def upcoming(c: Connection, *, limit: int) -> list[Run]:
    """The queued runs that are claimed next, in the order of claims: priority, breadth first over seeds, age."""
    query = select(run).where(run.c.status == RunStatus.QUEUED)
    return _records(c, c.execute(query.order_by(run.c.priority.desc(), run.c.seed_rank, run.c.id).limit(limit)).all())


def counts(c: Connection, **of: str) -> dict[str, int]:
    """Runs by status, of everything or of one `job_id` or `study_id`; retried runs are left out."""
    query = select(run.c.status, func.count()).where(run.c.retried_by.is_(None)).group_by(run.c.status)
    return {status.value: 0 for status in RunStatus} | dict(_of(c, query, of))


def _of(c: Connection, query: Select[Any], of: Mapping[str, str]) -> list[tuple[str, int]]:
    for name, value in of.items():
        query = query.where(run.c[name] == value)
    return [(status, count) for status, count in c.execute(query)]


def ahead(c: Connection, *, queue: str, priority: int) -> int:
    """How many queued runs of a queue are claimed before the first run of a job submitted now with this priority."""
    sooner = or_(run.c.priority > priority, and_(run.c.priority == priority, run.c.seed_rank == 0))
    waiting = (
        select(func.count()).select_from(run).where(run.c.queue == queue, run.c.status == RunStatus.QUEUED, sooner)
    )
    return c.execute(waiting).scalar_one()


def queued_of(c: Connection, owner: str) -> int:
    """How many runs of an owner are queued."""
    of_owner = select(func.count()).select_from(run).join(job, job.c.id == run.c.job_id).where(job.c.owner == owner)
    return c.execute(of_owner.where(run.c.status == RunStatus.QUEUED)).scalar_one()


def queue_depths(c: Connection) -> dict[str, dict[str, int]]:
    """Queued, running and paused runs by queue."""
    live = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.PAUSED)
    query = select(run.c.queue, run.c.status, func.count()).where(run.c.status.in_(live))
    depths: dict[str, dict[str, int]] = defaultdict(lambda: {str(status): 0 for status in live})
    for queue, status, count in c.execute(query.group_by(run.c.queue, run.c.status)):
        depths[queue][status] = count
    return dict(depths)
