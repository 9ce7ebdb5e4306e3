"""The runner's desk: what the trainer reports goes into the spool and the pulse, and orders come in here."""

import errno
import math
import time
from collections.abc import Iterable
from typing import Any

from domain.event import EventKind, Level
from domain.metric import MEASURED
from domain.run import Orders, Phase
from domain.training import TrainingSpec
from worker.protocol import checkpoint
from worker.protocol.assignment import Assignment
from worker.protocol.spool import PULSE, SPOOL, Pulse, SpoolWriter, uptime
from worker.training import state
from worker.training.learner import Learner
from worker.training.ledger import Row
from worker.training.thinning import thin

MEASURED_OR_TRAINED = ("train_", *MEASURED)
"""Series with a value every few steps: curves say more of them than lines would."""
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def log(sentence: str) -> None:
    """Write a line into the run's log: during an attempt that is where standard output goes."""
    print(sentence, flush=True)  # noqa: T201 - a runner's output is its log


def _log_results(points: list[Row]) -> None:
    results = [point for point in points if not point[0].startswith(MEASURED_OR_TRAINED)]
    if results:
        log(f"step {results[0][1]}: " + ", ".join(f"{series} {value:.6g}" for series, _, value in results))


class FencedError(BaseException):
    """No heartbeat got through for too long: somebody else may have the run. Nothing may be written any more."""


class StorageError(Exception):
    """Two checkpoints in a row could not be written."""

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"Two checkpoints in a row could not be written: {error.strerror or error}. Make room on the disk."
        )


class Standing:
    """What the supervising process last told: until when the run is ours, whether to stop. Threads share it."""

    def __init__(self, fence_at: float) -> None:
        self.fence_at = fence_at
        self.orders = Orders.GO
        self.shipped = 0
        """Bytes of the spool that are in the store."""

    @property
    def is_fenced(self) -> bool:
        return uptime() > self.fence_at

    def check(self, now: float) -> None:
        """Raise FencedError when the run is no longer ours."""
        if now > self.fence_at:
            raise FencedError


class RunnerDesk:
    """The trainer's Desk inside a runner."""

    def __init__(self, assignment: Assignment, training: TrainingSpec, standing: Standing, nudge: Any) -> None:
        directory = assignment.attempt_directory
        directory.mkdir(parents=True, exist_ok=True)
        self._assignment = assignment
        self._standing = standing
        self._nudge = nudge
        self._pulse = Pulse(directory / PULSE)
        self._spool = SpoolWriter(directory / SPOOL)
        self._every = training.checkpoint_every
        self._saved_step = 0
        self._saved_at = time.monotonic()
        self._failed_saves = 0
        self._seconds = 0.0
        self._is_thinning = False

    # What the trainer says.

    def record(self, rows: Iterable[Row]) -> None:
        points, left_out = thin(list(rows), self._spool.written - self._standing.shipped)
        if left_out and not self._is_thinning:
            self.warn(
                f"Reports do not keep up: from step {points[-1][1]} on the losses of some steps are not recorded; "
                "the metric dropped counts them"
            )
        self._is_thinning = left_out > 0
        _log_results(points)
        self._tell({"kind": "points", "points": points, "at": time.time(), "seconds": self._seconds})

    def phase(self, phase: Phase) -> None:
        self._tell({"kind": "phase", "phase": phase})

    def pulse(self, step: int) -> None:
        now = uptime()
        self._standing.check(now)
        self._pulse.step(step, now)

    def expect(self, progress: float, seconds: float, seconds_left: float | None) -> None:
        self._seconds = seconds
        self._pulse.expect(progress, seconds, seconds_left)

    def orders(self) -> Orders:
        return self._standing.orders

    def save_is_due(self, step: int) -> bool:
        if self._every.steps is not None:
            return step - self._saved_step >= self._every.steps
        return time.monotonic() - self._saved_at >= (self._every.seconds or math.inf)

    def save(self, learner: Learner, progress: dict[str, Any], results: dict[str, float], *, best: bool) -> None:
        """Save a checkpoint; a full disk is a warning the first time and StorageError the second time in a row."""
        self._saved_step, self._saved_at = learner.step, time.monotonic()
        self.phase(Phase.SAVING)
        saved = self._write(learner, progress)
        # Before the checkpoint is told, which is reported at once: only a save that lasts is seen as the run's phase.
        self.phase(Phase.TRAINING)
        if saved is not None:
            self._say(_describe("checkpoint", saved, learner.step, results, best=best))

    def _write(self, learner: Learner, progress: dict[str, Any]) -> checkpoint.Saved | None:
        path = self._assignment.checkpoints / f"{learner.step}.{self._assignment.token}"
        try:
            saved = checkpoint.write(path, lambda directory: state.save(learner, progress, directory))
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            self._failed_saves += 1
            if self._failed_saves > 1:
                raise StorageError(error) from error
            self.warn(f"The checkpoint of step {learner.step} could not be written: {error.strerror}; going on without")
            return None
        self._failed_saves = 0
        log(f"step {learner.step}: checkpoint {path.name} written")
        return saved

    # What the runner says beside.

    def plan(self, *, total_steps: int | None, per_epoch: int, batch_size: int) -> None:
        self._say({"kind": "plan", "total_steps": total_steps, "per_epoch": per_epoch, "batch_size": batch_size})

    def resumed(self, step: int, seconds: float, *, exact: bool) -> None:
        self._saved_step = step
        self._seconds = seconds
        self._pulse.step(step, uptime())
        self._say({"kind": "resumed", "step": step, "exact": exact})

    def dataset(self, sentence: str) -> None:
        self._note(EventKind.DATASET, Level.INFO, sentence)

    def warn(self, sentence: str) -> None:
        self._note(EventKind.WARNING, Level.WARNING, sentence)

    def keep_weights(self, learner: Learner) -> None:
        """Save the weights the run ends with, apart from the checkpoints: they stay."""
        path = self._assignment.checkpoints / f"final.{self._assignment.token}"
        checkpoint.remove(path)
        saved = checkpoint.write(path, lambda directory: state.save_weights(learner.model, directory))
        self._say(_describe("weights", saved, learner.step, {}, best=False))

    def end(self, **how: Any) -> None:
        """The last message of the attempt."""
        self._say({"kind": "end", **how})
        self._spool.close()
        self._pulse.close()

    def _note(self, kind: EventKind, level: Level, sentence: str) -> None:
        self._say({"kind": "note", "event": kind, "level": level, "message": sentence})

    def _say(self, message: dict[str, Any]) -> None:
        self._tell(message)
        self._nudge()

    def _tell(self, message: dict[str, Any]) -> None:
        """Write into the spool; a process that was frozen finds out here, or at its next step, that it lost the run."""
        self._standing.check(uptime())
        self._spool.write(message)


def _describe(
    kind: str, saved: checkpoint.Saved, step: int, results: dict[str, float], *, best: bool
) -> dict[str, Any]:
    return {
        "kind": kind,
        "step": step,
        "path": str(saved.path),
        "size_bytes": saved.size_bytes,
        "digest": saved.digest,
        "metrics": results,
        "best": best,
    }
