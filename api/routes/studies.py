"""Studies: a base job, axes that vary, seeds and a question; submitted, read, steered, deleted."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from api.answers import PageOf, answered, ask_again, paged, require_current
from api.auth import CurrentKey, require_owner
from api.body import JsonObject, validated
from api.context import CurrentCatalog, CurrentDatabase, CurrentSettings
from api.errors import BadParameter
from api.expectations import refuse_when_full
from api.files import remove_runs
from api.idempotency import Created, IdempotencyKey, create
from api.openapi import body, edit
from api.parameters import Cursor, Limit, Owner, Search, StudyId
from api.planning import DryRun, Expected, Plan, expect, plan, plan_job
from domain.job import Job, Notes, Tags
from domain.metric import MetricChoice, describe_metric, metric_problem
from domain.results import RunResult
from domain.run import Action, Run
from domain.store import jobs, runs, studies
from domain.store.results import results_page
from domain.study import Study, StudyRequest, parse_study
from domain.training import Strict

router = APIRouter(prefix="/studies", tags=["studies"])

EXAMPLE: dict[str, Any] = {
    "name": "small-batch",
    "question": "Does it keep working when the batch shrinks?",
    "base": {
        "dataset": {"kind": "digits"},
        "architecture": {"kind": "mlp", "hidden": [128, 128]},
        "training": {"budget": {"steps": 500}, "optimizer": {"kind": "adam", "lr": 0.001}},
    },
    "vary": {
        "normalization": [{"kind": "batch_norm"}, {"kind": "layer_norm"}],
        "training.batch_size": [4, 128],
    },
    "seeds": 3,
    "metric": {"name": "test_error", "at": "final"},
    "baseline": {"normalization.kind": "layer_norm"},
}


class SubmittedStudy(Expected, Study):
    """A study just stored, and what to expect of it."""


class StudyEdit(Strict):
    """What of a study can be changed; what it asks and trains can't."""

    tags: Tags = Field(default_factory=dict)
    notes: Notes = ""


@router.post(
    "",
    status_code=201,
    response_model=SubmittedStudy,
    responses={200: {"model": Plan, "description": "A dry run: nothing was stored."}},
    openapi_extra=body(StudyRequest, EXAMPLE),
)
def create_study(
    request: Request,
    raw: JsonObject,
    key: CurrentKey,
    catalog: CurrentCatalog,
    settings: CurrentSettings,
    database: CurrentDatabase,
    dry_run: DryRun = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Submit a study: a job for each cell. With `dry_run` it is only expanded, checked and shown."""
    spec, cells = parse_study(raw, catalog, queues=settings.queues)
    specs, seeds = [cell.spec for cell in cells], spec.seeds

    def expected(c: Connection) -> Expected:
        return expect(c, specs, seeds, queue=spec.queue, priority=spec.priority, catalog=catalog)

    if dry_run:
        planned = [plan_job(x.spec, seeds, catalog, label=x.label, key=x.key, digest=x.spec_hash) for x in cells]
        with database.read() as c:
            return answered(request, plan(planned, expected(c)))

    def submit(c: Connection) -> Created:
        refuse_when_full(c, owner=key.owner, more=len(cells) * len(seeds), most=settings.max_queued_runs)
        before = expected(c)
        study = studies.submit(c, spec, cells, owner=key.owner, max_attempts=settings.max_attempts)
        record = SubmittedStudy(**study.model_dump(), **before.model_dump())
        return Created(record, f"/v1/studies/{study.id}", read=study)

    return create(request, key, idempotency_key, raw, submit)


@router.get("", response_model=PageOf[Study])
def list_studies(
    request: Request,
    database: CurrentDatabase,
    owner: Owner = None,
    search: Search = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Studies, the newest first."""
    with database.read() as c:
        return paged(request, studies.page(c, owner=owner, search=search, cursor=cursor, limit=limit))


@router.get("/{study}", response_model=Study)
def read_study(request: Request, database: CurrentDatabase, study: StudyId) -> Response:
    """One study, by id or by name; `counts` and `outcomes` say how its runs are."""
    with database.read() as c:
        found = studies.get(c, study)
    return answered(request, found, headers=ask_again(found.counts))


@router.get("/{study}/jobs", response_model=PageOf[Job])
def read_study_jobs(
    request: Request, database: CurrentDatabase, study: StudyId, cursor: Cursor = None, limit: Limit = 50
) -> Response:
    """The jobs of the study, in the order of its cells."""
    with database.read() as c:
        return paged(request, jobs.of_study(c, studies.get(c, study).id, cursor=cursor, limit=limit))


@router.get("/{study}/runs", response_model=PageOf[Run])
def read_study_runs(
    request: Request, database: CurrentDatabase, study: StudyId, cursor: Cursor = None, limit: Limit = 50
) -> Response:
    """The runs of the study by cell and seed; of a seed that was retried the newest."""
    with database.read() as c:
        found = runs.page_in_order(c, study_id=studies.get(c, study).id, cursor=cursor, limit=limit)
    return paged(request, found)


@router.get("/{study}/results", response_model=PageOf[RunResult])
def read_study_results(
    request: Request,
    database: CurrentDatabase,
    catalog: CurrentCatalog,
    study: StudyId,
    metric: Annotated[str | None, Query(max_length=100, description="Default the study's.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """What each run contributes to a comparison: its spec by dotted paths, its value, what it cost."""
    with database.read() as c:
        found = studies.get(c, study)
        chosen = MetricChoice(name=metric, at=found.metric.at) if metric else found.metric
        problem = metric_problem(chosen.name, catalog)
        if problem:
            raise BadParameter("metric", problem)
        lower = describe_metric(chosen.name, catalog).lower_is_better
        page = results_page(c, chosen, study_id=found.id, lower_is_better=lower, cursor=cursor, limit=limit)
    return paged(request, page)


@router.patch(
    "/{study}",
    response_model=Study,
    openapi_extra=edit(StudyEdit, {"tags": {"course": "dl-101"}, "notes": "Batch norm fails below a batch of 4."}),
)
def edit_study(
    request: Request, raw: JsonObject, database: CurrentDatabase, key: CurrentKey, study: StudyId
) -> Response:
    """Change tags or notes; what is left out stays. With `If-Match` only if nothing changed since; else 412."""
    wanted = validated(StudyEdit, raw)
    with database.write() as c:
        found = studies.get(c, study)
        require_owner(key, found.owner)
        require_current(request, found)
        return answered(request, studies.edit(c, found.id, **wanted.model_dump(exclude_unset=True)))


@router.delete("/{study}", status_code=204)
def delete_study(database: CurrentDatabase, settings: CurrentSettings, key: CurrentKey, study: StudyId) -> Response:
    """Delete a study whose runs have all ended, with its jobs, metrics and checkpoints. Needs its id, not its name."""
    with database.write() as c:
        require_owner(key, studies.get(c, study).owner)
        deleted = studies.delete_study(c, study)
    remove_runs(settings.runs_dir, deleted)
    return Response(status_code=204)


@router.post("/{study}/{action}", response_model=Study)
def act_on_study(
    request: Request, database: CurrentDatabase, key: CurrentKey, study: StudyId, action: Action
) -> Response:
    """Cancel, pause, resume or retry every run of the study to which it applies."""
    with database.write() as c:
        found = studies.get(c, study)
        require_owner(key, found.owner)
        runs.request_study(c, found.id, action)
        return answered(request, studies.get(c, found.id))
