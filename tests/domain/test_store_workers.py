"""Workers and the reaper: registration, heartbeats, draining, ends, and silence by a clock of its own."""

import pytest

from domain.database import Database
from domain.errors import NotFound, StaleToken
from domain.event import EventKind
from domain.report import Ending, Report
from domain.run import Outcome, RunStatus
from domain.store import events, runs, workers
from domain.store.reaper import Reaper
from tests.domain.made import claim, make_worker, start, submit_job

LEASE = 30.0


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reaper(clock: Clock) -> Reaper:
    return Reaper(lease=LEASE, clock=clock)


def test_a_worker_is_idle_busy_draining_and_stopped(database: Database) -> None:
    with database.write() as c:
        submit_job(c)
        worker = make_worker(c, measures={"memory": 5})
        assert (worker.status, worker.measures) == ("idle", {"memory": 5})
        claimed = claim(c, worker)
        assert workers.get(c, worker.id).status == "busy"
        assert workers.drain(c, worker.id).status == "draining"
        assert workers.beat(c, worker.id, measures={"memory": 6}).draining
        runs.release(c, claimed.run.id, claimed.token)
        assert workers.get(c, worker.id).run_id is None
        workers.stop(c, worker.id)
        workers.stop(c, worker.id)
        assert (workers.get(c, worker.id).status, workers.alive(c)) == ("stopped", [])
    with database.read() as c:
        told = [event.kind for event in events.after(c, 0, kinds=[EventKind.WORKER_STOPPED, EventKind.WORKER_LOST])]
        assert told == ["worker_stopped"]
        with pytest.raises(NotFound):
            workers.get(c, "wrk_x")


def test_a_worker_that_is_gone_loses_its_run_at_once(database: Database) -> None:
    claimed = start(database)
    with database.write() as c:
        workers.lose(c, claimed.run.worker or "", message="process 1 is dead")
    with database.read() as c:
        run = runs.get(c, claimed.run.id)
        assert (run.status, run.reason) == (RunStatus.QUEUED, "lost_worker")
        assert runs.attempts(c, run.id)[0].ending == "lost"
        assert workers.page(c).data[0].status == "lost"


def test_a_worker_that_was_taken_for_lost_is_back_with_its_next_heartbeat(database: Database) -> None:
    with database.write() as c:
        worker = make_worker(c)
        workers.lose(c, worker.id)
        assert workers.beat(c, worker.id).status == "idle"
    with database.read() as c:
        assert [event.message for event in events.after(c, 0)][-1] == "w1 is back"
        assert workers.alive(c, host="here")[0].stopped_at is None


def test_a_run_without_heartbeat_for_a_lease_is_taken_and_can_be_claimed_again(
    database: Database, reaper: Reaper, clock: Clock
) -> None:
    claimed = start(database)
    assert reaper.look(database) == []
    clock.time += LEASE - 1
    assert reaper.look(database) == []
    clock.time += 1
    assert reaper.look(database) == [claimed.run.id]
    with database.write() as c:
        assert claim(c, make_worker(c, "w2")).token == claimed.token + 1
        with pytest.raises(StaleToken):
            runs.report(c, claimed.run.id, claimed.token, Report(number=1))


def test_a_run_with_a_heartbeat_now_and_then_is_left_alone(database: Database, reaper: Reaper, clock: Clock) -> None:
    claimed = start(database)
    for number in range(1, 5):
        reaper.look(database)
        clock.time += LEASE - 1
        with database.write() as c:
            runs.report(c, claimed.run.id, claimed.token, Report(number=number))
            workers.beat(c, claimed.run.worker or "")
    assert reaper.look(database) == []


def test_a_reaper_that_slept_takes_nothing_it_has_not_watched(database: Database, reaper: Reaper, clock: Clock) -> None:
    """Neither a jump of the wall clock nor a new reaper expires anything by itself."""
    start(database)
    with database.write() as c:
        c.exec_driver_sql("UPDATE run SET lease_until = 0, last_heartbeat_at = 0")
    assert reaper.look(database) == []
    clock.time += LEASE * 10
    fresh = Reaper(lease=LEASE, clock=clock)
    assert fresh.look(database) == []


def test_a_heartbeat_between_the_look_and_the_taking_saves_the_run(database: Database, clock: Clock) -> None:
    claimed = start(database)

    class LateBeat(Reaper):
        def _take(self, database: Database, run_id: str, token: int) -> bool:
            with database.write() as c:
                runs.report(c, run_id, token, Report(number=1))
            return super()._take(database, run_id, token)

    reaper = LateBeat(lease=LEASE, clock=clock)
    reaper.look(database)
    clock.time += LEASE
    assert reaper.look(database) == []
    with database.read() as c:
        assert runs.get(c, claimed.run.id).status is RunStatus.RUNNING


def test_a_run_that_ends_while_the_reaper_looks_stays_ended(database: Database, clock: Clock) -> None:
    claimed = start(database)

    class LateEnd(Reaper):
        def _take(self, database: Database, run_id: str, token: int) -> bool:
            with database.write() as c:
                runs.finish(c, run_id, token, Ending.succeeded(Outcome.COMPLETED))
            return super()._take(database, run_id, token)

    reaper = LateEnd(lease=LEASE, clock=clock)
    reaper.look(database)
    clock.time += LEASE
    assert reaper.look(database) == []
    with database.read() as c:
        assert runs.get(c, claimed.run.id).status is RunStatus.SUCCEEDED


def test_a_silent_worker_is_marked_lost_with_its_run(database: Database, reaper: Reaper, clock: Clock) -> None:
    claimed = start(database)
    with database.write() as c:
        idle = make_worker(c, "w2")
    reaper.look(database)
    clock.time += LEASE
    with database.write() as c:
        workers.beat(c, idle.id)
    reaper.look(database)
    with database.read() as c:
        assert {worker.name: worker.status for worker in workers.page(c).data} == {"w1": "lost", "w2": "idle"}
        assert runs.get(c, claimed.run.id).status is RunStatus.QUEUED
