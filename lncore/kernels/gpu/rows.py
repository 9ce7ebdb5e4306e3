"""Layer and RMS norm over rows, with or without a residual: the Triton kernels, forward and backward.

A program holds whole rows in registers from load to store. The statistics are corrected two-pass (the mean of the
deviations is subtracted again, which costs no memory traffic), kept as mean, delta and reciprocal deviation a row.
Offsets of rows are 64-bit: 2³¹ numbers are 4 GB of bfloat16, which is an ordinary tensor.
"""

# Triton reads annotations of kernels as types of its own.
# ruff: noqa: ANN001, ANN201
# mypy: allow-untyped-defs, allow-incomplete-defs

import triton
import triton.language as tl


@triton.jit
def forward(
    x_ptr, residual_ptr, w_ptr, b_ptr, h_ptr, y_ptr, stats_ptr, m, n, eps,
    CENTRED: tl.constexpr, RESIDUAL: tl.constexpr, GAIN: tl.constexpr, SHIFT: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, COLUMNS)
    inside = (rows[:, None] < m) & (columns[None, :] < n)
    at = rows[:, None] * n + columns[None, :]
    # Gain and shift are asked for before the reduction, so that they arrive while it runs.
    if GAIN:
        w = tl.load(w_ptr + columns, mask=columns < n, other=0.0).to(tl.float32)
    if SHIFT:
        b = tl.load(b_ptr + columns, mask=columns < n, other=0.0).to(tl.float32)
    x = tl.load(x_ptr + at, mask=inside, other=0.0)
    if RESIDUAL:
        # Rounded to the type it is stored in before the statistics, so that the backward pass sees the same numbers.
        x = (x.to(tl.float32) + tl.load(residual_ptr + at, mask=inside, other=0.0).to(tl.float32)).to(x.dtype)
        tl.store(h_ptr + at, x, mask=inside)
    x = x.to(tl.float32)
    if CENTRED:
        mean = tl.sum(x, 1) / n
        d = tl.where(inside, x - mean[:, None], 0.0)  # lanes beyond the row would count as −mean
        delta = tl.sum(d, 1) / n
        d = tl.where(inside, d - delta[:, None], 0.0)
    else:
        mean = tl.zeros((ROWS,), tl.float32)
        delta = tl.zeros((ROWS,), tl.float32)
        d = x
    rstd = 1.0 / tl.sqrt(tl.sum(d * d, 1) / n + eps)
    y = d * rstd[:, None]
    if GAIN:
        y = y * w[None, :]
    if SHIFT:
        y = y + b[None, :]
    tl.store(y_ptr + at, y.to(y_ptr.dtype.element_ty), mask=inside)
    tl.store(stats_ptr + rows * 3, mean, mask=rows < m)
    tl.store(stats_ptr + rows * 3 + 1, delta, mask=rows < m)
    tl.store(stats_ptr + rows * 3 + 2, rstd, mask=rows < m)


@triton.jit
def backward(
    g_ptr, dh_ptr, h_ptr, w_ptr, stats_ptr, dx_ptr, partials_ptr, m, n,
    CENTRED: tl.constexpr, SUM: tl.constexpr, GAIN: tl.constexpr, AFFINE: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Programs stride over the rows; each keeps its share of the weight gradients in registers and stores it once."""
    program = tl.program_id(0)
    columns = tl.arange(0, COLUMNS)
    if GAIN:
        w = tl.load(w_ptr + columns, mask=columns < n, other=0.0).to(tl.float32)
    dw = tl.zeros((ROWS, COLUMNS), tl.float32)
    db = tl.zeros((ROWS, COLUMNS), tl.float32)
    first = program * ROWS
    while first < m:
        rows = first + tl.arange(0, ROWS)
        inside = (rows[:, None] < m) & (columns[None, :] < n)
        at = rows[:, None].to(tl.int64) * n + columns[None, :]
        g = tl.load(g_ptr + at, mask=inside, other=0.0).to(tl.float32)
        x = tl.load(h_ptr + at, mask=inside, other=0.0).to(tl.float32)
        stats = stats_ptr + rows.to(tl.int64) * 3
        mean = tl.load(stats, mask=rows < m, other=0.0)
        delta = tl.load(stats + 1, mask=rows < m, other=0.0)
        rstd = tl.load(stats + 2, mask=rows < m, other=0.0)
        normal = tl.where(inside, ((x - mean[:, None]) - delta[:, None]) * rstd[:, None], 0.0)
        if AFFINE:
            dw += g * normal
            db += g
        if GAIN:
            g = g * w[None, :]
        along = tl.sum(g * normal, 1) / n
        dx = g - normal * along[:, None]
        if CENTRED:
            dx = dx - (tl.sum(g, 1) / n)[:, None]
        dx = dx * rstd[:, None]
        if SUM:
            dx += tl.load(dh_ptr + at, mask=inside, other=0.0).to(tl.float32)
        tl.store(dx_ptr + at, dx.to(dx_ptr.dtype.element_ty), mask=inside)
        first += tl.num_programs(0) * ROWS
    if AFFINE:
        at = partials_ptr + program.to(tl.int64) * 2 * n + columns
        tl.store(at, tl.sum(dw, 0), mask=columns < n)
        tl.store(at + n, tl.sum(db, 0), mask=columns < n)
