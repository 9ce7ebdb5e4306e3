"""Jobs: submitting one with its runs, reading, paging and deleting them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import EllipsisType
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, exists, func, select, update

from domain.clock import now
from domain.errors import NotFound, NotPossible
from domain.event import EventKind
from domain.job import Job, JobSpec, JobSubmission, spec_hash
from domain.run import Outcome, RunStatus, Worker
from domain.store import events, pages, workers
from domain.store.ids import new_id
from domain.store.pages import Page
from domain.tables import job, run, series
from domain.tables import outbox as outbox_table
from domain.waiting import why_waiting

MAX_ATTEMPTS = 3


def submit(c: Connection, submission: JobSubmission, *, owner: str, max_attempts: int = MAX_ATTEMPTS) -> Job:
    """Store a job with its queued runs, their events and wake-up messages."""
    at = now(c)
    spec = submission.spec
    label = label_of(spec)
    row = insert_job(c, submission, at, owner=owner, label=label, digest=spec_hash(spec))
    seeds = enumerate(submission.seeds)
    insert_runs(c, [new_run(row, spec, seed, rank, at, max_attempts=max_attempts) for rank, seed in seeds])
    message = f"{submission.name or label}: {len(submission.seeds)} runs"
    events.append(c, EventKind.JOB_SUBMITTED, message, job_id=row.id, data={"runs": len(submission.seeds)})
    return get(c, row.id)


def label_of(spec: JobSpec) -> str:
    """A few words for a job that belongs to no study."""
    return f"{spec.normalization.kind} · {spec.architecture.kind} · {spec.dataset.kind}"


def insert_job(
    c: Connection,
    submission: JobSubmission,
    at: datetime,
    *,
    owner: str,
    label: str,
    digest: str,
    study_id: str | None = None,
    key: Mapping[str, Any] | None = None,
) -> Row[Any]:
    """One job row, for `submit` here and in studies."""
    spec = submission.spec
    values = job.insert().values(
        id=new_id("job"),
        owner=owner,
        study_id=study_id,
        name=submission.name,
        label=label,
        key=dict(key or {}),
        spec=spec.resolved(),
        spec_hash=digest,
        seeds=list(submission.seeds),
        queue=submission.queue,
        priority=submission.priority,
        tags=dict(submission.tags),
        dataset=spec.dataset.kind,
        architecture=spec.architecture.kind,
        normalization=spec.normalization.kind,
        created_at=at,
        updated_at=at,
    )
    return c.execute(values.returning(job)).one()


def new_run(
    of: Row[Any], spec: JobSpec, seed: int, seed_rank: int, at: datetime, *, max_attempts: int
) -> dict[str, Any]:
    """The row of a queued run of a job. Ids rise in the order of these calls, and so do claims of equal rank."""
    return {
        "id": new_id("run"),
        "job_id": of.id,
        "study_id": of.study_id,
        "seed": seed,
        "seed_rank": seed_rank,
        "status": RunStatus.QUEUED,
        "queue": of.queue,
        "device": spec.training.device,
        "priority": of.priority,
        "max_attempts": max_attempts,
        "total_steps": spec.training.budget.steps,
        "woken_at": at,
        "created_at": at,
        "updated_at": at,
    }


def insert_runs(c: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Queued runs, with their events and wake-up messages."""
    c.execute(run.insert(), rows)
    c.execute(
        outbox_table.insert(),
        [{"run_id": row["id"], "queue": row["queue"], "due_at": row["created_at"]} for row in rows],
    )
    for row in rows:
        of = {name: row[name] for name in ("job_id", "study_id")}
        data = {"status": RunStatus.QUEUED, "seed": row["seed"]}
        events.append(c, EventKind.RUN_QUEUED, f"Queued in {row['queue']}", run_id=row["id"], data=data, **of)


def get(c: Connection, job_id: str) -> Job:
    """Raises NotFound."""
    row = c.execute(select(job).where(job.c.id == job_id)).one_or_none()
    if row is None:
        raise NotFound("job", job_id)
    return _records(c, [row])[0]


def page(
    c: Connection,
    *,
    owner: str | None = None,
    study_id: str | None = None,
    status: Sequence[str] = (),
    queue: str | None = None,
    dataset: str | None = None,
    architecture: str | None = None,
    normalization: str | None = None,
    spec_hash: str | None = None,  # noqa: A002, RUF100 - the column's name
    search: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Job]:
    """A page of jobs, newest first; `status` asks for jobs with any run in one of these states."""
    equal = {
        "owner": owner,
        "study_id": study_id,
        "queue": queue,
        "dataset": dataset,
        "architecture": architecture,
        "normalization": normalization,
        "spec_hash": spec_hash,
    }
    query = _matching(select(job), equal, status, search)
    return pages.fetch(c, query, job, lambda rows: _records(c, rows), cursor=cursor, limit=limit)


def _matching(
    query: Select[Any], equal: Mapping[str, str | None], status: Sequence[str], search: str | None
) -> Select[Any]:
    for name, value in equal.items():
        if value is not None:
            query = query.where(job.c[name] == value)
    if status:
        query = query.where(exists().where(run.c.job_id == job.c.id, run.c.status.in_(status)))
    if search:
        words = func.coalesce(job.c.name, "").concat(" ").concat(job.c.label)
        query = query.where(words.icontains(search, autoescape=True))
    return query


