"""The GPU backend: tensors in, tensors out, through the Triton kernels.

Inputs are contiguous matrices (group norm: batch, channels, positions) in float32, float16 or bfloat16; statistics and
gradients of parameters are float32.
"""

from functools import cache
from typing import Any

import torch
import triton
from torch import Tensor

from lncore.kernels.gpu import groups as group_kernels
from lncore.kernels.gpu import long_rows as long_kernels
from lncore.kernels.gpu import rows as row_kernels
from lncore.kernels.gpu import tanh as tanh_kernels
from lncore.kernels.gpu.device import on_its_device
from lncore.kernels.gpu.tables import (
    LONG_BLOCK,
    LONG_WARPS,
    LONGEST_BACKWARD,
    LONGEST_FORWARD,
    TANH_COLUMNS,
    backward_programs,
    backward_shape,
    forward_shape,
    parameter_sums_shape,
)

_BLOCK = 1024  # numbers of a channel or group that a group norm program takes at a time


@on_its_device
def norm_forward(
    x: Tensor, residual: Tensor | None, weight: Tensor | None, bias: Tensor | None, eps: float, *, centred: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """(y, h, statistics) of the rows of x + residual; h is x itself without a residual."""
    m, n = x.shape
    y, stats = torch.empty_like(x), torch.empty(m, 3, device=x.device, dtype=torch.float32)
    h = x if residual is None else torch.empty_like(x)
    given = x, _or(residual, x), _parameter(weight, x), _parameter(bias, x), h, y, stats
    wanted = {
        "CENTRED": centred,
        "RESIDUAL": residual is not None,
        "GAIN": weight is not None,
        "SHIFT": bias is not None,
    }
    if n > LONGEST_FORWARD:
        long_kernels.forward[(m,)](*given, n, eps, **wanted, BLOCK=LONG_BLOCK, num_warps=LONG_WARPS)
        return y, h, stats
    shape = forward_shape(n)
    row_kernels.forward[(triton.cdiv(m, shape.rows),)](
        *given, m, n, eps, **wanted, ROWS=shape.rows, COLUMNS=shape.columns, num_warps=shape.warps
    )
    return y, h, stats


@on_its_device
def norm_backward(
    g: Tensor, dh: Tensor | None, h: Tensor, weight: Tensor | None, stats: Tensor, *, centred: bool, affine: bool
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """(dh + gradient of h, of weight, of bias); the last two are None unless `affine` asks for them."""
    m, n = h.shape
    if n > LONGEST_BACKWARD:
        return _long_backward(g, dh, h, weight, stats, centred=centred, affine=affine)
    shape, programs = backward_shape(n), backward_programs(m, n, _processors(h.device))
    dx = torch.empty_like(h)
    partials = torch.empty(programs, 2, n, device=h.device, dtype=torch.float32) if affine else None
    row_kernels.backward[(programs,)](
        g, _or(dh, g), h, _parameter(weight, h), stats, dx, _or(partials, stats), m, n,
        CENTRED=centred, SUM=dh is not None, GAIN=weight is not None, AFFINE=affine,
        ROWS=shape.rows, COLUMNS=shape.columns, num_warps=shape.warps,
    )  # fmt: skip
    if partials is None:
        return dx, None, None
    dw, db = partials.sum(0).unbind(0)
    return dx, dw, db


def _long_backward(
    g: Tensor, dh: Tensor | None, h: Tensor, weight: Tensor | None, stats: Tensor, *, centred: bool, affine: bool
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    m, n = h.shape
    dx = torch.empty_like(h)
    long_kernels.backward[(m,)](
        g, _or(dh, g), h, _parameter(weight, h), stats, dx, n,
        CENTRED=centred, SUM=dh is not None, GAIN=weight is not None, BLOCK=LONG_BLOCK, num_warps=LONG_WARPS,
    )  # fmt: skip
    if not affine:
        return dx, None, None
    sums = parameter_sums_shape(m, n, _processors(h.device))
    partials = torch.empty(sums.shares, 2, n, device=h.device, dtype=torch.float32)
    long_kernels.parameter_sums[(triton.cdiv(n, sums.columns), sums.shares)](
        g, h, stats, partials, m, n, sums.each, ROWS=sums.rows, COLUMNS=sums.columns, num_warps=4
    )
    dw, db = partials.sum(0).unbind(0)
    return dx, dw, db


@on_its_device
def tanh_forward(x: Tensor, alpha: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """tanh(alpha·x)·weight + bias by rows; alpha stays on the device."""
    m, n = x.shape
    y, shape = torch.empty_like(x), forward_shape(min(n, TANH_COLUMNS))
    tanh_kernels.forward[(triton.cdiv(m, shape.rows), triton.cdiv(n, shape.columns))](
        x, alpha, _parameter(weight, x), _parameter(bias, x), y, m, n, GAIN=weight is not None, SHIFT=bias is not None,
        ROWS=shape.rows, COLUMNS=shape.columns, num_warps=shape.warps,
    )  # fmt: skip
    return y


@on_its_device
def tanh_backward(g: Tensor, x: Tensor, alpha: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x, alpha, weight and bias."""
    m, n = x.shape
    shape, programs = backward_shape(min(n, TANH_COLUMNS)), backward_programs(m, n, _processors(x.device))
    dx, blocks = torch.empty_like(x), triton.cdiv(n, shape.columns)
    partials = torch.empty(programs, 2 * n + blocks, device=x.device, dtype=torch.float32)
    tanh_kernels.backward[(programs, blocks)](
        g, x, alpha, _parameter(weight, x), dx, partials, m, n, GAIN=weight is not None,
        ROWS=shape.rows, COLUMNS=shape.columns, num_warps=shape.warps,
    )  # fmt: skip
    total = partials.sum(0)
    return dx, total[2 * n :].sum(), total[:n], total[n : 2 * n]


@on_its_device
def group_forward(
    x: Tensor, groups: int, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    """(y, statistics) of x (batch, channels, positions)."""
    batch, channels, positions = x.shape
    y, stats = torch.empty_like(x), torch.empty(batch * groups, 3, device=x.device, dtype=torch.float32)
    group_kernels.forward[(batch * groups,)](
        x, _parameter(weight, x), _parameter(bias, x), y, stats, groups, channels // groups, positions, eps,
        GAIN=weight is not None, SHIFT=bias is not None, BLOCK=_block(channels // groups * positions),
    )  # fmt: skip
    return y, stats


@on_its_device
def group_backward(
    g: Tensor, x: Tensor, groups: int, weight: Tensor | None, stats: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, weight and bias."""
    batch, channels, positions = x.shape
    members, grid = channels // groups, (batch * channels,)
    dx, sums = torch.empty_like(x), torch.empty(batch, 2, channels, device=x.device, dtype=torch.float32)
    sizes: tuple[Any, ...] = (channels, groups, members, positions)
    group_kernels.channel_sums[grid](g, x, stats, sums, *sizes, BLOCK=_block(positions))
    weighted = sums if weight is None else sums * weight.float()
    group_sums = weighted.view(batch, 2, groups, members).sum(-1).transpose(1, 2).contiguous() / (members * positions)
    group_kernels.backward[grid](
        g, x, _parameter(weight, x), stats, group_sums, dx, *sizes, GAIN=weight is not None, BLOCK=_block(positions)
    )
    dw, db = sums.sum(0).unbind(0)
    return dx, dw, db


def _or(tensor: Tensor | None, other: Tensor) -> Tensor:
    """A pointer is wanted even where the kernel won't follow it."""
    return other if tensor is None else tensor


def _parameter(parameter: Tensor | None, x: Tensor) -> Tensor:
    """Gain or bias as the kernels read it, one number after the other."""
    return x if parameter is None else parameter.contiguous()


def _block(numbers: int) -> int:
    return max(16, min(_BLOCK, triton.next_power_of_2(numbers)))


@cache
def _processors(device: torch.device) -> int:
    # Under the interpreter there is no device to ask; few programs keep it quick.
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 2
