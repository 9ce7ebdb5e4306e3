"""What a runner reports, in the order in which it is read."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.worker.specs import spec_of
from worker.protocol.assignment import Assignment
from worker.protocol.spool import SPOOL, uptime
from worker.training.desk import RunnerDesk, Standing, StorageError
from worker.training.learner import make_learner


@pytest.fixture
def assignment(tmp_path: Path) -> Assignment:
    return Assignment("run_1", 1, 0, {}, str(tmp_path), None, uptime() + 60)


def told(assignment: Assignment) -> list[dict[str, Any]]:
    spool = assignment.attempt_directory / SPOOL
    return [json.loads(line) for line in spool.read_bytes().splitlines()]


def test_the_run_trains_again_when_its_checkpoint_is_told(assignment: Assignment) -> None:
    """The supervisor reports a checkpoint at once, with the phase told last."""
    spec = spec_of()
    seen: list[str] = []
    desk = RunnerDesk(
        assignment, spec.training, Standing(uptime() + 60), lambda: seen.append(told(assignment)[-1]["kind"])
    )
    desk.save(make_learner(spec, (1, 8, 8), 10, torch.device("cpu")), {}, {}, best=False)
    messages = told(assignment)
    assert [message["kind"] for message in messages] == ["phase", "phase", "checkpoint"]
    assert [message["phase"] for message in messages[:2]] == ["saving", "training"]
    assert seen == ["checkpoint"]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A disk that takes no more of any file than so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_costs_a_checkpoint_the_first_time_and_the_attempt_the_second(assignment: Assignment) -> None:
    spec = spec_of()
    desk = RunnerDesk(assignment, spec.training, Standing(uptime() + 60), lambda: None)
    learner = make_learner(spec, (1, 8, 8), 10, torch.device("cpu"))
    with files_of_at_most(4096):
        desk.save(learner, {}, {}, best=False)
        with pytest.raises(StorageError):
            desk.save(learner, {}, {}, best=False)
    notes = [message["message"] for message in told(assignment) if message["kind"] == "note"]
    assert notes == ["The checkpoint of step 0 could not be written: File too large; going on without"]
    assert list(assignment.checkpoints.iterdir()) == []
