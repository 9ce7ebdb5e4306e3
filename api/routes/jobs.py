"""Jobs: one spec with its seeds; submitted, read, steered, renamed, deleted."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from api.answers import PageOf, answered, ask_again, paged, require_current
from api.auth import CurrentKey, require_owner
from api.body import JsonObject, validated
from api.context import CurrentCatalog, CurrentDatabase, CurrentSettings
from api.expectations import refuse_when_full
from api.files import remove_runs
from api.idempotency import Created, IdempotencyKey, create
from api.openapi import body, edit
from api.parameters import Cursor, JobId, Limit, OfStudy, Only, Owner, Search, Statuses
from api.planning import DryRun, Expected, Plan, expect, plan, plan_job
from domain.job import Job, JobRequest, Line, Notes, Tags, parse_job, spec_hash
from domain.run import Action
from domain.store import jobs, runs, studies
from domain.training import Strict

router = APIRouter(prefix="/jobs", tags=["jobs"])

EXAMPLE: dict[str, Any] = {
    "dataset": {"kind": "digits"},
    "architecture": {"kind": "mlp", "hidden": [128, 128]},
    "normalization": {"kind": "layer_norm"},
    "training": {"batch_size": 32, "budget": {"steps": 500}, "optimizer": {"kind": "adam", "lr": 0.001}},
    "seeds": 3,
}


class SubmittedJob(Expected, Job):
    """A job just stored, and what to expect of it."""


class JobEdit(Strict):
    """What of a job can be changed; what it trains can't."""

    name: Line | None = None
    tags: Tags = Field(default_factory=dict)
    notes: Notes = ""


@router.post(
    "",
    status_code=201,
    response_model=SubmittedJob,
    responses={200: {"model": Plan, "description": "A dry run: nothing was stored."}},
    openapi_extra=body(JobRequest, EXAMPLE),
)
def create_job(
    request: Request,
    raw: JsonObject,
    key: CurrentKey,
    catalog: CurrentCatalog,
    settings: CurrentSettings,
    database: CurrentDatabase,
    dry_run: DryRun = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Submit a job: one spec, trained once for each seed. With `dry_run` it is only checked and shown."""
    submission = parse_job(raw, catalog, queues=settings.queues)
    spec, seeds = submission.spec, submission.seeds

    def expected(c: Connection) -> Expected:
        return expect(c, [spec], seeds, queue=submission.queue, priority=submission.priority, catalog=catalog)

    if dry_run:
        planned = plan_job(spec, seeds, catalog, label=jobs.label_of(spec), key={}, digest=spec_hash(spec))
        with database.read() as c:
            return answered(request, plan([planned], expected(c)))

    def submit(c: Connection) -> Created:
        refuse_when_full(c, owner=key.owner, more=len(seeds), most=settings.max_queued_runs)
        before = expected(c)
        job = jobs.submit(c, submission, owner=key.owner, max_attempts=settings.max_attempts)
        record = SubmittedJob(**job.model_dump(), **before.model_dump())
        return Created(record, f"/v1/jobs/{job.id}", read=job)

    return create(request, key, idempotency_key, raw, submit)


@router.get("", response_model=PageOf[Job])
def list_jobs(
    request: Request,
    database: CurrentDatabase,
    owner: Owner = None,
    study: OfStudy = None,
    status: Statuses = [],  # noqa: B006 - FastAPI copies it
    queue: Only = None,
    dataset: Only = None,
    architecture: Only = None,
    normalization: Only = None,
    spec_hash: Only = None,
    search: Search = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Jobs, the newest first. `status` keeps those that have a run in one of these states."""
    of = {"dataset": dataset, "architecture": architecture, "normalization": normalization, "spec_hash": spec_hash}
    with database.read() as c:
        study_id = studies.id_of(c, study) if study else None
        found = jobs.page(
            c,
            **of,
            owner=owner,
            study_id=study_id,
            status=status,
            queue=queue,
            search=search,
            cursor=cursor,
            limit=limit,
        )
    return paged(request, found)


@router.get("/{job_id}", response_model=Job)
def read_job(request: Request, database: CurrentDatabase, job_id: JobId) -> Response:
    """One job; `counts` and `outcomes` say how its runs are."""
    with database.read() as c:
        job = jobs.get(c, job_id)
    return answered(request, job, headers=ask_again(job.counts))


@router.patch(
    "/{job_id}",
    response_model=Job,
    openapi_extra=edit(JobEdit, {"name": "first try", "tags": {"by": "ann"}, "notes": "The warm-up was too short."}),
)
def edit_job(request: Request, raw: JsonObject, database: CurrentDatabase, key: CurrentKey, job_id: JobId) -> Response:
    """Change name, tags or notes; what is left out stays. With `If-Match` only if nothing changed since; else 412."""
    wanted = validated(JobEdit, raw)
    with database.write() as c:
        found = jobs.get(c, job_id)
        require_owner(key, found.owner)
        require_current(request, found)
        return answered(request, jobs.edit(c, job_id, **wanted.model_dump(exclude_unset=True)))


@router.delete("/{job_id}", status_code=204)
def delete_job(database: CurrentDatabase, settings: CurrentSettings, key: CurrentKey, job_id: JobId) -> Response:
    """Delete a job whose runs have all ended, with their metrics and checkpoints."""
    with database.write() as c:
        require_owner(key, jobs.get(c, job_id).owner)
        deleted = jobs.delete_job(c, job_id)
    remove_runs(settings.runs_dir, deleted)
    return Response(status_code=204)


@router.post("/{job_id}/{action}", response_model=Job)
def act_on_job(request: Request, database: CurrentDatabase, key: CurrentKey, job_id: JobId, action: Action) -> Response:
    """Cancel, pause, resume or retry every run of the job to which it applies."""
    with database.write() as c:
        require_owner(key, jobs.get(c, job_id).owner)
        runs.request_job(c, job_id, action)
        return answered(request, jobs.get(c, job_id))
