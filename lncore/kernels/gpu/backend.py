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
from lncore.kernels.gpu import rows as row_kernels
from lncore.kernels.gpu import tanh as tanh_kernels
from lncore.kernels.gpu.tables import LONGEST_ROW, backward_programs, backward_shape, forward_shape

_BLOCK = 1024  # numbers of a channel or group that a group norm program takes at a time


def accepts(x: Tensor) -> bool:
    """Whether rows of x fit the registers of a program; longer ones take the plain path."""
    return x.shape[-1] <= LONGEST_ROW


def norm_forward(
    x: Tensor, residual: Tensor | None, weight: Tensor | None, bias: Tensor | None, eps: float, *, centred: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """(y, h, statistics) of the rows of x + residual; h is x itself without a residual."""
    m, n = x.shape
    y, stats = torch.empty_like(x), torch.empty(m, 3, device=x.device, dtype=torch.float32)
    h = x if residual is None else torch.empty_like(x)
    shape = forward_shape(n)
    row_kernels.forward[(triton.cdiv(m, shape.rows),)](
        x, _or(residual, x), _or(weight, x), _or(bias, x), h, y, stats, m, n, eps,
        CENTRED=centred, RESIDUAL=residual is not None, GAIN=weight is not None, SHIFT=bias is not None,
        ROWS=shape.rows, COLUMNS=shape.columns, num_warps=shape.warps,
    )  # fmt: skip
    return y, h, stats


def norm_backward(
    g: Tensor, dh: Tensor | None, h: Tensor, weight: Tensor | None, stats: Tensor, *, centred: bool, affine: bool
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """(dh + gradient of h, of weight, of bias); the last two are None unless `affine` asks for them."""
    m, n = h.shape
    shape, programs = backward_shape(n), backward_programs(m, n, _processors(h.device))
    dx = torch.empty_like(h)
    partials = torch.empty(programs, 2, n, device=h.device, dtype=torch.float32) if affine else None
    row_kernels.backward[(programs,)](
        g, _or(dh, g), h, _or(weight, h), stats, dx, _or(partials, stats), m, n,
        CENTRED=centred, SUM=dh is not None, GAIN=weight is not None, AFFINE=affine,
        ROWS=shape.rows, COLUMNS=shape.columns, num_warps=shape.warps,
    )  # fmt: skip
    if partials is None:
        return dx, None, None
    dw, db = partials.sum(0).unbind(0)
    return dx, dw, db


def tanh_forward(x: Tensor, alpha: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """tanh(alpha·x)·weight + bias by rows; alpha stays on the device."""
    m, n = x.shape
    y, shape = torch.empty_like(x), forward_shape(n)
    tanh_kernels.forward[(triton.cdiv(m, shape.rows),)](
        x, alpha, _or(weight, x), _or(bias, x), y, m, n, GAIN=weight is not None, SHIFT=bias is not None,
        ROWS=shape.rows, COLUMNS=shape.columns, num_warps=shape.warps,
    )  # fmt: skip
    return y


def tanh_backward(g: Tensor, x: Tensor, alpha: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x, alpha, weight and bias."""
    m, n = x.shape
    shape, programs = backward_shape(n), backward_programs(m, n, _processors(x.device))
    dx = torch.empty_like(x)
    partials = torch.empty(programs, 2 * n + 1, device=x.device, dtype=torch.float32)
    tanh_kernels.backward[(programs,)](
        g, x, alpha, _or(weight, x), dx, partials, m, n, GAIN=weight is not None,
        ROWS=shape.rows, COLUMNS=shape.columns, num_warps=shape.warps,
    )  # fmt: skip
    total = partials.sum(0)
    return dx, total[2 * n], total[:n], total[n : 2 * n]


def group_forward(
    x: Tensor, groups: int, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    """(y, statistics) of x (batch, channels, positions)."""
    batch, channels, positions = x.shape
    y, stats = torch.empty_like(x), torch.empty(batch * groups, 3, device=x.device, dtype=torch.float32)
    group_kernels.forward[(batch * groups,)](
        x, _or(weight, x), _or(bias, x), y, stats, groups, channels // groups, positions, eps,
        GAIN=weight is not None, SHIFT=bias is not None, BLOCK=_block(channels // groups * positions),
    )  # fmt: skip
    return y, stats


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
        g, x, _or(weight, x), stats, group_sums, dx, *sizes, GAIN=weight is not None, BLOCK=_block(positions)
    )
    dw, db = sums.sum(0).unbind(0)
    return dx, dw, db


def _or(tensor: Tensor | None, other: Tensor) -> Tensor:
    """A pointer is wanted even where the kernel won't follow it."""
    return other if tensor is None else tensor


def _block(numbers: int) -> int:
    return max(16, min(_BLOCK, triton.next_power_of_2(numbers)))


@cache
def _processors(device: torch.device) -> int:
    # Under the interpreter there is no device to ask; few programs keep it quick.
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 2
