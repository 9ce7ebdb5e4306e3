"""What the supervisor ships of a spool, and what it tells the runner: a database away delays, and loses nothing."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from domain.database import Database
from domain.errors import StaleToken
from domain.run import RunStatus
from domain.settings import Settings
from domain.store import metrics, runs
from tests.domain.made import claim, make_worker, start
from worker.protocol.assignment import Assignment
from worker.protocol.spool import LOG, SPOOL, SpoolWriter
from worker.supervising.supervision import Supervision


class StillRunner:
    """A runner that does nothing, and remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.assignment: Assignment | None = None
        self.is_clean = True
        self.exit_status: int | None = None

    def begin(self, assignment: Assignment) -> None:
        self.assignment = assignment

    def order(self, order: str, **parts: Any) -> None:
        self.told.append({"order": order, **parts})


class Attempt:
    """An attempt whose spool the test writes."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.runner = StillRunner()
        self.claim = start(database)
        settings = Settings(data_dir=directory)
        self.supervision = Supervision(database, settings, self.claim, self.runner, lambda: False)  # type: ignore[arg-type]
        self.supervision._begin()
        assert self.runner.assignment is not None
        self.assignment = self.runner.assignment
        self.checkpoints = self.assignment.checkpoints
        self.spool = SpoolWriter(self.assignment.attempt_directory / SPOOL)
        self.spool.write({"kind": "plan", "total_steps": 100, "per_epoch": 10, "batch_size": 4})

    def train(self, step: int) -> None:
        self.spool.write({"kind": "points", "points": [["train_loss", step, 1 / step]], "at": 1.0, "seconds": 1.0})
        self.supervision._read()
        self.supervision._ship()


@pytest.fixture
def attempt(sqlite_database: Database, tmp_path: Path) -> Attempt:
    return Attempt(sqlite_database, tmp_path)


@contextmanager
def away(database: Database, monkeypatch: pytest.MonkeyPatch, *, after_commit: bool = False) -> Iterator[None]:
    """A database that refuses, or whose connection breaks just after the commit."""
    write = database.write

    @contextmanager
    def broken() -> Iterator[Connection]:
        if after_commit:
            with write() as c:
                yield c
        raise OperationalError("", {}, Exception("gone"))

    with monkeypatch.context() as patched:
        patched.setattr(database, "write", broken)
        yield


def steps(database: Database, attempt: Attempt) -> list[int]:
    with database.read() as c:
        return [row["step"] for row in metrics.rows(c, [attempt.claim.run.id])]


def test_the_runner_is_told_how_much_of_its_spool_is_in_the_store(attempt: Attempt) -> None:
    attempt.train(1)
    assert attempt.runner.told[-1]["shipped"] == attempt.spool.written
    attempt.train(2)
    assert attempt.runner.told[-1]["shipped"] == attempt.spool.written


def test_what_a_database_that_is_away_does_not_take_is_shipped_later_in_order(
    attempt: Attempt, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt.train(1)
    with away(sqlite_database, monkeypatch):
        attempt.train(2)
        attempt.train(3)
    # Nothing is told, so that the runner fences itself if this lasts, and knows what waits.
    assert len(attempt.runner.told) == 1
    attempt.train(4)
    assert steps(sqlite_database, attempt) == [1, 2, 3, 4]
    assert attempt.runner.told[-1]["shipped"] == attempt.spool.written


def test_a_report_whose_commit_is_unknown_is_sent_again_and_nothing_is_doubled(
    attempt: Attempt, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with away(sqlite_database, monkeypatch, after_commit=True):
        attempt.train(1)
    with sqlite_database.read() as c:
        once = metrics.summaries(c, [attempt.claim.run.id])
        rows = list(metrics.rows(c, [attempt.claim.run.id]))
    attempt.supervision._ship()
    with sqlite_database.read() as c:
        assert metrics.summaries(c, [attempt.claim.run.id]) == once
        assert list(metrics.rows(c, [attempt.claim.run.id])) == rows
    assert [row["step"] for row in rows] == [1]


def test_weights_of_a_runner_that_died_before_its_last_word_are_nothing_to_go_on_from(
    attempt: Attempt, sqlite_database: Database
) -> None:
    weights = {"step": 100, "path": str(attempt.checkpoints / "final.1"), "size_bytes": 1, "digest": "0" * 64}
    attempt.spool.write({"kind": "weights", **weights, "metrics": {}, "best": False})
    attempt.runner.exit_status = -signal.SIGKILL
    attempt.supervision._read()
    attempt.supervision._finish()
    with sqlite_database.read() as c:
        ended = runs.get(c, attempt.claim.run.id)
        assert runs.checkpoints(c, ended.id) == []
    assert (ended.status, ended.reason) == (RunStatus.QUEUED, "signal_9")


def test_an_attempt_that_was_taken_away_leaves_the_files_of_the_next_one_alone(
    attempt: Attempt, sqlite_database: Database
) -> None:
    """Its supervisor was frozen beyond the lease, say, and shares the directory with the one that trains now."""
    mine, theirs = attempt.assignment, replace(attempt.assignment, token=2)
    with sqlite_database.write() as c:
        runs.lose(c, attempt.claim.run.id, attempt.claim.token, message="silent")
        assert claim(c, make_worker(c, "w2")).token == theirs.token
    theirs.attempt_directory.mkdir()
    for one in (mine, theirs):
        for file in (SPOOL, LOG):
            (one.attempt_directory / file).touch()
        for name in (f"7.{one.token}", f"9.{one.token}.tmp-abcd"):
            (attempt.checkpoints / name).mkdir(parents=True)
    with pytest.raises(StaleToken):
        attempt.train(1)
    attempt.supervision._tidy()
    assert sorted(path.name for path in attempt.checkpoints.iterdir()) == ["7.2", "9.2.tmp-abcd"]
    assert list(mine.attempt_directory.iterdir()) == []
    assert {path.name for path in theirs.attempt_directory.iterdir()} == {SPOOL, LOG}
