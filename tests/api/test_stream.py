"""The event stream inside one process: a follower that reads too slowly is told so, and the others don't notice."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from api import stream as streams
from api.stream import EventStream, Filter, SlowReader
from domain.database import Database
from domain.event import Event, EventKind
from domain.store import events
from tests.waiting import wait_until


def write(database: Database, count: int, *, run_id: str | None = None, job_id: str | None = None) -> None:
    with database.write() as c:
        for number in range(count):
            events.append(c, EventKind.WARNING, str(number), run_id=run_id, job_id=job_id)


def last_seq(database: Database) -> int:
    with database.read() as c:
        return events.last_seq(c)


async def take(source: AsyncIterator[Event], count: int) -> list[int]:
    return [(await asyncio.wait_for(anext(source), 20)).seq for _ in range(count)]


async def drain(source: AsyncIterator[Event], seen: list[int]) -> None:
    async for event in source:
        seen.append(event.seq)  # noqa: PERF401 - what came before the cut must stay


async def until_followed(stream: EventStream, readers: int) -> None:
    await asyncio.to_thread(wait_until, lambda: stream.followers >= readers)


def test_a_slow_reader_is_cut_off_and_resumes_where_it_was(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PAGE", 2)
    monkeypatch.setattr(streams, "QUEUE_BATCHES", 5)
    monkeypatch.setattr(streams, "POLL_SECONDS", 0.01)

    async def follow() -> None:
        stream = EventStream(sqlite_database)
        here = await stream.position()
        slow, quick = stream.follow(here, Filter()), stream.follow(here, Filter())
        begun = asyncio.create_task(take(slow, 1)), asyncio.create_task(take(quick, 1))
        # Both follow once both have an event.
        while not all(task.done() for task in begun):
            write(sqlite_database, 1)
            await asyncio.sleep(0.01)
        write(sqlite_database, 100)
        end = last_seq(sqlite_database)
        seen, first = begun[0].result(), begun[1].result()[0]
        assert await take(quick, end - first) == list(range(first + 1, end + 1))
        with pytest.raises(SlowReader):
            await drain(slow, seen)
        assert seen == list(range(seen[0], seen[-1] + 1))
        again = await take(stream.follow(seen[-1], Filter()), end - seen[-1])
        assert again == list(range(seen[-1] + 1, end + 1))
        stream.stop()

    asyncio.run(follow())


def test_what_happens_while_one_catches_up_comes_once_and_in_order(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PAGE", 5)
    monkeypatch.setattr(streams, "POLL_SECONDS", 0.01)

    async def follow() -> None:
        write(sqlite_database, 20)
        stream = EventStream(sqlite_database)
        source = stream.follow(0, Filter())
        begun = await take(source, 3)
        for _ in range(4):
            write(sqlite_database, 5)
            await asyncio.sleep(0.02)
        assert begun + await take(source, 37) == list(range(1, 41))
        stream.stop()

    asyncio.run(follow())


def test_a_follower_of_one_run_hears_of_no_other(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "POLL_SECONDS", 0.01)

    async def follow() -> None:
        stream = EventStream(sqlite_database)
        source = stream.follow(0, Filter(run_id="run_a"))
        write(sqlite_database, 2, run_id="run_b")
        write(sqlite_database, 1, run_id="run_a")
        assert await take(source, 1) == [3]
        write(sqlite_database, 1, run_id="run_b", job_id="run_a")
        write(sqlite_database, 1, run_id="run_a")
        assert await take(source, 1) == [5]
        stream.stop()

    asyncio.run(follow())


def test_stopping_ends_every_follower(sqlite_database: Database) -> None:
    async def follow() -> None:
        stream = EventStream(sqlite_database)
        tasks = [asyncio.create_task(anext(stream.follow(0, Filter()), None)) for _ in range(3)]
        await until_followed(stream, 3)
        stream.stop()
        assert await asyncio.wait_for(asyncio.gather(*tasks), 20) == [None] * 3

    asyncio.run(follow())