def edit(
    c: Connection,
    job_id: str,
    *,
    name: str | EllipsisType | None = ...,
    tags: Mapping[str, str] | None = None,
    notes: str | None = None,
) -> Job:
    """Change the name (None takes it away), the tags or the notes; what is not given stays. Raises NotFound."""
    values: dict[str, Any] = {} if name is ... else {"name": name}
    values |= edited(tags, notes)
    c.execute(update(job).where(job.c.id == job_id).values(updated_at=now(c), **values))
    return get(c, job_id)


def edited(tags: Mapping[str, str] | None, notes: str | None) -> dict[str, Any]:
    """The columns that an edit of tags and notes changes, of a job or a study."""
    values = {"tags": None if tags is None else dict(tags), "notes": notes}
    return {name: value for name, value in values.items() if value is not None}


def of_study(c: Connection, study_id: str, *, cursor: str | None = None, limit: int = 50) -> Page[Job]:
    """A page of a study's jobs, in the order of its cells."""
    query = select(job).where(job.c.study_id == study_id)
    return pages.along(c, query, [job.c.id], lambda rows: _records(c, rows), cursor=cursor, limit=limit)


def counts(c: Connection) -> int:
    """How many jobs there are."""
    return c.execute(select(func.count()).select_from(job)).scalar_one()


def delete_job(c: Connection, job_id: str) -> list[str]:
    """Delete a job whose runs have all ended, with everything recorded of them except events.

    Returns the ids of its runs, whose files the caller removes after the commit. Raises NotFound and NotPossible.
    """
    row = c.execute(select(job).where(job.c.id == job_id)).one_or_none()
    if row is None:
        raise NotFound("job", job_id)
    if row.study_id is not None:
        raise NotPossible("delete", "job", job_id, f"it belongs to study {row.study_id}; delete the study")
    deleted = delete_jobs(c, "job", job_id, [job_id])
    events.append(c, EventKind.JOB_DELETED, f"Deleted {row.name or row.label}", job_id=job_id)
    return deleted


def delete_jobs(c: Connection, noun: str, wanted: str, job_ids: Sequence[str]) -> list[str]:
    """Delete jobs and their runs when every run has ended; `noun` and `wanted` name what was asked for."""
    rows = c.execute(
        select(run.c.id, run.c.status).where(run.c.job_id.in_(job_ids)).order_by(run.c.id).with_for_update()
    ).all()
    live = sum(not RunStatus(row.status).is_final for row in rows)
    if live:
        have = "has" if live == 1 else "have"
        raise NotPossible("delete", noun, wanted, f"{live} of its runs {have} not ended; cancel it first")
    ids = [row.id for row in rows]
    c.execute(delete(outbox_table).where(outbox_table.c.run_id.in_(ids)))
    c.execute(delete(series).where(series.c.run_id.in_(ids)))
    c.execute(delete(run).where(run.c.id.in_(ids)))
    c.execute(delete(job).where(job.c.id.in_(job_ids)))
    return ids


def _records(c: Connection, rows: Sequence[Row[Any]]) -> list[Job]:
    tallies = tally(c, run.c.job_id, [row.id for row in rows])
    waiting = {row.id for row in rows if tallies[row.id].counts[RunStatus.QUEUED]}
    alive = workers.alive(c) if waiting else []
    return [_record(row, tallies[row.id], _why_waiting(row, alive) if row.id in waiting else []) for row in rows]


def _record(row: Row[Any], tallied: "Tally", waiting: Sequence[str]) -> Job:
    return Job.model_validate({**row._asdict(), **tallied.over(row.updated_at), "waiting": waiting})


def _why_waiting(row: Row[Any], alive: Sequence[Worker]) -> list[str]:
    return why_waiting([row.spec["training"]["device"]], alive, queue=row.queue)


class Tally:
    """The runs of a job or study by status and outcome, and when one of them last changed."""

    def __init__(self) -> None:
        self.counts = {status.value: 0 for status in RunStatus}
        self.outcomes = {outcome.value: 0 for outcome in Outcome}
        self.updated_at: datetime | None = None

    def add(self, row: Row[Any]) -> None:
        self.counts[row.status] += row.runs
        if row.outcome is not None:
            self.outcomes[row.outcome] += row.runs
        self.updated_at = max(self.updated_at or row.changed, row.changed)

    def over(self, updated_at: datetime) -> dict[str, Any]:
        newest = max(updated_at, self.updated_at or updated_at)
        return {"counts": self.counts, "outcomes": self.outcomes, "updated_at": newest}


def tally(c: Connection, of: Any, ids: Sequence[str]) -> dict[str, Tally]:
    """The tallies by id, of the column run.job_id or run.study_id; runs that were retried are left out."""
    query = (
        select(
            of.label("of"),
            run.c.status,
            run.c.outcome,
            func.count().label("runs"),
            func.max(run.c.updated_at).label("changed"),
        )
        .where(of.in_(ids), run.c.retried_by.is_(None))
        .group_by(of, run.c.status, run.c.outcome)
    )
    found: dict[str, Tally] = defaultdict(Tally)
    for row in c.execute(query):
        found[row.of].add(row)
    return found
