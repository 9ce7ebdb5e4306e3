"""How long a run may take: the job's limit and the service's, counted over attempts."""

from pathlib import Path

import pytest

from domain.database import Database
from domain.run import Claim, Reason
from domain.settings import Settings
from domain.store import runs
from tests.domain.made import start
from worker.supervising.time_limit import TimeLimit


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def claimed(database: Database, *, spent: float = 0.0, **training: float) -> Claim:
    return start(database, training=training).model_copy(update={"spent_seconds": spent})


@pytest.mark.parametrize(
    ("asked", "served", "seconds", "name"),
    [(60, 0, 60, "training.time_limit"), (60, 45, 45, "NORMLAB_TIME_LIMIT"), (45, 60, 45, "training.time_limit")],
)
def test_the_smaller_limit_ends_a_run_and_is_named(
    database: Database, clock: Clock, tmp_path: Path, asked: float, served: float, seconds: float, name: str
) -> None:
    limit = TimeLimit(claimed(database, time_limit=asked), Settings(data_dir=tmp_path, time_limit=served), clock)
    clock.now += seconds - 0.1
    before = limit.is_over
    clock.now += 0.2
    assert (before, limit.is_over) == (False, True)
    ending = limit.ending(7)
    assert (ending.reason, ending.responsible) == (Reason.DEADLINE, "spec")
    assert f"Not done after {seconds} s, the limit of {name}: 7 steps" in (ending.message or "")


def test_a_run_without_a_limit_is_never_late(database: Database, clock: Clock, tmp_path: Path) -> None:
    limit = TimeLimit(claimed(database, spent=1e9), Settings(data_dir=tmp_path), clock)
    clock.now += 1e9
    assert not limit.is_over


def test_earlier_attempts_count(database: Database, clock: Clock, tmp_path: Path) -> None:
    assert TimeLimit(claimed(database, time_limit=60, spent=60), Settings(data_dir=tmp_path), clock).is_over


def test_a_claim_tells_what_the_attempts_before_it_took(database: Database) -> None:
    first = start(database)
    assert first.spent_seconds == 0.0
    assert first.run.worker is not None
    with database.write() as c:
        runs.lose(c, first.run.id, first.token, message="gone")
    with database.write() as c:
        again = runs.claim(c, first.run.worker, queues=["default"])
        tries = runs.attempts(c, first.run.id)
    assert again is not None
    assert tries[0].ended_at is not None
    assert again.spent_seconds == (tries[0].ended_at - tries[0].started_at).total_seconds() > 0
