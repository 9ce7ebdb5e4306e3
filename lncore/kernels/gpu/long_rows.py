"""Layer and RMS norm over rows longer than registers hold: the Triton kernels, forward and backward.

A program walks over its row in blocks, and finds it in the second-level cache from the second walk on. The gradients of
gain and bias go over columns instead, in a kernel of their own. Statistics are those of lncore.kernels.gpu.rows.
"""

# Triton reads annotations of kernels as types of its own.
# ruff: noqa: ANN001, ANN201, ANN202
# mypy: allow-untyped-defs, allow-incomplete-defs

import triton
import triton.language as tl


@triton.jit
def _about_the_mean(h_ptr, start, n, total, BLOCK: tl.constexpr):
    """Mean of a row with the sums `total`, its correction, and the variance, in one more walk."""
    lanes = tl.arange(0, BLOCK)
    mean = tl.sum(total, 0) / n
    rest = tl.zeros((BLOCK,), tl.float32)
    squares = tl.zeros((BLOCK,), tl.float32)
    first = 0
    while first < n:
        inside = first + lanes < n
        x = tl.load(h_ptr + start + first + lanes, mask=inside, other=0.0).to(tl.float32)
        d = tl.where(inside, x - mean, 0.0)
        rest += d
        squares += d * d
        first += BLOCK
    delta = tl.sum(rest, 0) / n
    return mean, delta, tl.maximum(tl.sum(squares, 0) / n - delta * delta, 0.0)


@triton.jit
def forward(
    x_ptr, residual_ptr, w_ptr, b_ptr, h_ptr, y_ptr, stats_ptr, n, eps,
    CENTRED: tl.constexpr, RESIDUAL: tl.constexpr, GAIN: tl.constexpr, SHIFT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """As rows.forward; h_ptr is x_ptr where there is no residual."""
    row = tl.program_id(0).to(tl.int64)
    start = row * n
    lanes = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    first = 0
    while first < n:
        at = start + first + lanes
        inside = first + lanes < n
        x = tl.load(x_ptr + at, mask=inside, other=0.0)
        if RESIDUAL:
            x = (x.to(tl.float32) + tl.load(residual_ptr + at, mask=inside, other=0.0).to(tl.float32)).to(x.dtype)
            tl.store(h_ptr + at, x, mask=inside)
        x = x.to(tl.float32)
        total += x if CENTRED else x * x
        first += BLOCK
    tl.debug_barrier()  # what one thread has stored of h, another may load
    if CENTRED:
        mean, delta, square = _about_the_mean(h_ptr, start, n, total, BLOCK)
    else:
        square = tl.sum(total, 0) / n
        mean = square * 0.0
        delta = mean
    rstd = 1.0 / tl.sqrt(square + eps)
    tl.store(stats_ptr + row * 3, mean)
    tl.store(stats_ptr + row * 3 + 1, delta)
    tl.store(stats_ptr + row * 3 + 2, rstd)
    first = 0
    while first < n:
        columns = first + lanes
        inside = columns < n
        x = tl.load(h_ptr + start + columns, mask=inside, other=0.0).to(tl.float32)
        y = ((x - mean) - delta) * rstd
        if GAIN:
            y = y * tl.load(w_ptr + columns, mask=inside, other=0.0).to(tl.float32)
        if SHIFT:
            y = y + tl.load(b_ptr + columns, mask=inside, other=0.0).to(tl.float32)
        tl.store(y_ptr + start + columns, y.to(y_ptr.dtype.element_ty), mask=inside)
        first += BLOCK


@triton.jit
def backward(
    g_ptr, dh_ptr, h_ptr, w_ptr, stats_ptr, dx_ptr, n,
    CENTRED: tl.constexpr, SUM: tl.constexpr, GAIN: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradients dx of one row: once over it for the two sums they need, once to write them."""
    row = tl.program_id(0).to(tl.int64)
    start = row * n
    lanes = tl.arange(0, BLOCK)
    mean, delta = tl.load(stats_ptr + row * 3), tl.load(stats_ptr + row * 3 + 1)
    rstd = tl.load(stats_ptr + row * 3 + 2)
    along = tl.zeros((BLOCK,), tl.float32)
    plain = tl.zeros((BLOCK,), tl.float32)
    first = 0
    while first < n:
        columns = first + lanes
        inside = columns < n
        g = tl.load(g_ptr + start + columns, mask=inside, other=0.0).to(tl.float32)
        x = tl.load(h_ptr + start + columns, mask=inside, other=0.0).to(tl.float32)
        if GAIN:
            g = g * tl.load(w_ptr + columns, mask=inside, other=0.0).to(tl.float32)
        along += g * tl.where(inside, ((x - mean) - delta) * rstd, 0.0)
        plain += g
        first += BLOCK
    slope = tl.sum(along, 0) / n
    level = tl.sum(plain, 0) / n
    first = 0
    while first < n:
        columns = first + lanes
        inside = columns < n
        g = tl.load(g_ptr + start + columns, mask=inside, other=0.0).to(tl.float32)
        x = tl.load(h_ptr + start + columns, mask=inside, other=0.0).to(tl.float32)
        if GAIN:
            g = g * tl.load(w_ptr + columns, mask=inside, other=0.0).to(tl.float32)
        dx = g - ((x - mean) - delta) * rstd * slope
        if CENTRED:
            dx = dx - level
        dx = dx * rstd
        if SUM:
            dx += tl.load(dh_ptr + start + columns, mask=inside, other=0.0).to(tl.float32)
        tl.store(dx_ptr + start + columns, dx.to(dx_ptr.dtype.element_ty), mask=inside)
        first += BLOCK


@triton.jit
def parameter_sums(
    g_ptr, h_ptr, stats_ptr, partials_ptr, m, n, each, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Sums of g·x̂ and of g over `each` rows, for a block of columns, in `partials` (shares of the rows, 2, n)."""
    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    share = tl.program_id(1)
    dw = tl.zeros((ROWS, COLUMNS), tl.float32)
    db = tl.zeros((ROWS, COLUMNS), tl.float32)
    first = share * each
    last = tl.minimum(first + each, m)
    while first < last:
        rows = first + tl.arange(0, ROWS)
        inside = (rows[:, None] < last) & (columns[None, :] < n)
        at = rows[:, None].to(tl.int64) * n + columns[None, :]
        stats = stats_ptr + rows.to(tl.int64) * 3
        mean = tl.load(stats, mask=rows < last, other=0.0)
        delta = tl.load(stats + 1, mask=rows < last, other=0.0)
        rstd = tl.load(stats + 2, mask=rows < last, other=0.0)
        g = tl.load(g_ptr + at, mask=inside, other=0.0).to(tl.float32)
        x = tl.load(h_ptr + at, mask=inside, other=0.0).to(tl.float32)
        dw += g * tl.where(inside, ((x - mean[:, None]) - delta[:, None]) * rstd[:, None], 0.0)
        db += g
        first += ROWS
    at = partials_ptr + share.to(tl.int64) * 2 * n + columns
    tl.store(at, tl.sum(dw, 0), mask=columns < n)
    tl.store(at + n, tl.sum(db, 0), mask=columns < n)
