"""The list of jobs at `/jobs`, filtered by what the URL says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from api.context import CurrentCatalog, CurrentDatabase, CurrentSettings
from api.dashboard.pages.parts import finished_of, state_of
from api.dashboard.render import page
from domain.catalog import Catalog
from domain.job import Job
from domain.run import RunStatus
from domain.settings import Settings
from domain.store import jobs, studies
from domain.study import Study

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True)
class Filter:
    """One select above the list."""

    name: str
    words: str
    choices: Sequence[tuple[str, str]]
    chosen: str


@dataclass(frozen=True)
class JobRow:
    """A job as the list shows it."""

    id: str
    study_id: str | None
    label: str
    state: str
    bar_state: str
    done: float
    finished: int
    seeds: int
    outcomes: Mapping[str, int]
    dataset: str
    architecture: str
    batch_size: int
    queue: str
    created_at: Any


@router.get("/jobs")
def list_jobs(
    request: Request,
    database: CurrentDatabase,
    catalog: CurrentCatalog,
    settings: CurrentSettings,
    study: Text = "",
    status: Text = "",
    normalization: Text = "",
    architecture: Text = "",
    dataset: Text = "",
    queue: Text = "",
    cursor: Text = "",
) -> Response:
    menus = {"normalization": normalization, "architecture": architecture, "dataset": dataset, "queue": queue}
    chosen = {name: value for name, value in {"study": study, "status": status, **menus}.items() if value}
    with database.read() as c:
        known = studies.page(c, limit=100).data
        study_id = studies.get(c, study).id if study else None
        states = [status] if status in set(RunStatus) else []
        found = jobs.page(
            c,
            study_id=study_id,
            status=states,
            cursor=cursor or None,
            normalization=normalization or None,
            architecture=architecture or None,
            dataset=dataset or None,
            queue=queue or None,
        )
        names = studies.names(c, {each.study_id for each in found.data if each.study_id})
    return page(
        request,
        "jobs.html",
        here="Jobs",
        stream="/v1/events",
        jobs=[job_row(job) for job in found.data],
        names=names,
        filters=_filters(chosen, known, catalog, settings),
        is_filtered=bool(chosen),
        first=address(chosen) if cursor else None,
        next=address({**chosen, "cursor": found.next_cursor}) if found.next_cursor else None,
    )


def address(query: Mapping[str, str]) -> str:
    return f"/jobs?{urlencode(query)}" if query else "/jobs"


def job_row(job: Job) -> JobRow:
    state = state_of(job.counts)
    total = sum(job.counts.values())
    return JobRow(
        id=job.id,
        study_id=job.study_id,
        label=job.name or job.label,
        state=state,
        bar_state="queued" if state == "cancelled" else state,
        done=finished_of(job.counts) / total if total else 0.0,
        finished=finished_of(job.counts),
        seeds=total,
        outcomes=job.outcomes,
        dataset=job.spec["dataset"]["kind"],
        architecture=job.spec["architecture"]["kind"],
        batch_size=job.spec["training"]["batch_size"],
        queue=job.queue,
        created_at=job.created_at,
    )


def _filters(chosen: Mapping[str, str], known: Sequence[Study], catalog: Catalog, settings: Settings) -> list[Filter]:
    menus = {
        "study": [(each.id, each.name) for each in known],
        "status": [(status.value, status.value) for status in RunStatus],
        "normalization": _menu(catalog, "normalizations"),
        "architecture": _menu(catalog, "architectures"),
        "dataset": _menu(catalog, "datasets"),
        "queue": [(queue, queue) for queue in settings.queues],
    }
    words = {"status": "has a run that is"}
    return [Filter(name, words.get(name, name), choices, chosen.get(name, "")) for name, choices in menus.items()]


def _menu(catalog: Catalog, menu: str) -> list[tuple[str, str]]:
    return [(name, name) for name in sorted(catalog.menu(menu))]
