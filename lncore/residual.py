"""Residual blocks: a branch, the norms around it, and what scales it; the placements are made of these two."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lncore.layer import NormLayer, along_features

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
        before = self.before(x)
        if self.factor != 1:
            before = before * self.factor
        change = self.after(self.branch(before, *arguments, **named))
        if self.gate is None:
            return x + change
        return x + change * (self.gate if self.gate.dim() == 0 else along_features(self.gate, change))


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
        return self.norm(kept + change)


def one_number(value: float) -> Tensor:
    return torch.tensor(float(value))


def one_per_feature(width: int, value: float) -> Tensor:
    return torch.full((width,), float(value))
