"""The CPU backend: tensors in, tensors out, through the numba kernels.

Inputs are contiguous matrices (group norm: batch, channels, positions). float16 and bfloat16 are computed in float32
and rounded once; statistics are kept in the precision of the computation.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from lncore.kernels.cpu import groups as group_kernels
from lncore.kernels.cpu import rows as row_kernels
from lncore.kernels.cpu import tanh as tanh_kernels
from lncore.kernels.cpu.addresses import LINE
from lncore.kernels.cpu.numba_threads import run
from lncore.kernels.cpu.pages import prepare
from lncore.moments import widen

_NUMBER = {torch.float32: np.float32, torch.float64: np.float64}
_ONE = {dtype: number(1) for dtype, number in _NUMBER.items()}


def norm_forward(
    x: Tensor, residual: Tensor | None, weight: Tensor | None, bias: Tensor | None, eps: float, *, centred: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """(y, h, statistics) of the rows of x + residual; h is x itself without a residual."""
    dtype = x.dtype
    if dtype not in _NUMBER:
        h = x if residual is None else x + residual
        y, _, stats = norm_forward(h.float(), None, weight, bias, eps, centred=centred)
        return y.to(dtype), h, stats
    m, n = x.shape
    y, stats = torch.empty_like(x), x.new_empty(m, 3)
    h = x if residual is None else torch.empty_like(x)
    weight, bias, number, chunks = _gain(weight, n, dtype), _shift(bias, n, dtype), _NUMBER[dtype], _chunks(m)
    if residual is not None:
        prepare(h)
    scratch = _scratch(y, chunks)
    run(
        row_kernels.forward, m * n,
        x.data_ptr(), _pointer(residual), weight.data_ptr(), bias.data_ptr(),
        h.data_ptr(), y.data_ptr(), stats.data_ptr(), _pointer(scratch),
        m, n, x.itemsize, chunks, number(n), number(eps), _ONE[dtype], centred,
    )  # fmt: skip
    return y, h, stats


def norm_backward(
    g: Tensor, dh: Tensor | None, h: Tensor, weight: Tensor | None, stats: Tensor, *, centred: bool, affine: bool
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """(dh + gradient of h, of weight, of bias); the last two are None unless `affine` asks for them."""
    dtype = stats.dtype
    if h.dtype != dtype:
        wide_dh = None if dh is None else dh.to(dtype)
        dx, dw, db = norm_backward(g.to(dtype), wide_dh, h.to(dtype), weight, stats, centred=centred, affine=affine)
        return dx.to(h.dtype), dw, db
    m, n = h.shape
    dx, weight, number, chunks = torch.empty_like(h), _gain(weight, n, dtype), _NUMBER[dtype], _chunks(m)
    dw, db = (torch.empty_like(weight), torch.empty_like(weight)) if affine else (None, None)
    scratch = _scratch(dx, chunks)
    run(
        row_kernels.backward, m * n,
        g.data_ptr(), _pointer(dh), h.data_ptr(), weight.data_ptr(), stats.data_ptr(), dx.data_ptr(),
        _pointer(dw), _pointer(db), _pointer(scratch), m, n, h.itemsize, chunks, number(n), _ONE[dtype], centred,
    )  # fmt: skip
    return dx, dw, db


def tanh_forward(x: Tensor, alpha: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """tanh(alpha·x)·weight + bias by rows."""
    wide = widen(x)
    m, n = wide.shape
    y, chunks, dtype = torch.empty_like(wide), _chunks(m), wide.dtype
    past_cache = prepare(y) and _streams(y)
    weight, bias = _gain(weight, n, dtype), _shift(bias, n, dtype)
    run(
        tanh_kernels.forward, m * n,
        wide.data_ptr(), weight.data_ptr(), bias.data_ptr(), y.data_ptr(), past_cache,
        m, n, wide.itemsize, chunks, _NUMBER[dtype](alpha.item()), _ONE[dtype],
    )  # fmt: skip
    return y.to(x.dtype)


def tanh_backward(g: Tensor, x: Tensor, alpha: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x, alpha, weight and bias."""
    wide, wide_g = widen(x), widen(g)
    dtype = wide.dtype
    m, n = wide.shape
    dx, chunks = torch.empty_like(wide), _chunks(m)
    prepare(dx)
    weight = _gain(weight, n, dtype)
    dalpha, dw, db = wide.new_empty(()), torch.empty_like(weight), torch.empty_like(weight)
    run(
        tanh_kernels.backward, m * n,
        wide_g.data_ptr(), wide.data_ptr(), weight.data_ptr(), dx.data_ptr(), dalpha.data_ptr(),
        dw.data_ptr(), db.data_ptr(), m, n, wide.itemsize, chunks, _NUMBER[dtype](alpha.item()), _ONE[dtype],
    )  # fmt: skip
    return dx.to(x.dtype), dalpha, dw, db


