"""The plain form of every kernel: differentiable torch operations, for any device, dtype and transform."""

import torch
from torch import Tensor


def layer_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    y, _ = _standardize(_wide(x), eps)
    return _affine(y, weight, bias).to(x.dtype)


def rms_norm(x: Tensor, weight: Tensor | None, eps: float, offset: float = 0.0) -> Tensor:
    wide = _wide(x)
    y = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    return _affine(y, _gain(weight, offset), None).to(x.dtype)


def add_layer_norm(
    x: Tensor, residual: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    h = x + residual
    return layer_norm(h, weight, bias, eps), h


def add_rms_norm(
    x: Tensor, residual: Tensor, weight: Tensor | None, eps: float, offset: float = 0.0
) -> tuple[Tensor, Tensor]:
    h = x + residual
    return rms_norm(h, weight, eps, offset), h


def dyt(x: Tensor, alpha: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    return _affine(torch.tanh(alpha * _wide(x)), weight, bias).to(x.dtype)


def group_norm(x: Tensor, groups: int, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    rows = _wide(x).reshape(x.shape[0], groups, x[:1].numel() // groups if len(x) else 0)
    y, _ = _standardize(rows, eps)
    per_channel = (1, -1) + (1,) * (x.dim() - 2)
    y = y.reshape(x.shape)
    return _affine(
        y,
        None if weight is None else weight.view(per_channel),
        None if bias is None else bias.view(per_channel),
    ).to(x.dtype)


def _wide(x: Tensor) -> Tensor:
    """Half precision is computed in float32; float32 and float64 stay as they are."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _standardize(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    centred = x - x.mean(-1, keepdim=True)
    # The rounding of the mean, not of the variance, spoils rows far from zero: one correction removes it.
    centred = centred - centred.mean(-1, keepdim=True)
    rstd = torch.rsqrt(centred.square().mean(-1, keepdim=True) + eps)
    return centred * rstd, rstd


def _gain(weight: Tensor | None, offset: float) -> Tensor | None:
    return weight if weight is None or offset == 0.0 else weight + offset


def _affine(y: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias
