"""Plain float64 reference functions: the oracle of tests and benchmarks, written from the papers' formulas.

Nothing is shared with the code they judge. Every function takes `x` of any floating type and computes in float64;
`axes` are those the statistics run over; weights are shaped by the caller so that they broadcast against `x`. Sources
are named in the variants of `lncore/norms/`.
"""

import torch
from torch import Tensor

Axes = tuple[int, ...]


def _double(value: Tensor | float) -> Tensor:
    return torch.as_tensor(value).to(torch.float64)


def standardize(x: Tensor, eps: float, axes: Axes, *, outside: bool = False, unbiased: bool = False) -> Tensor:
    """(x − μ)/√(σ² + ε), or (x − μ)/(σ + ε) with ε outside the root."""
    x = _double(x)
    variance = x.var(axes, keepdim=True, unbiased=unbiased)
    return (x - x.mean(axes, keepdim=True)) / (torch.sqrt(variance) + eps if outside else torch.sqrt(variance + eps))


def layer_norm(
    x: Tensor, weight: Tensor | float = 1.0, bias: Tensor | float = 0.0, *, eps: float = 1e-5, axes: Axes = (-1,)
) -> Tensor:
    return standardize(x, eps, axes) * _double(weight) + _double(bias)


def rms_norm(
    x: Tensor, weight: Tensor | float = 1.0, *, eps: float = 1e-5, axes: Axes = (-1,), outside: bool = False
) -> Tensor:
    x = _double(x)
    square = (x**2).mean(axes, keepdim=True)
    root = torch.sqrt(square) + eps if outside else torch.sqrt(square + eps)
    return x / root * _double(weight)


def p_rms_norm(
    x: Tensor, weight: Tensor | float = 1.0, *, p: float = 0.0625, eps: float = 1e-5, outside: bool = False
) -> Tensor:
    """Over the last axis, the root mean square taken of its first max(1, ⌊p·n⌋) entries."""
    x = _double(x)
    count = max(1, int(x.shape[-1] * p))
    square = (x[..., :count] ** 2).mean(-1, keepdim=True)
    root = torch.sqrt(square) + eps if outside else torch.sqrt(square + eps)
    return x / root * _double(weight)


def group_norm(
    x: Tensor, groups: int, weight: Tensor | float = 1.0, bias: Tensor | float = 0.0, *, eps: float = 1e-5
) -> Tensor:
    """Over (batch, channels, …): each group of channels with all positions behind it."""
    parts = [standardize(part, eps, tuple(range(1, x.dim()))) for part in _double(x).chunk(groups, 1)]
    return torch.cat(parts, 1) * _double(weight) + _double(bias)


def batch_norm(
    x: Tensor,
    weight: Tensor | float = 1.0,
    bias: Tensor | float = 0.0,
    *,
    eps: float = 1e-5,
    axes: Axes = (0,),
    unbiased: bool = False,
) -> Tensor:
    x = _double(x)
    centred = x - x.mean(axes, keepdim=True)
    variance = x.var(axes, keepdim=True, unbiased=unbiased)
    return centred / torch.sqrt(variance + eps) * _double(weight) + _double(bias)


def scale_norm(x: Tensor, gain: Tensor | float, *, eps: float = 1e-5, axes: Axes = (-1,)) -> Tensor:
    """g·x/max(‖x‖, ε)."""
    x = _double(x)
    return _double(gain) * x / torch.clamp(torch.sqrt((x**2).sum(axes, keepdim=True)), min=eps)


def ada_norm(x: Tensor, *, scale: float = 1.0, k: float = 0.1, eps: float = 1e-5, axes: Axes = (-1,)) -> Tensor:
    """C(1 − k·y) ⊙ y for y the standardized x."""
    y = standardize(x, eps, axes)
    return scale * (1 - k * y) * y


def dyt(x: Tensor, alpha: float, weight: Tensor | float = 1.0, bias: Tensor | float = 0.0) -> Tensor:
    return torch.tanh(alpha * _double(x)) * _double(weight) + _double(bias)


def derf(
    x: Tensor, alpha: float, shift: float = 0.0, weight: Tensor | float = 1.0, bias: Tensor | float = 0.0
) -> Tensor:
    return torch.erf(alpha * _double(x) + shift) * _double(weight) + _double(bias)


def frn(
    x: Tensor,
    weight: Tensor | float,
    bias: Tensor | float,
    threshold: Tensor | float,
    *,
    eps: Tensor | float,
    axes: Axes,
) -> Tensor:
    """max(γ·x/√(mean(x²) + |ε|) + β, τ)."""
    x = _double(x)
    y = x / torch.sqrt((x**2).mean(axes, keepdim=True) + _double(eps).abs())
    return torch.maximum(y * _double(weight) + _double(bias), _double(threshold))


def evonorm_s0(
    x: Tensor, groups: int, v: Tensor | float, weight: Tensor | float, bias: Tensor | float, *, eps: float = 1e-5
) -> Tensor:
    """x·sigmoid(v·x)/√(σ_g² + ε)·γ + β over (batch, channels, …)."""
    x = _double(x)
    axes = tuple(range(1, x.dim()))
    roots = [
        torch.sqrt(part.var(axes, keepdim=True, unbiased=False) + eps).expand_as(part) for part in x.chunk(groups, 1)
    ]
    return x * torch.sigmoid(_double(v) * x) / torch.cat(roots, 1) * _double(weight) + _double(bias)


def weight_norm(v: Tensor, gain: Tensor) -> Tensor:
    """Every row of v (outputs first) as g·v/‖v‖."""
    v = _double(v)
    norms = torch.sqrt((v**2).sum(tuple(range(1, v.dim())), keepdim=True))
    return _double(gain).reshape(-1, *(1,) * (v.dim() - 1)) * v / norms


def weight_standardization(w: Tensor, gain: Tensor | float = 1.0, *, gamma: float = 1.0, eps: float = 0.0) -> Tensor:
    """(W − mean)/√((var + ε)·fan_in)·γ_act·g for every row of w (outputs first)."""
    w = _double(w)
    axes = tuple(range(1, w.dim()))
    fan_in = w[0].numel()
    centred = w - w.mean(axes, keepdim=True)
    gain = _double(gain).reshape(-1, *(1,) * (w.dim() - 1))
    return centred / torch.sqrt(((centred**2).mean(axes, keepdim=True) + eps) * fan_in) * gamma * gain
