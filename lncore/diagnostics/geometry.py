"""The geometry of gradients under normalization, as numbers (Ba et al. 2016, §5.2).

A layer that doesn't see the scale of its weights has a gradient orthogonal to them; so plain SGD can only lengthen the
weights, and the step relative to them shrinks: the paper's implicit early stopping.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def gradient_along_weight(weight: Tensor, gradient: Tensor) -> Tensor:
    """⟨W, ∇W⟩/(‖W‖‖∇W‖), the cosine between a weight and its gradient: 0 where the scale of W has no effect.

    Zero for layer, RMS, batch and weight normalization behind W.
    """
    return _cosine(weight.flatten(), gradient.flatten())


def gradient_along_rows(weight: Tensor, gradient: Tensor) -> Tensor:
    """The same cosine for every row (one output's weights): all zero for batch and weight normalization only."""
    return _cosine(weight.flatten(1), gradient.flatten(1))


def column_sums(gradient: Tensor) -> Tensor:
    """1ᵀ∇W, relative to ‖∇W‖: zero for layer normalization only, which removes what all outputs have in common.

    One line that tells layer from RMS normalization.
    """
    return gradient.flatten(1).sum(0) / gradient.norm().clamp(min=torch.finfo(gradient.dtype).tiny)


def effective_learning_rate(weight: Tensor, learning_rate: float) -> Tensor:
    """η/‖W‖²: the rate at which the direction of a scale-free W turns; under plain SGD it only falls."""
    return learning_rate / weight.square().sum()


def fisher_block(function: Callable[[Tensor], Tensor], weight: Tensor) -> Tensor:
    """The Fisher information E[JᵀJ] of `weight` for outputs with unit Gaussian noise, as a (numel, numel) matrix.

    `function` maps a weight to outputs of shape (cases, …); the mean is over the cases. Under a norm that doesn't see
    the scale of W the block at δ·W is 1/δ² of that at W: the *gradient* halves when W doubles, the curvature is
    quartered.
    """
    outputs = function(weight)
    jacobian = torch.func.jacrev(function)(weight).reshape(-1, weight.numel())
    return jacobian.T @ jacobian / outputs.shape[0]


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    lengths = (a.norm(dim=-1) * b.norm(dim=-1)).clamp(min=torch.finfo(a.dtype).tiny)
    return (a * b).sum(-1) / lengths
