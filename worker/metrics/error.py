"""Share of cases classified wrongly."""

from typing import ClassVar

from torch import Tensor


class Error:
    """Share of cases whose largest logit is not that of the true class; what the paper's figures show.

    Formula: (1/n) Σ [argmax logits ≠ target]
    """

    splits: ClassVar[tuple[str, ...]] = ("validation", "test")
    unit: ClassVar[str] = "share"
    lower_is_better: ClassVar[bool] = True

    @staticmethod
    def total(logits: Tensor, targets: Tensor) -> Tensor:
        """How many cases are wrong, a scalar on their device."""
        return (logits.argmax(dim=-1) != targets).sum()
