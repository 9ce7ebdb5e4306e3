"""One run at `/runs/{id}`: live curves, metrics, events, spec, log, artifacts, attempts."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from api.artifacts import artifacts
from api.context import CurrentCatalog, CurrentDatabase, CurrentSettings
from api.dashboard.numbers import figures
from api.dashboard.pages.job import SHOWN, in_order
from api.dashboard.pages.parts import heartbeat_limits, who_acts, worker_names
from api.dashboard.render import page
from api.dashboard.spec_text import yaml_markup
from api.dashboard.view import AXES, RUN, View, address, controls, view_of_page
from domain.catalog import Catalog
from domain.event import Event, EventKind, Level
from domain.metric import describe_metric
from domain.run import Run
from domain.store import events, jobs, logs, metrics, runs, studies
from domain.store.metrics import Summary

router = APIRouter(include_in_schema=False)

LINES = 200
EVENTS = 40
READOUTS = ("train_loss", "validation_error", "test_error", "step_time", "samples_per_second", "peak_memory")
MARKS = {
    EventKind.RUN_QUEUED: "queued",
    EventKind.RUN_STARTED: "running",
    EventKind.RUN_RESUMED: "running",
    EventKind.RUN_PAUSED: "paused",
    EventKind.RUN_SUCCEEDED: "succeeded",
    EventKind.RUN_FAILED: "failed",
    EventKind.RUN_CANCELLED: "cancelled",
    EventKind.RUN_LOST: "queued",
}


@router.get("/runs/{run_id}")
def show_run(
    request: Request,
    database: CurrentDatabase,
    catalog: CurrentCatalog,
    settings: CurrentSettings,
    run_id: str,
) -> Response:
    view = view_of_page(request.query_params, RUN)
    with database.read() as c:
        run = runs.get(c, run_id)
        job = jobs.get(c, run.job_id)
        study = studies.get(c, run.study_id) if run.study_id else None
        summaries = metrics.summaries(c, [run.id]).get(run.id, [])
        happened = events.latest(c, limit=EVENTS, but=EventKind.METRICS, run_id=run.id)
        values: dict[str, Any] = {
            "names": worker_names(c),
            "attempts": runs.attempts(c, run.id),
            "checkpoints": runs.checkpoints(c, run.id),
            "artifacts": artifacts(c, run, settings.runs_dir),
            "log": logs.tail(c, run.id, limit=LINES),
        }
    return page(
        request,
        "run.html",
        here="Jobs",
        stream=f"/v1/events?run={run.id}",
        run=run,
        job=job,
        study=study,
        title=f"{job.label}, seed {run.seed}",
        who_acts=_acts(run),
        took=_seconds(run),
        readouts=_readouts(summaries, catalog),
        summaries=[_summary(summary, catalog) for summary in summaries],
        figures=_figures(run, summaries, view),
        x_words=AXES[view.x],
        view_tabs=controls(view, lambda other: address(f"/runs/{run.id}", other, RUN), seeds=False),
        events=[_event(event) for event in happened],
        spec=yaml_markup({**job.spec, "seed": run.seed}),
        **heartbeat_limits(settings),
        **values,
    )


def _acts(run: Run) -> str:
    """Who must act, as the end of a failure's sentence."""
    words = who_acts(run)
    return f"Who acts: {words}." if words else ""


def _seconds(run: Run) -> float | None:
    if run.started_at is None or run.finished_at is None:
        return None
    return (run.finished_at - run.started_at).total_seconds()


def _readouts(summaries: Sequence[Summary], catalog: Catalog) -> list[dict[str, str]]:
    """The few numbers at the top: the last of each telling series, in the unit people read, and the best score."""
    known = {summary.name: summary for summary in summaries}
    readouts = []
    for name in [name for name in READOUTS if name in known]:
        summary, described = known[name], describe_metric(name, catalog)
        value = summary.last if isinstance(summary.last, str) else figures(summary.last * described.scale, 4)
        note = f"{described.unit} at {summary.last_step}" if name.endswith("_error") else described.unit
        readouts.append({"name": described.label, "value": value, "unit": note.strip()})
    if "validation_error" in known and known["validation_error"].min is not None:
        best = known["validation_error"]
        value = figures((best.min or 0.0) * 100, 4)
        readouts.insert(2, {"name": "best", "value": value, "unit": f"% at {best.min_step}"})
    return readouts


def _summary(summary: Summary, catalog: Catalog) -> dict[str, Any]:
    """A series in one row of numbers, in the unit people read."""
    described = describe_metric(summary.name, catalog)

    def read(value: float | str | None) -> str:
        return value if isinstance(value, str) else figures(None if value is None else value * described.scale, 4)

    values = [read(value) for value in (summary.last, summary.min, summary.max, summary.mean)]
    return {"name": summary.name, "unit": described.unit, "values": values, "record": summary}


def _figures(run: Run, summaries: Sequence[Summary], view: View) -> list[dict[str, str]]:
    names = in_order([summary.name for summary in summaries])[:SHOWN]
    query = {"run": run.id, **view.query(RUN)}
    return [{"key": name, "url": f"/v1/figures/run?{urlencode({**query, 'name': name})}"} for name in names]


def _event(event: Event) -> dict[str, Any]:
    """An event with its mark, and the status that colours it; a warning is amber."""
    mark = MARKS.get(event.kind, "note")
    tint = "paused" if event.level is Level.WARNING else mark if mark in {"running", "succeeded", "failed"} else ""
    words = f"phase: {event.message}" if event.kind is EventKind.RUN_PHASE else event.message
    return {"seq": event.seq, "at": event.at, "mark": mark, "tint": tint, "words": words}
