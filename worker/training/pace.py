"""How long a run trains and when it evaluates: budgets and intervals in steps, whatever unit the job used."""

from dataclasses import dataclass

from domain.training import Every, TrainingSpec
from worker.training.measure import TrainingClock


class BatchTooLargeError(ValueError):
    """One batch is more than the training data, so that no step could be made."""

    def __init__(self, batch: int, cases: int) -> None:
        super().__init__(
            f"training.batch_size is {batch}, but the training data has {cases} cases, and an incomplete batch is "
            f"dropped: choose at most {cases}."
        )


@dataclass(frozen=True)
class Pace:
    """The budget and the evaluations of a run."""

    per_epoch: int
    """Steps in an epoch; an incomplete last batch is dropped."""
    total: int | None
    """Steps of the budget; None when it is in seconds."""
    seconds: float | None
    evaluate_every: int

    @classmethod
    def of(cls, training: TrainingSpec, cases: int) -> "Pace":
        """The pace of a job on `cases` training cases. Raises BatchTooLargeError when they don't fill one batch."""
        if cases < training.batch_size:
            raise BatchTooLargeError(training.batch_size, cases)
        per_epoch = cases // training.batch_size
        budget = training.budget
        return cls(
            per_epoch=per_epoch,
            total=None if budget.seconds is not None else _in_steps(budget, per_epoch),
            seconds=budget.seconds,
            evaluate_every=_in_steps(training.evaluate_every, per_epoch),
        )

    def progress(self, step: int, seconds: float) -> float:
        """The share of the budget that is done, 0 to 1."""
        done = step / self.total if self.total is not None else seconds / (self.seconds or 1.0)
        return min(1.0, done)

    def is_spent(self, step: int, clock: TrainingClock) -> bool:
        return step >= self.total if self.total is not None else clock.seconds >= (self.seconds or 0.0)

    def evaluates_at(self, step: int) -> bool:
        return step % self.evaluate_every == 0

    def place(self, step: int) -> tuple[int, int]:
        """Which epoch the next step belongs to, and which batch of it: functions of the steps done."""
        return divmod(step, self.per_epoch)


def _in_steps(amount: Every | object, per_epoch: int) -> int:
    steps = getattr(amount, "steps", None)
    if steps is not None:
        return int(steps)
    return max(1, round(getattr(amount, "epochs") * per_epoch))  # noqa: B009 - exactly one of the two is given
