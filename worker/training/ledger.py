"""The buffer between the trainer and the reports: losses stay on the device until a block of them is read at once."""

import math
import time
from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor

from worker.training.measure import TrainingClock, Window, cost, gpu_of

BLOCK = 50
"""Steps between two readings of the losses. A diverged run is stopped at the end of a block, which is a matter of steps
and not of time, so that it ends alike however fast the machine is."""
_IMPATIENCE = 0.5
"""Seconds after which the losses of slow steps are shown before their block is full."""

Row = tuple[str, int, float]
"""Series, step, value."""


class Desk(Protocol):
    """Where the trainer hands in what it measured."""

    def record(self, rows: Iterable[Row]) -> None: ...


class Ledger:
    """Collects the loss of each step and hands in blocks; knows the first step whose loss was not finite."""

    def __init__(self, desk: Desk, clock: TrainingClock, cases: int, device: torch.device) -> None:
        self._desk = desk
        self._clock = clock
        self._cases = cases
        self._device = device
        self._losses: list[Tensor] = []
        self._shown_at = time.monotonic()
        self._measured = (0, clock.seconds)
        self.diverged_at: int | None = None

    def begin(self, step: int) -> None:
        """Start measuring at this step."""
        self._measured = (step, self._clock.seconds)

    def add(self, loss: Tensor) -> None:
        """The loss of one more step: a tensor that nobody waits for."""
        self._losses.append(loss.detach())

    @property
    def is_late(self) -> bool:
        """Whether losses of slow steps should be shown now; fast steps wait for the end of their block."""
        return time.monotonic() - self._shown_at > _IMPATIENCE

    def show(self, step: int) -> None:
        """Hand in every loss up to `step`. Nothing is handed in beyond the first loss that is not finite."""
        self._shown_at = time.monotonic()
        if not self._losses:
            return
        losses, self._losses = torch.stack(self._losses).tolist(), []
        if self.diverged_at is not None:
            return
        first = step - len(losses) + 1
        rows = [("train_loss", first + offset, loss) for offset, loss in enumerate(losses)]
        bad = next((row for row in rows if not math.isfinite(row[2])), None)
        if bad is not None:
            self.diverged_at = bad[1]
            rows = rows[: bad[1] - first + 1]
        self._desk.record(rows)

    def close_block(self, step: int) -> None:
        """Hand in the losses up to `step` and what those steps cost."""
        self.show(step)
        if self.diverged_at is None:
            self._measure(step)

    def _measure(self, step: int) -> None:
        since, before = self._measured
        # Reading the losses waited for the device, so the clock now covers the work and not only its launch.
        now = self._clock.seconds
        if step > since and now > before:
            window = Window(step - since, (step - since) * self._cases, now - before, self._device)
            found = cost(window, gpu_of(self._device))
            self._desk.record([(series, step, value) for series, value in found.items()])
        self._measured = (step, now)
