"""The event stream: everything that happens, as server-sent events one can resume."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.answers import json_of
from api.context import CurrentDatabase, context_of
from api.errors import DATABASE_AWAY
from api.stream import Filter, SlowReader
from domain.patterns import SEQ
from domain.store import studies

router = APIRouter(tags=["events"])

RETRY_MS = 2000
"""How long a browser waits before it connects again."""

Id = Annotated[str | None, Query(max_length=64)]
StudyOf = Annotated[str | None, Query(max_length=200, description="Of this study, by id or by name.")]
Seq = Annotated[int | None, Query(ge=0, le=2**63 - 1, description="Send what came after this event, then what is new.")]
LastEventId = Annotated[str | None, Header(pattern=SEQ, description="As `after`; browsers send it by themselves.")]


async def _start(request: Request, after: Seq = None, last_event_id: LastEventId = None) -> int:
    """Where to begin. Decided before the answer begins, so that whoever sees it begin misses nothing after it.

    A number that no event has yet is of another database, one restored or begun anew: what is new comes from now on.
    """
    newest = await context_of(request).stream.position()
    wanted = int(last_event_id) if last_event_id else after
    return newest if wanted is None else min(wanted, newest)


def _chosen(database: CurrentDatabase, study: StudyOf = None, job: Id = None, run: Id = None) -> Filter:
    """Which events are wanted. A study is meant by its id or its name."""
    with database.read() as c:
        return Filter(study_id=studies.id_of(c, study) if study else None, job_id=job, run_id=run)


@router.get("/events", response_class=EventSourceResponse)
async def follow_events(
    request: Request,
    start: Annotated[int, Depends(_start)],
    chosen: Annotated[Filter, Depends(_chosen)],
) -> AsyncIterator[ServerSentEvent]:
    """Events from now on, or from after `Last-Event-ID`, of everything or of one study, job or run.

    Each has its `seq` as id, its kind as name and the event as JSON. A `metrics` event says that a run has new points,
    not which: read the series. A ping comes every 15 s; `bye` says that the service ends and will be back.
    """
    try:
        async for event in context_of(request).stream.follow(start, chosen):
            yield ServerSentEvent(event=event.kind, id=str(event.seq), raw_data=json_of(event).decode())
    except (SlowReader, *DATABASE_AWAY):
        # Closed without a word: a browser comes back by itself, with the id of the last event it read.
        return
    yield ServerSentEvent(event="bye", raw_data="{}", retry=RETRY_MS)
