"""Early stopping, and which evaluation was the best so far."""

import math
from dataclasses import dataclass

from domain.training import EarlyStopping
from worker import menus

_CHOSEN_BY = "validation_loss"
"""What decides which checkpoint is the best when the job names no other metric."""


@dataclass
class Patience:
    """Counts the evaluations since `metric` last improved."""

    rule: EarlyStopping | None
    best: float | None = None
    waited: int = 0

    def see(self, results: dict[str, float]) -> bool:
        """Take in an evaluation; True when it is the best so far."""
        value = results.get(self.metric, math.nan)
        if math.isfinite(value) and self._improves(value):
            self.best, self.waited = value, 0
            return True
        self.waited += 1
        return False

    @property
    def metric(self) -> str:
        return _CHOSEN_BY if self.rule is None else self.rule.metric

    @property
    def is_over(self) -> bool:
        return self.rule is not None and self.waited >= self.rule.patience

    def _improves(self, value: float) -> bool:
        if self.best is None:
            return True
        gained = self.best - value if self._lower_is_better else value - self.best
        return gained > (0.0 if self.rule is None else self.rule.min_delta)

    @property
    def _lower_is_better(self) -> bool:
        return bool(menus.metrics()[self.metric.partition("_")[2]].lower_is_better)

    def state(self) -> dict[str, float | int | None]:
        return {"best": self.best, "waited": self.waited}

    def restore(self, state: dict[str, float | int | None]) -> None:
        self.best = state["best"]
        self.waited = int(state["waited"] or 0)
