"""Share of cases classified rightly."""

from typing import ClassVar

from torch import Tensor


class Accuracy:
    """Share of cases whose largest logit is that of the true class.

    Formula: (1/n) Σ [argmax logits = target]
    """

    splits: ClassVar[tuple[str, ...]] = ("validation", "test")
    unit: ClassVar[str] = "share"
    lower_is_better: ClassVar[bool] = False

    @staticmethod
    def total(logits: Tensor, targets: Tensor) -> Tensor:
        """How many cases are right, a scalar on their device."""
        return (logits.argmax(dim=-1) == targets).sum()
