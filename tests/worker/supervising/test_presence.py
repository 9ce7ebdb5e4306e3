"""The watchdog of a worker over itself: work that waits while it is idle is announced, then the worker is ended."""

import os
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from kombu.exceptions import OperationalError
from sqlalchemy import update

from domain.database import Database
from domain.settings import Settings
from domain.store import workers
from domain.tables import run, worker
from tests.domain.made import make_worker, start, submit_job
from worker.supervising import presence
from worker.supervising.board import Board
from worker.supervising.presence import Presence


class World:
    """The clock, the signals and the messages of a worker that takes nothing, as the test sees and moves them."""

    def __init__(self, database: Database, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.reminders = 0
        self.broker_is_away = False
        self.ended: list[int] = []
        self.board = Board()
        self.board.facts = {"device": "cpu", "device_name": "test"}
        with database.write() as c:
            self.board.worker_id = make_worker(c).id
        self._database = database
        monkeypatch.setattr(os, "register_at_fork", lambda **_: None)
        self._presence = Presence(Settings(data_dir=directory), self.board, self._remind)
        monkeypatch.setattr(presence.time, "monotonic", lambda: self.now)  # type: ignore[attr-defined]
        monkeypatch.setattr(presence.time, "sleep", lambda _: None)  # type: ignore[attr-defined]
        monkeypatch.setattr(os, "kill", lambda _, number: self.ended.append(number))
        monkeypatch.setattr(os, "_exit", self.ended.append)

    def _remind(self) -> None:
        if self.broker_is_away:
            raise OperationalError("away")
        self.reminders += 1

    def register(self) -> None:
        self._presence._register(self._database)

    def look(self, *, after: float = 0.0) -> None:
        self.now += after
        self._presence._watch(self._database)


@pytest.fixture
def world(sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(sqlite_database, tmp_path, monkeypatch)


def queue_a_run(database: Database) -> None:
    with database.write() as c:
        submit_job(c)


def test_a_worker_that_takes_no_work_reminds_itself_and_is_then_ended(world: World, sqlite_database: Database) -> None:
    queue_a_run(sqlite_database)
    world.look()
    world.look(after=4)
    assert world.reminders == 0
    world.look(after=2)
    world.look(after=2)
    assert (world.reminders, world.ended) == (1, [])
    world.look(after=8)
    assert world.ended == [signal.SIGTERM, presence.STUCK]


def test_a_worker_with_nothing_to_do_is_left_alone(world: World, sqlite_database: Database) -> None:
    start(sqlite_database)
    for _ in range(5):
        world.look(after=60)
    assert (world.reminders, world.ended) == (0, [])


@pytest.mark.parametrize("reason", ["busy", "draining"])
def test_a_worker_that_is_busy_or_draining_is_left_alone(world: World, sqlite_database: Database, reason: str) -> None:
    queue_a_run(sqlite_database)
    setattr(world.board, reason, True)
    for _ in range(5):
        world.board.beat()
        world.look(after=60)
    assert (world.reminders, world.ended) == (0, [])


def test_a_worker_whose_pool_process_is_frozen_is_ended(world: World) -> None:
    world.board.busy = True
    world.board.beat()
    world.look(after=119)
    assert world.ended == []
    world.look(after=2)
    assert world.ended == [signal.SIGTERM, presence.STUCK]


def test_a_run_whose_wait_is_over_is_work_like_any_other(world: World, sqlite_database: Database) -> None:
    """It was put back after a failure, and the message that announced it got lost."""
    queue_a_run(sqlite_database)
    for wait, reminders in ((3600, 0), (-1, 1)):
        with sqlite_database.write() as c:
            c.execute(update(run).values(not_before=datetime.now(UTC) + timedelta(seconds=wait)))
        world.look()
        world.look(after=6)
        assert world.reminders == reminders


def test_a_worker_whose_work_begins_is_given_its_whole_time_again(world: World, sqlite_database: Database) -> None:
    queue_a_run(sqlite_database)
    world.look()
    world.look(after=10)
    world.board.busy = True
    world.board.beat()
    world.look(after=1)
    world.board.busy = False
    world.look(after=60)
    world.look(after=3)
    assert (world.reminders, world.ended) == (1, [])


def test_a_worker_is_taken_for_dead_only_when_its_process_is_gone_whatever_the_clocks_say(
    world: World, sqlite_database: Database
) -> None:
    """The database's clock may be years behind this host's."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", presence.PROGRAM])
    with sqlite_database.write() as c:
        known = make_worker(c, "other", host=socket.gethostname(), pid=other.pid).id
        c.execute(update(worker).values(started_at=datetime(2020, 1, 1, tzinfo=UTC)))
    world.register()
    with sqlite_database.read() as c:
        assert workers.get(c, known).status == "idle"
    other.kill()
    other.wait()
    world.register()
    with sqlite_database.read() as c:
        assert workers.get(c, known).status == "lost"


def test_a_broker_that_is_away_is_not_the_workers_fault(world: World, sqlite_database: Database) -> None:
    queue_a_run(sqlite_database)
    world.broker_is_away = True
    for _ in range(20):
        world.look(after=10)
    assert world.ended == []


def test_a_process_one_may_not_look_at_is_not_taken_for_dead(
    world: World, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(process: psutil.Process) -> list[str]:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "cmdline", refuse)
    with sqlite_database.write() as c:
        known = make_worker(c, "other", host=socket.gethostname(), pid=os.getppid()).id
    world.register()
    with sqlite_database.read() as c:
        assert workers.get(c, known).status == "idle"
