"""The normalizing functions in plain torch: what every fast kernel must equal and falls back to.

They normalize the last axis of `x` (group_norm: the axes after the batch), compute in float32 or better and return the
type of `x`; weights may have another floating type than `x`, or be absent. The functions of lncore.kernels check the
arguments first; these don't.
"""

import math

import torch
from torch import Tensor

from lncore.moments import inverse_root, mean_square, moments, widen


def layer_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """(x − μ)/√(σ² + ε) ⊙ weight + bias over the last axis (Ba et al. 2016, §3)."""
    statistics = moments(x, -1)
    return _scale_and_shift(statistics.deviation * inverse_root(statistics.variance, eps), weight, bias).to(x.dtype)


def rms_norm(x: Tensor, weight: Tensor | None, eps: float, offset: float = 0.0) -> Tensor:
    """x/√(mean(x²) + ε) ⊙ (offset + weight) over the last axis (Zhang and Sennrich 2019), the sum in float32."""
    wide = widen(x)  # once: the gradients of two would each be rounded to the type of x before they are added
    y = wide * inverse_root(mean_square(wide, -1), eps)
    return (y if weight is None else y * (widen(weight) + offset)).to(x.dtype)


def add_layer_norm(
    x: Tensor, residual: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    """The residual sum h = x + residual and its layer norm, as (norm, h).

    The statistics are those of h as it is stored, so that forward and backward see the same numbers.
    """
    h = x + residual
    return layer_norm(h, weight, bias, eps), h


def add_rms_norm(
    x: Tensor, residual: Tensor, weight: Tensor | None, eps: float, offset: float = 0.0
) -> tuple[Tensor, Tensor]:
    """The residual sum h = x + residual and its RMS norm, as (norm, h)."""
    h = x + residual
    return rms_norm(h, weight, eps, offset), h


def dyt(x: Tensor, alpha: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """tanh(alpha·x) ⊙ weight + bias, weight and bias along the last axis (Zhu et al. 2025)."""
    return _scale_and_shift(torch.tanh(widen(x) * widen(alpha)), weight, bias).to(x.dtype)


def group_norm(x: Tensor, groups: int, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """Normalize each of `groups` runs of channels of `x` (batch, channels, …) together with all positions behind them.

    weight and bias hold one number per channel (Wu and He 2018). One group is layer norm over (C, H, W), as many groups
    as channels is instance norm.
    """
    # The size of a group is spelled out: reshape cannot infer it for an empty batch.
    members = x.shape[1] // groups * math.prod(x.shape[2:])
    statistics = moments(x.reshape(x.shape[0], groups, members), -1)
    y = (statistics.deviation * inverse_root(statistics.variance, eps)).reshape(x.shape)
    return _scale_and_shift(y, _per_channel(weight, x), _per_channel(bias, x)).to(x.dtype)


def _scale_and_shift(y: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias


def _per_channel(parameter: Tensor | None, x: Tensor) -> Tensor | None:
    return None if parameter is None else parameter.reshape(-1, *(1,) * (x.dim() - 2))
