"""The event stream: everything that happens, as server-sent events one can resume."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.answers import json_of
from api.context import context_of
from api.errors import DATABASE_AWAY
from api.stream import Filter, SlowReader
from domain.patterns import SEQ

router = APIRouter(tags=["events"])

RETRY_MS = 2000
"""How long a browser waits before it connects again."""

Id = Annotated[str | None, Query(max_length=64)]
Seq = Annotated[int | None, Query(ge=0, le=2**63 - 1, description="Send what came after this event, then what is new.")]
LastEventId = Annotated[str | None, Header(pattern=SEQ, description="As `after`; browsers send it by themselves.")]


async def _start(request: Request, after: Seq = None, last_event_id: LastEventId = None) -> int:
    """Where to begin. Decided before the answer begins, so that whoever sees it begin misses nothing after it."""
    if last_event_id:
        return int(last_event_id)
    return await context_of(request).stream.position() if after is None else after


@router.get("/events", response_class=EventSourceResponse)
async def follow_events(
    request: Request,
    start: Annotated[int, Depends(_start)],
    study: Id = None,
    job: Id = None,
    run: Id = None,
) -> AsyncIterator[ServerSentEvent]:
    """Events from now on, or from after `Last-Event-ID`, of everything or of one study, job or run.

    Each has its `seq` as id, its kind as name and the event as JSON. A `metrics` event says that a run has new points,
    not which: read the series. A ping comes every 15 s; `bye` says that the service ends and will be back.
    """
    chosen = Filter(study_id=study, job_id=job, run_id=run)
    try:
        async for event in context_of(request).stream.follow(start, chosen):
            yield ServerSentEvent(event=event.kind, id=str(event.seq), raw_data=json_of(event).decode())
    except (SlowReader, *DATABASE_AWAY):
        # Closed without a word: a browser comes back by itself, with the id of the last event it read.
        return
    yield ServerSentEvent(event="bye", raw_data="{}", retry=RETRY_MS)
