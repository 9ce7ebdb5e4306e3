"""The public functions of lncore.kernels: each asks for a backend and falls back to plain torch.

All of them work under autograd (twice), autocast, vmap, torch.func.grad and torch.compile, on any strides, on empty and
odd-sized inputs. float16 and bfloat16 inputs are computed in float32 and may have float32 weights; the result has the
type of `x`. Errors in float32 stay below 2e-6 however far the inputs lie from zero.

They raise TypeError for an `x` that isn't floating point and ValueError for a weight, bias, residual, alpha or number
of groups that doesn't fit it and for an ε below 0.
"""

from torch import Tensor

from lncore import plain
from lncore.kernels import autograd
from lncore.kernels.arguments import check, check_alpha, check_channel_groups, check_residual
from lncore.kernels.autograd import dynamic_tanh, row_norm
from lncore.kernels.route import backend_for


def layer_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """(x − μ)/√(σ² + ε) ⊙ weight + bias over the last axis (Ba et al. 2016, §3); weight and bias have its width."""
    check("layer_norm", x, -1, weight, bias, eps)
    backend = backend_for(x, weight, bias)
    if backend is None:
        return plain.layer_norm(x, weight, bias, eps)
    return row_norm(backend, x, None, weight, bias, eps, 0.0, centred=True)


def rms_norm(x: Tensor, weight: Tensor | None, eps: float, offset: float = 0.0) -> Tensor:
    """x/√(mean(x²) + ε) ⊙ (offset + weight) over the last axis (Zhang and Sennrich 2019)."""
    check("rms_norm", x, -1, weight, None, eps)
    backend = backend_for(x, weight)
    if backend is None:
        return plain.rms_norm(x, weight, eps, offset)
    return row_norm(backend, x, None, weight, None, eps, offset, centred=False)


def add_layer_norm(
    x: Tensor, residual: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    """(layer norm of h, h) with h = x + residual, rounded to its type before the statistics are taken."""
    check("add_layer_norm", x, -1, weight, bias, eps)
    check_residual("add_layer_norm", x, residual)
    backend = backend_for(x, residual, weight, bias)
    if backend is None:
        return plain.add_layer_norm(x, residual, weight, bias, eps)
    return row_norm(backend, x, residual, weight, bias, eps, 0.0, centred=True)


def add_rms_norm(
    x: Tensor, residual: Tensor, weight: Tensor | None, eps: float, offset: float = 0.0
) -> tuple[Tensor, Tensor]:
    """(RMS norm of h, h) with h = x + residual, rounded to its type before the statistics are taken."""
    check("add_rms_norm", x, -1, weight, None, eps)
    check_residual("add_rms_norm", x, residual)
    backend = backend_for(x, residual, weight)
    if backend is None:
        return plain.add_rms_norm(x, residual, weight, eps, offset)
    return row_norm(backend, x, residual, weight, None, eps, offset, centred=False)


def dyt(x: Tensor, alpha: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """tanh(alpha·x) ⊙ weight + bias, weight and bias along the last axis (Zhu et al. 2025); alpha is one number."""
    check("dyt", x, -1, weight, bias, 0.0)
    check_alpha(alpha)
    backend = backend_for(x, alpha, weight, bias)
    if backend is None:
        return plain.dyt(x, alpha, weight, bias)
    return dynamic_tanh(backend, x, alpha, weight, bias)


def group_norm(x: Tensor, groups: int, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """Normalize each of `groups` runs of channels of x (batch, channels, …) together with all positions behind them.

    weight and bias hold one number per channel (Wu and He 2018).
    """
    check("group_norm", x, 1, weight, bias, eps)
    check_channel_groups(x, groups)
    backend = backend_for(x, weight, bias)
    if backend is None:
        return plain.group_norm(x, groups, weight, bias, eps)
    return autograd.group_norm(backend, x, weight, bias, groups, eps)
