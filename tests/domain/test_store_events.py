"""Events and the outbox: numbers without gaps in the order of commits, filters, messages that come back."""

import threading

import pytest
from sqlalchemy import Connection, update

from domain.database import Database
from domain.event import EventKind, Level
from domain.store import events, outbox, runs
from domain.tables import run
from tests.domain.made import start, submit_job
from tests.waiting import wait_until


def note(database: Database, message: str) -> None:
    with database.write() as c:
        events.append(c, EventKind.WARNING, message)


def note_and_fail(c: Connection) -> None:
    events.append(c, EventKind.WARNING, "never")
    events.flush(c)
    raise ZeroDivisionError


def test_numbers_rise_by_one_and_a_rolled_back_event_leaves_no_gap(database: Database) -> None:
    note(database, "one")
    with pytest.raises(ZeroDivisionError), database.write() as c:
        note_and_fail(c)
    note(database, "two")
    with database.read() as c:
        assert [(event.seq, event.message) for event in events.after(c, 0)] == [(1, "one"), (2, "two")]
        assert events.last_seq(c) == 2


def test_an_event_never_appears_after_one_with_a_higher_number(database: Database) -> None:
    """Four writers commit at their own pace while a reader follows by `seq > last`; it sees every number once."""
    writers = [threading.Thread(target=write_many, args=(database, name)) for name in range(4)]
    for writer in writers:
        writer.start()
    seen: list[int] = []

    def follow() -> bool:
        with database.read() as c:
            seen.extend(event.seq for event in events.after(c, seen[-1] if seen else 0, limit=7))
        return len(seen) == 160

    wait_until(follow, seconds=60, every=0)
    for writer in writers:
        writer.join()
    assert seen == list(range(1, 161))


def write_many(database: Database, name: int) -> None:
    for number in range(20):
        with database.write() as c:
            events.append(c, EventKind.WARNING, f"{name}.{number}")
            events.append(c, EventKind.WARNING, f"{name}.{number} again")


def test_events_are_filtered_by_what_they_are_about(database: Database) -> None:
    claimed = start(database)
    note(database, "about nothing")
    with database.read() as c:
        of_run = events.after(c, 0, run_id=claimed.run.id)
        assert {event.kind for event in of_run} == {"run_queued", "run_started"}
        assert len(events.after(c, 0, job_id=claimed.run.job_id)) == 3
        assert [event.message for event in events.after(c, 0, kinds=[EventKind.WARNING])] == ["about nothing"]
        assert [event.seq for event in events.latest(c, limit=2)] == [5, 4]
        assert events.latest(c, level=Level.ERROR) == []
        assert events.latest(c, run_id=claimed.run.id, limit=1)[0].kind is EventKind.RUN_STARTED


def test_text_that_a_database_cannot_hold_is_kept_as_far_as_it_can_be(database: Database) -> None:
    with database.write() as c:
        events.append(
            c, EventKind.WARNING, "nul \x00, half \ud800, ok é", data={"value": float("nan"), "in": [float("-inf")]}
        )
    with database.read() as c:
        event = events.after(c, 0)[0]
    assert event.message == "nul \N{REPLACEMENT CHARACTER}, half ?, ok é"
    assert event.data == {"value": "NaN", "in": ["-Infinity"]}


def test_messages_wait_until_published_and_until_their_time(database: Database) -> None:
    with database.write() as c:
        submit_job(c, seeds=[0, 1], queue="gpu")
        first, second = outbox.due(c)
        assert (first.queue, second.queue) == ("gpu", "gpu")
        outbox.published(c, [first])
        assert outbox.due(c) == [second]
        c.exec_driver_sql("UPDATE outbox SET due_at = due_at + 3600000000")
        assert outbox.due(c) == []


def test_a_run_that_nobody_claims_is_announced_again_and_not_at_every_look(database: Database) -> None:
    with database.write() as c:
        job = submit_job(c, seeds=[0, 1])
        outbox.published(c, outbox.due(c))
        assert outbox.announce_unclaimed(c, after=30) == 0
        ids = [each.id for each in runs.of_jobs(c, [job.id])]
        c.exec_driver_sql("UPDATE run SET woken_at = woken_at - 31000000")
        c.execute(update(run).where(run.c.id == ids[1]).values(status="paused"))
        assert outbox.announce_unclaimed(c, after=30) == 1
        assert [wakeup.run_id for wakeup in outbox.due(c)] == [ids[0]]
        assert outbox.announce_unclaimed(c, after=30) == 0
