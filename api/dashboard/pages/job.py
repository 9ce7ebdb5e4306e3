"""One job at `/jobs/{id}`: its runs, their curves together, its spec."""

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from api.context import CurrentCatalog, CurrentDatabase, CurrentSettings
from api.dashboard.numbers import NOTHING, figures
from api.dashboard.pages.parts import heartbeat_limits, open_of, state_of, worker_names
from api.dashboard.render import page
from api.dashboard.spec_text import yaml_markup
from api.dashboard.view import AXES, CURVES, View, address, caption, controls, view_of_page
from domain.catalog import Catalog
from domain.job import Job
from domain.metric import MEASURED, describe_metric
from domain.run import Run
from domain.store import jobs, metrics, runs, studies

router = APIRouter(include_in_schema=False)

SHOWN = 6
"""Series drawn on a page; the rest are in the table of a run."""


@router.get("/jobs/{job_id}")
def show_job(
    request: Request,
    database: CurrentDatabase,
    catalog: CurrentCatalog,
    settings: CurrentSettings,
    job_id: str,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    view = view_of_page(request.query_params)
    with database.read() as c:
        job = jobs.get(c, job_id)
        study = studies.get(c, job.study_id) if job.study_id else None
        listed = runs.page_in_order(c, job_id=job.id, cursor=cursor)
        found = listed.data
        names = metrics.names(c, [run.id for run in found])
        metric = study.metric.name if study else _telling(names)
        workers = worker_names(c)
        values = _last_values(c, found, metric, catalog)
    return page(
        request,
        "job.html",
        here="Jobs",
        stream=f"/v1/events?job={job.id}",
        job=job,
        study=study,
        names=workers,
        state=state_of(job.counts),
        is_open=bool(open_of(job.counts)),
        metric=metric.replace("_", " "),
        first=_other_seeds(job, view, None) if cursor else None,
        next=_other_seeds(job, view, listed.next_cursor) if listed.next_cursor else None,
        runs=[(run, values.get(run.id, NOTHING)) for run in found],
        figures=[_figure(job, name, view) for name in in_order(names)[:SHOWN]],
        view_tabs=controls(view, lambda other: address(f"/jobs/{job.id}", other, CURVES), seeds=len(job.seeds) > 1),
        x_words=AXES[view.x],
        curves_caption=caption(view),
        spec=yaml_markup({**job.spec, "seeds": job.seeds}),
        **heartbeat_limits(settings),
    )


def _other_seeds(job: Job, view: View, cursor: str | None) -> str:
    """The page with other rows of its table of runs."""
    return address(f"/jobs/{job.id}", view, CURVES, **({"cursor": cursor} if cursor else {})) + "#runs"


def in_order(names: Sequence[str]) -> list[str]:
    """What tells most first: the loss, then scores of validation and test, then what a run measures of itself."""
    order = ("train_loss", "validation_error", "test_error", "validation_loss", "test_loss")
    rank = {name: position for position, name in enumerate(order)}
    return sorted(names, key=lambda name: (name in MEASURED, rank.get(name, len(order)), name))


def _telling(names: Sequence[str]) -> str:
    """The metric a table without a study shows: test error, else the first that is there."""
    return "test_error" if "test_error" in names or not names else in_order(names)[0]


def _last_values(c: Connection, found: Sequence[Run], metric: str, catalog: Catalog) -> dict[str, str]:
    described = describe_metric(metric, catalog)
    summaries = metrics.summaries(c, [run.id for run in found], names=[metric])
    words = {}
    for run_id, (summary, *_) in summaries.items():
        last = summary.last
        words[run_id] = (
            last if isinstance(last, str) else f"{figures(last * described.scale, 4)} {described.unit}".strip()
        )
    return words


def _figure(job: Job, name: str, view: View) -> dict[str, Any]:
    query = urlencode({"job": job.id, "name": name, **view.query(CURVES)})
    return {"key": name, "note": "all seeds", "url": f"/v1/figures/job?{query}"}
