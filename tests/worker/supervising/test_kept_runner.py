"""A real runner and what becomes of it: fenced, stopped by its machine, out of disk."""

import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.settings import Settings
from tests.worker.plant import wait_until
from tests.worker.specs import spec_of
from worker.protocol.assignment import Assignment
from worker.protocol.exits import FENCED, STORAGE
from worker.protocol.spool import PULSE, SPOOL, Beat, read_pulse, uptime
from worker.supervising.kept_runner import KeptRunner

LEFT = 2.0
"""Seconds until the run is no longer the runner's."""
BEFORE_ANOTHER = Settings().lease - Settings().self_fence
"""Seconds from then on until another may train it."""


class Training:
    """A runner with a run that goes on until something happens."""

    def __init__(self, directory: Path) -> None:
        self.runner = KeptRunner(Settings(data_dir=directory, device="cpu", threads=1))
        assert self.runner.wait_until_ready(60)
        self.directory = directory / "runs" / "run_1"

    def begin(self, fence_at: float) -> None:
        spec = spec_of(budget={"steps": 10_000_000}, checkpoint_every={"steps": 1_000_000})
        assignment = Assignment("run_1", 1, 0, spec.resolved(), str(self.directory), None, fence_at)
        self.attempt = assignment.attempt_directory
        self.runner.begin(assignment)

    def beat(self) -> Beat:
        beat = read_pulse(self.attempt / PULSE)
        assert beat is not None
        return beat

    def trains(self) -> bool:
        return (self.attempt / PULSE).exists() and self.beat().step > 10

    def wait_for_the_end(self) -> int | None:
        wait_until(lambda: self.runner.exit_status is not None, "the end of the runner", 20)
        return self.runner.exit_status


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Training]:
    made = Training(tmp_path)
    yield made
    made.runner.kill()


def test_a_runner_that_hears_of_no_heartbeat_stops_by_itself_in_time(training: Training) -> None:
    """Its supervisor lives and says nothing: the database doesn't take its reports."""
    fence_at = uptime() + LEFT
    training.begin(fence_at)
    wait_until(training.trains, "some steps")
    assert training.wait_for_the_end() == FENCED
    assert uptime() < fence_at + BEFORE_ANOTHER
    assert training.beat().last <= fence_at


def test_a_runner_that_was_frozen_beyond_its_time_makes_no_step_and_writes_nothing_when_it_wakes(
    training: Training,
) -> None:
    """A stopped process, or a machine that slept: the clock of the fence has gone on."""
    fence_at = uptime() + LEFT
    training.begin(fence_at)
    wait_until(training.trains, "some steps")
    os.kill(training.runner.pid, signal.SIGSTOP)
    before, spool = training.beat(), (training.attempt / SPOOL).read_bytes()
    wait_until(lambda: uptime() > fence_at + 0.1, "the fence")
    os.kill(training.runner.pid, signal.SIGCONT)
    assert training.wait_for_the_end() == FENCED
    # A step may have been under way; it is not told.
    assert training.beat() == before
    assert (training.attempt / SPOOL).read_bytes() == spool


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
def test_a_runner_whose_spool_cannot_be_written_says_so_by_its_exit_status(training: Training) -> None:
    """And what it wrote before can be read: no line is left half."""
    resource.prlimit(training.runner.pid, resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
    training.begin(uptime() + 60)
    assert training.wait_for_the_end() == STORAGE
    spooled = (training.attempt / SPOOL).read_bytes()
    assert 0 < len(spooled) <= 2000
    assert spooled.endswith(b"\n")
