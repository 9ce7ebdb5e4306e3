"""The training loop: one page, read top to bottom."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from domain.job import JobSpec
from domain.run import Orders, Outcome, Phase
from domain.training import TrainingSpec
from worker.loading.data import Data, Split, epoch_order
from worker.training.evaluation import evaluate
from worker.training.learner import Learner
from worker.training.ledger import BLOCK, Ledger, Row
from worker.training.measure import TrainingClock
from worker.training.pace import Pace
from worker.training.schedule import learning_rate
from worker.training.stopping import Patience


class Desk(Protocol):
    """Whom the trainer reports to, and who may tell it to stop."""

    def record(self, rows: Iterable[Row]) -> None:
        """Take rows of metrics."""
        ...

    def phase(self, phase: Phase) -> None:
        """Say what the run is doing now."""
        ...

    def pulse(self, step: int) -> None:
        """Show that a step was made; called at each of them, so it must cost nothing."""
        ...

    def expect(self, progress: float, seconds: float, seconds_left: float | None) -> None:
        """Say how far the run is: share of the budget, seconds of training so far, seconds still to go."""
        ...

    def orders(self) -> Orders:
        """Whether to go on; called at each step."""
        ...

    def save_is_due(self, step: int) -> bool: ...

    def save(self, learner: Learner, progress: dict[str, Any], results: dict[str, float], *, best: bool) -> None:
        """Save a checkpoint of the learner and of the trainer's own `progress`, and say so while it lasts."""
        ...


@dataclass(frozen=True)
class Ending:
    """How training ended: with an outcome, or by an order and to be continued."""

    step: int
    outcome: Outcome | None
    orders: Orders = Orders.GO
    diverged_at: int | None = None


def train(spec: JobSpec, seed: int, learner: Learner, data: Data, desk: Desk, before: dict[str, Any]) -> Ending:  # noqa: C901, PLR0915 - the loop is one page on purpose
    """Train `learner` until its budget is spent, its loss isn't finite, it stops early, or an order comes.

    `before` is the progress a checkpoint kept, empty at a fresh start; `learner.step` says where to go on. Every value
    recorded is a function of the spec, the seed and the step, but for the series that measure.
    """
    training = spec.training
    pace = Pace.of(training, len(data.train))
    rate = learning_rate(training)
    patience = Patience(training.early_stopping)
    patience.restore(before.get("patience", patience.state()))
    clock = TrainingClock(before.get("seconds", 0.0))
    ledger = Ledger(desk, clock, training.batch_size, learner.device)
    one_step = OneStep(training, learner)
    order = Tensor()
    results: dict[str, float] = {}
    best = False

    def ended(outcome: Outcome | None, orders: Orders = Orders.GO) -> Ending:
        return Ending(learner.step, outcome, orders, ledger.diverged_at)

    def save() -> None:
        ledger.show(learner.step)
        # A loss that isn't finite is judged at the end of its block. Until then nothing is saved, so that a resumed run
        # comes to the same judgement by the same steps.
        if ledger.diverged_at is None:
            clock.stop()
            progress = {"seconds": clock.seconds, "patience": patience.state()}
            desk.save(learner, progress, results, best=best)
            clock.start()

    # Go!
    begun = learner.step
    desk.phase(Phase.COMPILING if training.compile else Phase.WARMING_UP)
    learner.model.train()
    clock.start()
    ledger.begin(learner.step)
    spent = pace.is_spent(learner.step, clock)
    while not spent:
        # Which cases: the order of the epoch depends on the seed and the epoch alone.
        epoch, batch = pace.place(learner.step)
        if batch == 0 or not len(order):
            order = epoch_order(seed, epoch, len(data.train)).to(learner.device)
        cases = order[batch * training.batch_size : (batch + 1) * training.batch_size]

        # One step down the gradient; the loss stays on the device.
        for group in learner.optimizer.param_groups:
            group["lr"] = rate(learner.step, pace.progress(learner.step, clock.seconds))
        ledger.add(one_step(data.train, cases))
        learner.step += 1
        best = False
        desk.pulse(learner.step)
        if learner.step == begun + 1:
            desk.phase(Phase.TRAINING)

        # At the end of a block the losses are read, and with them whether any of them isn't finite.
        spent = pace.is_spent(learner.step, clock)
        evaluates = spent or pace.evaluates_at(learner.step)
        if evaluates or learner.step % BLOCK == 0:
            desk.expect(*outlook(pace, learner.step, clock.seconds))
            ledger.close_block(learner.step)
            if ledger.diverged_at is not None:
                return ended(Outcome.DIVERGED)
        elif ledger.is_late:
            desk.expect(*outlook(pace, learner.step, clock.seconds))
            ledger.show(learner.step)

        # Now and then: how good is it?
        if evaluates:
            clock.stop()
            desk.phase(Phase.EVALUATING)
            results = evaluate(learner.model, data, learner.autocast())
            desk.record((series, learner.step, value) for series, value in results.items())
            best = patience.see(results)
            desk.phase(Phase.TRAINING)
            clock.start()
            if patience.is_over and not spent:
                return ended(Outcome.EARLY_STOPPED)

        # Stop if told to, and save if it is time.
        orders = desk.orders()
        if orders is not Orders.GO:
            save()
            return ended(None, orders)
        if not spent and desk.save_is_due(learner.step):
            save()
    return ended(Outcome.COMPLETED)


class OneStep:
    """One optimizer step: forward, backward, clip, update. Calling it gives the loss, on the device."""

    def __init__(self, training: TrainingSpec, learner: Learner) -> None:
        self._learner = learner
        self._part = training.batch_size // training.accumulate
        self._share = 1 / training.accumulate
        self._clip_norm = training.clip_norm
        self._parameters = [parameter for parameter in learner.model.parameters() if parameter.requires_grad]
        self._plain = training.accumulate == 1

    def __call__(self, split: Split, cases: Tensor) -> Tensor:
        learner, scaler = self._learner, self._learner.scaler
        loss = self._learn(split, cases) if self._plain else self._learn_in_parts(split, cases)
        if self._clip_norm is not None:
            scaler.unscale_(learner.optimizer)
            torch.nn.utils.clip_grad_norm_(self._parameters, self._clip_norm)
        scaler.step(learner.optimizer)
        scaler.update()
        learner.optimizer.zero_grad(set_to_none=True)
        return loss

    def _learn(self, split: Split, cases: Tensor) -> Tensor:
        """Add the gradient of these cases' mean loss, times their share, and give the loss."""
        inputs, targets = split.inputs.index_select(0, cases), split.targets.index_select(0, cases)
        with self._learner.autocast():
            loss = cross_entropy(self._learner.forward(inputs).float(), targets)
        scaled = self._learner.scaler.scale(loss)
        (scaled if self._plain else scaled * self._share).backward()
        return loss.detach()

    def _learn_in_parts(self, split: Split, cases: Tensor) -> Tensor:
        return torch.stack([self._learn(split, part) for part in cases.split(self._part)]).mean()


def outlook(pace: Pace, step: int, seconds: float) -> tuple[float, float, float | None]:
    """Share of the budget done, seconds of training so far, and seconds still to go where that can be known."""
    left = max(0.0, pace.seconds - seconds) if pace.seconds is not None else None
    if pace.total is not None and step:
        left = (pace.total - step) * seconds / step
    return pace.progress(step, seconds), seconds, left
