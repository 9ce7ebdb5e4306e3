"""The dynamic tanh w·tanh(αx) + b over rows: the Triton kernels, forward and backward."""

# Triton reads annotations of kernels as types of its own.
# ruff: noqa: ANN001, ANN201
# mypy: allow-untyped-defs, allow-incomplete-defs

import triton
import triton.language as tl

from lncore.kernels.gpu.bend import tanh


@triton.jit
def forward(
    x_ptr, alpha_ptr, w_ptr, b_ptr, y_ptr, m, n,
    GAIN: tl.constexpr, SHIFT: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = (rows[:, None] < m) & (columns[None, :] < n)
    at = rows[:, None] * n + columns[None, :]
    alpha = tl.load(alpha_ptr).to(tl.float32)
    y = tanh(alpha * tl.load(x_ptr + at, mask=inside, other=0.0).to(tl.float32))
    if GAIN:
        y = y * tl.load(w_ptr + columns, mask=columns < n, other=0.0).to(tl.float32)[None, :]
    if SHIFT:
        y = y + tl.load(b_ptr + columns, mask=columns < n, other=0.0).to(tl.float32)[None, :]
    tl.store(y_ptr + at, y.to(y_ptr.dtype.element_ty), mask=inside)


@triton.jit
def backward(
    g_ptr, x_ptr, alpha_ptr, w_ptr, dx_ptr, partials_ptr, m, n,
    GAIN: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Gradients dx, and each program's sums for weight, bias and α in `partials` (programs, 2n + blocks of columns)."""
    program = tl.program_id(0)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    alpha = tl.load(alpha_ptr).to(tl.float32)
    if GAIN:
        w = tl.load(w_ptr + columns, mask=columns < n, other=0.0).to(tl.float32)
    dw = tl.zeros((ROWS, COLUMNS), tl.float32)
    db = tl.zeros((ROWS, COLUMNS), tl.float32)
    dalpha = tl.zeros((ROWS,), tl.float32)
    first = program * ROWS
    while first < m:
        rows = first + tl.arange(0, ROWS)
        inside = (rows[:, None] < m) & (columns[None, :] < n)
        at = rows[:, None].to(tl.int64) * n + columns[None, :]
        g = tl.load(g_ptr + at, mask=inside, other=0.0).to(tl.float32)
        x = tl.load(x_ptr + at, mask=inside, other=0.0).to(tl.float32)
        bent = tanh(alpha * x)
        dw += g * bent
        db += g
        if GAIN:
            g = g * w[None, :]
        inner = g * (1.0 - bent * bent)
        dalpha += tl.sum(inner * x, 1)
        tl.store(dx_ptr + at, (inner * alpha).to(dx_ptr.dtype.element_ty), mask=inside)
        first += tl.num_programs(0) * ROWS
    sums = partials_ptr + program.to(tl.int64) * (2 * n + tl.num_programs(1))
    tl.store(sums + columns, tl.sum(dw, 0), mask=columns < n)
    tl.store(sums + n + columns, tl.sum(db, 0), mask=columns < n)
    tl.store(sums + 2 * n + tl.program_id(1), tl.sum(dalpha, 0))
