"""What a runner reports, in the order in which it is read."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.worker.specs import spec_of
from worker.protocol.assignment import Assignment
from worker.protocol.spool import SPOOL, uptime
from worker.training.desk import RunnerDesk, Standing
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
