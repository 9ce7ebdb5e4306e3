"""Runs: one seed of a job each; what happened to it, what it printed, what it measured."""

import time
from typing import Annotated

import anyio
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from api.answers import PageOf, answered, ask_again, listed, paged
from api.artifacts import log_text
from api.auth import CurrentKey, require_owner
from api.context import CurrentDatabase
from api.openapi import TEXT
from api.parameters import Cursor, Limit, OfStudy, Only, Owner, RunId, SeqCursor, Statuses, Wait
from domain.database import Database
from domain.event import Event
from domain.patterns import LINE
from domain.run import Action, Attempt, Checkpoint, Outcome, Run
from domain.store import events, jobs, logs, metrics, runs, studies
from domain.store.logs import StoredLine
from domain.store.metrics import Summary

router = APIRouter(prefix="/runs", tags=["runs"])

LOOK_AGAIN = 0.25
"""Seconds between looks at a run that somebody waits for."""

LineCursor = Annotated[
    str | None,
    Query(
        alias="cursor",
        pattern=LINE,
        description="`next_cursor` of the lines you have; 0.0 before all.",
    ),
]


@router.get("", response_model=PageOf[Run])
def list_runs(
    request: Request,
    database: CurrentDatabase,
    owner: Owner = None,
    job: Only = None,
    study: OfStudy = None,
    status: Statuses = [],  # noqa: B006 - FastAPI copies it
    outcome: Outcome | None = None,
    queue: Only = None,
    worker: Only = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Runs, the newest first."""
    wanted = {"job_id": job, "outcome": outcome, "queue": queue, "worker": worker}
    with database.read() as c:
        study_id = studies.id_of(c, study) if study else None
        found = runs.page(c, **wanted, study_id=study_id, owner=owner, status=status, cursor=cursor, limit=limit)
    return paged(request, found)


@router.get("/{run_id}", response_model=Run)
async def read_run(request: Request, database: CurrentDatabase, run_id: RunId, wait: Wait = 0) -> Response:
    """One run with its history. While it isn't final, `Retry-After` says when asking again makes sense."""
    # `async`, so that those who wait hold no thread; each look takes one for a moment.
    deadline = time.monotonic() + wait
    run = await run_in_threadpool(_read, database, run_id)
    while not run.status.is_final and time.monotonic() < deadline and not await request.is_disconnected():
        await anyio.sleep(LOOK_AGAIN)
        run = await run_in_threadpool(_read, database, run_id)
    return answered(request, run, headers=ask_again({run.status: 1}))


def _read(database: Database, run_id: str) -> Run:
    with database.read() as c:
        return runs.get(c, run_id)


@router.get("/{run_id}/events", response_model=PageOf[Event])
def read_run_events(
    request: Request, database: CurrentDatabase, run_id: RunId, cursor: SeqCursor = 0, limit: Limit = 200
) -> Response:
    """What happened to the run, oldest first."""
    with database.read() as c:
        runs.get(c, run_id)
        found = events.after(c, cursor, run_id=run_id, limit=limit + 1)
    shown = found[:limit]
    return listed(request, shown, next_cursor=str(shown[-1].seq) if len(found) > limit else None)


@router.get("/{run_id}/logs", response_model=PageOf[StoredLine])
def read_run_logs(
    request: Request, database: CurrentDatabase, run_id: RunId, cursor: LineCursor = None, limit: Limit = 200
) -> Response:
    """What the run printed, oldest line first: its last lines, or with a cursor those after it.

    `next_cursor` is there whenever there are lines: ask with it again for what the run prints next. To read everything,
    begin with the cursor `0.0`, or take the text from /v1/runs/{run_id}/logs/export.
    """
    after = tuple(int(part) for part in cursor.split(".")) if cursor else None
    with database.read() as c:
        runs.get(c, run_id)
        begin = (after[0], after[1]) if after else None
        found = logs.tail(c, run_id, after=begin, limit=limit + 1 if begin else limit)
    shown = found[:limit]
    last = f"{shown[-1].token}.{shown[-1].number}" if shown else cursor
    return listed(request, shown, next_cursor=last, has_more=len(found) > limit)


@router.get(
    "/{run_id}/logs/export",
    response_class=StreamingResponse,
    responses={200: {"description": "Each line behind its time.", "content": {"text/plain": TEXT}}},
)
def export_run_logs(database: CurrentDatabase, run_id: RunId) -> StreamingResponse:
    """Everything the run printed, as text, oldest line first."""
    with database.read() as c:
        runs.get(c, run_id)
    headers = {"Content-Disposition": f'inline; filename="{run_id}.log"'}
    return StreamingResponse(log_text(database, run_id), media_type="text/plain", headers=headers)


@router.get("/{run_id}/checkpoints", response_model=PageOf[Checkpoint])
def read_run_checkpoints(request: Request, database: CurrentDatabase, run_id: RunId) -> Response:
    """The checkpoints whose files are kept, newest first."""
    with database.read() as c:
        runs.get(c, run_id)
        return listed(request, runs.checkpoints(c, run_id))


@router.get("/{run_id}/attempts", response_model=PageOf[Attempt])
def read_run_attempts(
    request: Request, database: CurrentDatabase, run_id: RunId, cursor: Cursor = None, limit: Limit = 50
) -> Response:
    """The tries at the run, oldest first, each with how it ended and the traceback if there is one."""
    with database.read() as c:
        runs.get(c, run_id)
        return paged(request, runs.attempts_page(c, run_id, cursor=cursor, limit=limit))


@router.get("/{run_id}/metrics", response_model=PageOf[Summary])
def read_run_metrics(request: Request, database: CurrentDatabase, run_id: RunId) -> Response:
    """A summary of each series: count, last, minimum, maximum, mean. The points are at /v1/metrics/series."""
    with database.read() as c:
        runs.get(c, run_id)
        return listed(request, metrics.summaries(c, [run_id]).get(run_id, []))


@router.post("/{run_id}/{action}", response_model=Run)
def act_on_run(request: Request, database: CurrentDatabase, key: CurrentKey, run_id: RunId, action: Action) -> Response:
    """Cancel, pause, resume or retry. A running run is asked, and does it at its next step; a retry is a new run."""
    with database.write() as c:
        require_owner(key, jobs.get(c, runs.get(c, run_id).job_id).owner)
        acted = runs.request(c, run_id, action)
    # Read after the commit, which writes the history.
    return answered(request, _read(database, acted.id))