def group_forward(
    x: Tensor, groups: int, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    """(y, statistics) of x (batch, channels, positions)."""
    if x.dtype not in _NUMBER:
        y, stats = group_forward(x.float(), groups, weight, bias, eps)
        return y.to(x.dtype), stats
    batch, channels, positions = x.shape
    dtype, number, members = x.dtype, _NUMBER[x.dtype], channels // groups
    y, stats = torch.empty_like(x), x.new_empty(batch * groups, 3)
    prepare(y)
    weight, bias = _gain(weight, channels, dtype), _shift(bias, channels, dtype)
    run(
        group_kernels.forward, x.numel(),
        x.data_ptr(), weight.data_ptr(), bias.data_ptr(), y.data_ptr(), stats.data_ptr(), batch * groups,
        groups, members, positions, x.itemsize, number(members * positions), number(eps), _ONE[dtype],
    )  # fmt: skip
    return y, stats


def group_backward(
    g: Tensor, x: Tensor, groups: int, weight: Tensor | None, stats: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, weight and bias."""
    dtype, number = stats.dtype, _NUMBER[stats.dtype]
    if x.dtype != dtype:
        dx, dw, db = group_backward(g.to(dtype), x.to(dtype), groups, weight, stats)
        return dx.to(x.dtype), dw, db
    batch, channels, positions = x.shape
    members = channels // groups
    dx, partials, weight = torch.empty_like(x), x.new_empty(batch, 2, channels), _gain(weight, channels, dtype)
    prepare(dx)
    run(
        group_kernels.backward, x.numel(),
        g.data_ptr(), x.data_ptr(), weight.data_ptr(), stats.data_ptr(), dx.data_ptr(), partials.data_ptr(),
        batch * groups, groups, members, positions, x.itemsize, number(members * positions), _ONE[dtype],
    )  # fmt: skip
    dw, db = partials.sum(0).unbind(0)
    return dx, dw, db


def _pointer(tensor: Tensor | None) -> int:
    """The address of a tensor's numbers; 0 tells a kernel that there is none."""
    return 0 if tensor is None else tensor.data_ptr()


@lru_cache(maxsize=64)
def _chunks(rows: int) -> int:
    """Into how many pieces rows are divided: a function of the shape alone, so that sums always have the same order.

    Each piece holds partial gradients as large as two rows, so a piece has sixteen rows or more unless rows are few.
    """
    return max(min(rows, 8), min(64, rows // 16))


def _scratch(result: Tensor, chunks: int) -> Tensor | None:
    """A row for each chunk, where results are to bypass the cache on their way to memory."""
    if not prepare(result) or not _streams(result):
        return None
    return result.new_empty(chunks, result.shape[-1])


def _streams(result: Tensor) -> bool:
    """Whether every row begins at a cache line."""
    return result.shape[-1] * result.itemsize % LINE == 0 and result.data_ptr() % LINE == 0


def _gain(weight: Tensor | None, n: int, dtype: torch.dtype) -> Tensor:
    return constant(1.0, n, dtype) if weight is None else _straight(weight, dtype)


def _shift(bias: Tensor | None, n: int, dtype: torch.dtype) -> Tensor:
    return constant(0.0, n, dtype) if bias is None else _straight(bias, dtype)


def _straight(parameter: Tensor, dtype: torch.dtype) -> Tensor:
    if parameter.dtype is dtype and parameter.is_contiguous():
        return parameter
    return parameter.to(dtype).contiguous()


@lru_cache(maxsize=64)
def constant(value: float, n: int, dtype: torch.dtype) -> Tensor:
    return torch.full((n,), value, dtype=dtype)
