"""The event stream: one reader of the event log, any number of followers, each resuming where it stopped.

The log in the database is the truth; the reader asks it five times a second for what is new, so that events of any
process arrive. A follower first reads what it missed, then is handed what is new through a bounded queue; one that
reads too slowly is told to come back, and resumes by `Last-Event-ID`.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool

from api.errors import DATABASE_AWAY
from domain.database import Database
from domain.event import Event
from domain.store import events

log = logging.getLogger("normlab.api")

POLL_SECONDS = 0.2
PAGE = 500
QUEUE_BATCHES = 64


@dataclass(frozen=True)
class Filter:
    """Which events a follower wants; None means any."""

    study_id: str | None = None
    job_id: str | None = None
    run_id: str | None = None

    def wants(self, event: Event) -> bool:
        """Whether the event belongs to the named study, job or run."""
        return (
            self.study_id in {None, event.study_id}
            and self.job_id in {None, event.job_id}
            and self.run_id in {None, event.run_id}
        )


EVERYTHING = Filter()


class SlowReader(Exception):  # noqa: N818 - a signal, not an error
    """The follower's queue is full: it must reconnect."""


@dataclass(eq=False)
class _Follower:
    queue: asyncio.Queue[list[Event] | None] = field(default_factory=lambda: asyncio.Queue(QUEUE_BATCHES))
    overflowed: bool = False


class EventStream:
    """Hands new events to followers. Lives in one event loop; `stop` ends every follower."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._followers: set[_Follower] = set()
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._stopped = False

    @property
    def followers(self) -> int:
        return len(self._followers)

    async def position(self) -> int:
        """The number of the newest event: following from here means from now on."""
        return await run_in_threadpool(self._last_seq)

    async def follow(self, seq: int, chosen: Filter) -> AsyncIterator[Event]:
        """Events after the number `seq`, then new ones as they come, until `stop`.

        Raises `SlowReader` when the caller does not keep up.
        """
        follower = _Follower()
        self._followers.add(follower)
        try:
            await self._ensure_reader()
            while page := await self._after(seq, chosen):
                for event in page:
                    yield event
                seq = page[-1].seq
            while (batch := await self._next(follower)) is not None:
                for event in batch:
                    if event.seq > seq and chosen.wants(event):
                        yield event
        finally:
            self._followers.discard(follower)

    async def _next(self, follower: _Follower) -> list[Event] | None:
        if self._stopped:
            return None
        if follower.overflowed:
            raise SlowReader
        return await follower.queue.get()

    async def _ensure_reader(self) -> None:
        """Start the reader with the first follower, who reads what was before by itself."""
        async with self._starting:
            if self._reader is None or self._reader.done():
                self._reader = asyncio.create_task(self._read(await self.position()), name="event reader")

    async def _read(self, seq: int) -> None:
        while self._followers and not self._stopped:
            try:
                batch = await self._after(seq, EVERYTHING)
            except DATABASE_AWAY as error:
                log.warning("the event log can't be read just now: %s", error)
                batch = []
            if batch:
                seq = batch[-1].seq
                self._hand_out(batch)
            if len(batch) < PAGE:
                await asyncio.sleep(POLL_SECONDS)

    async def _after(self, seq: int, chosen: Filter) -> list[Event]:
        return await run_in_threadpool(self._read_after, seq, chosen)

    def _read_after(self, seq: int, chosen: Filter) -> list[Event]:
        with self._database.read() as c:
            return events.after(
                c, seq, study_id=chosen.study_id, job_id=chosen.job_id, run_id=chosen.run_id, limit=PAGE
            )

    def _last_seq(self) -> int:
        with self._database.read() as c:
            return events.last_seq(c)

    def _hand_out(self, batch: list[Event]) -> None:
        for follower in self._followers:
            try:
                follower.queue.put_nowait(batch)
            except asyncio.QueueFull:
                follower.overflowed = True

    def stop(self) -> None:
        """End every follower; called when the process is told to end, since uvicorn waits for open streams."""
        self._stopped = True
        for follower in self._followers:
            # A full queue is read to its end before `_next` looks at `_stopped`.
            with contextlib.suppress(asyncio.QueueFull):
                follower.queue.put_nowait(None)
