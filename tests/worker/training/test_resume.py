"""A run killed anywhere ends with the bytes of one that was never killed: weights and metrics."""

import json
import math
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from domain.job import JobSpec
from domain.settings import Settings
from tests.worker.plant import ROOT
from tests.worker.specs import spec_of
from worker.protocol import checkpoint
from worker.protocol.assignment import Assignment

STEPS = 60
MEASURED = {"step_time", "samples_per_second", "peak_memory"}


class Forks:
    """The process that carries out attempts in forks of itself."""

    def __init__(self, directory: Path) -> None:
        environment = {
            **os.environ,
            **Settings(data_dir=directory, device="cpu").environment(),
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.worker.training.forks"],
            cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def carry_out(self, assignment: Assignment, *, die_at_step: int = 0, die_at_sync: int = 0) -> int:
        """The exit status of one attempt."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"assignment": asdict(assignment), "die_at_step": die_at_step, "die_at_sync": die_at_sync}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@dataclass
class Story:
    """What the store would hold of a run: its checkpoints, its points, its final weights."""

    directory: Path
    spec: JobSpec
    seed: int = 0
    token: int = 0
    checkpoints: list[dict[str, Any]] = field(default_factory=list)
    points: dict[tuple[str, int], float] = field(default_factory=dict)
    weights: dict[str, Any] | None = None
    phases: list[str] = field(default_factory=list)

    def next_attempt(self) -> Assignment:
        """What the next claim would hand out: metrics after the newest checkpoint are cut off."""
        self.token += 1
        saved = self.checkpoints[-1] if self.checkpoints else None
        if saved is not None:
            checkpoint.verify(Path(saved["path"]), saved["digest"])
        start = saved["step"] if saved else 0
        self.points = {key: value for key, value in self.points.items() if key[1] <= start}
        resume = saved["path"] if saved else None
        spec = self.spec.resolved()
        return Assignment("run_x", self.token, self.seed, spec, str(self.directory), resume, math.inf)

    def read(self, assignment: Assignment) -> None:
        """Take in what the attempt spooled."""
        for line in (assignment.attempt_directory / "spool").read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                self._take(json.loads(line))

    def _take(self, message: dict[str, Any]) -> None:
        if message["kind"] == "points":
            self.points |= {(series, step): value for series, step, value in message["points"]}
        elif message["kind"] == "phase":
            self.phases.append(message["phase"])
        elif message["kind"] == "checkpoint":
            self.checkpoints.append(message)
        elif message["kind"] == "weights":
            self.weights = message

    @property
    def exact_points(self) -> dict[tuple[str, int], float]:
        return {key: value for key, value in self.points.items() if key[0] not in MEASURED}

    @property
    def measured_places(self) -> set[tuple[str, int]]:
        return {key for key in self.points if key[0] in MEASURED}


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    started = Forks(tmp_path_factory.mktemp("data"))
    yield started
    started.close()


def spec() -> JobSpec:
    """Saves every 7 steps, which is no divisor of anything else in it."""
    schedule = {"kind": "warmup_cosine", "warmup": 5}
    return spec_of(
        budget={"steps": STEPS}, evaluate_every={"steps": 9}, checkpoint_every={"steps": 7}, schedule=schedule,
        early_stopping={"metric": "validation_loss", "patience": 50}, clip_norm=1.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The reference: never killed."""
    story = Story(tmp_path_factory.mktemp("reference"), spec())
    assignment = story.next_attempt()
    assert forks.carry_out(assignment) == 0
    story.read(assignment)
    return story


def finish(forks: Forks, story: Story) -> None:
    assignment = story.next_attempt()
    assert forks.carry_out(assignment) == 0
    story.read(assignment)


def assert_same(story: Story, reference: Story) -> None:
    assert story.exact_points == reference.exact_points
    assert story.measured_places == reference.measured_places
    assert story.weights is not None
    assert reference.weights is not None
    # The manifest holds the SHA-256 of the weights and nothing else, so equal digests are equal bytes.
    assert story.weights["digest"] == reference.weights["digest"]


def test_killed_at_seeded_random_steps_it_ends_with_the_same_bytes(
    forks: Forks, undisturbed: Story, tmp_path: Path
) -> None:
    dice = random.Random(20160721)
    story = Story(tmp_path, spec())
    reached = 0
    for _ in range(12):
        assignment = story.next_attempt()
        start = story.checkpoints[-1]["step"] if story.checkpoints else 0
        wanted = dice.randint(start + 1, min(STEPS, start + 15))
        assert forks.carry_out(assignment, die_at_step=wanted) == -signal.SIGKILL
        story.read(assignment)
        reached = max(reached, wanted)
    assert reached > STEPS / 2
    finish(forks, story)
    assert_same(story, undisturbed)


@pytest.mark.parametrize("at", range(1, 9))
def test_killed_at_any_point_of_saving_it_ends_with_the_same_bytes(
    forks: Forks, undisturbed: Story, tmp_path: Path, at: int
) -> None:
    """Three tensor files, the state, the manifest, the directory, the rename and the parent: eight points."""
    story = Story(tmp_path, spec())
    assignment = story.next_attempt()
    assert forks.carry_out(assignment, die_at_sync=8 + at) == -signal.SIGKILL
    story.read(assignment)
    # The first checkpoint is there, whole; the one that was being written is not believed in.
    assert [saved["step"] for saved in story.checkpoints] == [7]
    finish(forks, story)
    assert_same(story, undisturbed)


def test_killed_while_the_final_weights_are_written_it_ends_with_the_same_bytes(
    forks: Forks, undisturbed: Story, tmp_path: Path
) -> None:
    story = Story(tmp_path, spec())
    assignment = story.next_attempt()
    assert forks.carry_out(assignment, die_at_sync=8 * (STEPS // 7) + 2) == -signal.SIGKILL
    story.read(assignment)
    assert story.weights is None
    finish(forks, story)
    assert_same(story, undisturbed)


def test_every_attempt_says_how_it_begins_and_that_the_end_is_saved(
    forks: Forks, undisturbed: Story, tmp_path: Path
) -> None:
    assert undisturbed.phases[:3] == ["starting", "warming_up", "training"]
    assert undisturbed.phases[-1] == "saving"
    assert {"evaluating", "saving"} < set(undisturbed.phases[3:-1])
    story = Story(tmp_path, spec())
    assignment = story.next_attempt()
    assert forks.carry_out(assignment, die_at_step=10) == -signal.SIGKILL
    story.read(assignment)
    before = len(story.phases)
    finish(forks, story)
    assert story.phases[before : before + 3] == ["recovering", "warming_up", "training"]


def test_a_damaged_checkpoint_is_noticed_whatever_byte_is_changed(undisturbed: Story) -> None:
    saved = undisturbed.checkpoints[-1]
    path = Path(saved["path"])
    dice = random.Random(1)
    for file in sorted(path.iterdir()):
        original = file.read_bytes()
        place = dice.randrange(len(original))
        file.write_bytes(original[:place] + bytes([original[place] ^ 1]) + original[place + 1 :])
        with pytest.raises(checkpoint.BadCheckpointError):
            checkpoint.verify(path, saved["digest"])
        file.write_bytes(original[:-1])
        with pytest.raises(checkpoint.BadCheckpointError):
            checkpoint.verify(path, saved["digest"])
        file.write_bytes(original)
    checkpoint.verify(path, saved["digest"])


def test_a_checkpoint_that_is_gone_is_bad(tmp_path: Path) -> None:
    with pytest.raises(checkpoint.BadCheckpointError, match="no such file"):
        checkpoint.verify(tmp_path / "7.1", "0" * 64)
