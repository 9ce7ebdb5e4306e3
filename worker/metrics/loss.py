"""Cross-entropy loss."""

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import cross_entropy


class Loss:
    """Mean cross-entropy of the true classes, in nats.

    Formula: −(1/n) Σ log softmax(logits)[target]
    """

    splits: ClassVar[tuple[str, ...]] = ("train", "validation", "test")
    unit: ClassVar[str] = "nats"
    lower_is_better: ClassVar[bool] = True

    @staticmethod
    def total(logits: Tensor, targets: Tensor) -> Tensor:
        """The sum over the cases, a scalar on their device."""
        return cross_entropy(logits.float(), targets, reduction="sum")
