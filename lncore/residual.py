"""Residual blocks: a branch, the norms around it, what scales it; and the trunk that runs them in a row."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from lncore.layer import NormLayer, along_features, check_sum

MakeNorm = Callable[[int], nn.Module]


class PreResidual(nn.Module):
    """y = x + gate ⊙ after(branch(factor·before(x))): the sum itself is never normalized.

    `gate` is one number, one per feature, or None (then it is 1). Further arguments go to the branch.
    """

    def __init__(
        self,
        branch: nn.Module,
        *,
        before: nn.Module | None = None,
        after: nn.Module | None = None,
        gate: Tensor | None = None,
        factor: float = 1.0,
    ) -> None:
        super().__init__()
        self.before = before or nn.Identity()
        self.branch = branch
        self.after = after or nn.Identity()
        self.gate = None if gate is None else nn.Parameter(gate)
        self.factor = factor

    def forward(self, x: Tensor, *arguments: Any, **named: Any) -> Tensor:
        return x + self.change(self.before(x), *arguments, **named)

    def change(self, before: Tensor, *arguments: Any, **named: Any) -> Tensor:
        """What the block adds to its input, from that input as `before` left it."""
        if self.factor != 1:
            before = before * self.factor
        change = self.after(self.branch(before, *arguments, **named))
        check_sum(type(self).__name__, before, change)
        if self.gate is None:
            return change
        return change * (self.gate if self.gate.dim() == 0 else along_features(self.gate, change))


class PostResidual(nn.Module):
    """y = norm(alpha·x + branch(x)): the sum is normalized. Further arguments go to the branch."""

    def __init__(self, branch: nn.Module, norm: nn.Module, *, alpha: float = 1.0) -> None:
        super().__init__()
        self.branch = branch
        self.norm = norm
        self.alpha = alpha

    def forward(self, x: Tensor, *arguments: Any, **named: Any) -> Tensor:
        change = self.branch(x, *arguments, **named)
        kept = x if self.alpha == 1 else x * self.alpha
        if isinstance(self.norm, NormLayer):
            return self.norm.add_and_normalize(change, kept)[0]
        check_sum(type(self).__name__, kept, change)
        return self.norm(kept + change)


class Trunk(nn.Module):
    """Blocks one after the other and a last layer, with each sum taken together with the norm that reads it.

    The same function as `last(blocks[-1](…blocks[0](x)))`; between two PreResidual blocks the addition and the next
    norm are one pass over memory where a kernel does both. Further arguments go to every block.
    """

    def __init__(self, blocks: Iterable[nn.Module], last: nn.Module | None = None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.last = last or nn.Identity()

    def forward(self, x: Tensor, *arguments: Any, **named: Any) -> Tensor:
        change: Tensor | None = None  # what the last block adds to x, not added yet
        for block in self.blocks:
            if isinstance(block, PreResidual):
                before, x = _sum_and_norm(block.before, x, change)
                change = block.change(before, *arguments, **named)
            else:
                x = block(x if change is None else x + change, *arguments, **named)
                change = None
        return _sum_and_norm(self.last, x, change)[0]


def _sum_and_norm(norm: nn.Module, x: Tensor, change: Tensor | None) -> tuple[Tensor, Tensor]:
    """The norm of x + change, and that sum."""
    if change is None:
        return norm(x), x
    if isinstance(norm, NormLayer):
        return norm.add_and_normalize(change, x)
    total = x + change
    return norm(total), total


def one_number(value: float) -> Tensor:
    return torch.tensor(float(value))


def one_per_feature(width: int, value: float) -> Tensor:
    return torch.full((width,), float(value))
