"""Group norm over (batch, channels, positions): the Triton kernels, forward and backward.

A group of one case is a row that may be longer than registers hold, so it is walked in blocks: once for the mean, once
for its correction and the variance, once to write. The walks after the first find the row in the second-level cache.
"""

# Triton reads annotations of kernels as types of its own.
# ruff: noqa: ANN001, ANN201
# mypy: allow-untyped-defs, allow-incomplete-defs

import triton
import triton.language as tl


@triton.jit
def forward(
    x_ptr, w_ptr, b_ptr, y_ptr, stats_ptr, groups, members, positions, eps,
    GAIN: tl.constexpr, SHIFT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    n = members * positions
    start = row * n
    lanes = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    first = 0
    while first < n:
        total += tl.load(x_ptr + start + first + lanes, mask=first + lanes < n, other=0.0).to(tl.float32)
        first += BLOCK
    mean = tl.sum(total, 0) / n
    rest = tl.zeros((BLOCK,), tl.float32)
    squares = tl.zeros((BLOCK,), tl.float32)
    first = 0
    while first < n:
        inside = first + lanes < n
        x = tl.load(x_ptr + start + first + lanes, mask=inside, other=0.0).to(tl.float32)
        d = tl.where(inside, x - mean, 0.0)
        rest += d
        squares += d * d
        first += BLOCK
    delta = tl.sum(rest, 0) / n
    variance = tl.maximum(tl.sum(squares, 0) / n - delta * delta, 0.0)
    rstd = 1.0 / tl.sqrt(variance + eps)
    tl.store(stats_ptr + row * 3, mean)
    tl.store(stats_ptr + row * 3 + 1, delta)
    tl.store(stats_ptr + row * 3 + 2, rstd)
    first = 0
    while first < n:
        inside = first + lanes < n
        y = ((tl.load(x_ptr + start + first + lanes, mask=inside, other=0.0).to(tl.float32) - mean) - delta) * rstd
        channels = (row % groups).to(tl.int32) * members + (first + lanes) // positions
        if GAIN:
            y = y * tl.load(w_ptr + channels, mask=inside, other=0.0).to(tl.float32)
        if SHIFT:
            y = y + tl.load(b_ptr + channels, mask=inside, other=0.0).to(tl.float32)
        tl.store(y_ptr + start + first + lanes, y.to(y_ptr.dtype.element_ty), mask=inside)
        first += BLOCK


@triton.jit
def channel_sums(
    g_ptr, x_ptr, stats_ptr, sums_ptr, channels, groups, members, positions, BLOCK: tl.constexpr,
):  # fmt: skip
    """For each channel of each case: the sums of g·x̂ and of g, in `sums` (batch, 2, channels)."""
    program = tl.program_id(0).to(tl.int64)
    case = program // channels
    channel = program % channels
    row = case * groups + channel // members
    mean, delta = tl.load(stats_ptr + row * 3), tl.load(stats_ptr + row * 3 + 1)
    rstd = tl.load(stats_ptr + row * 3 + 2)
    start = program * positions
    lanes = tl.arange(0, BLOCK)
    along = tl.zeros((BLOCK,), tl.float32)
    plain = tl.zeros((BLOCK,), tl.float32)
    first = 0
    while first < positions:
        inside = first + lanes < positions
        g = tl.load(g_ptr + start + first + lanes, mask=inside, other=0.0).to(tl.float32)
        x = tl.load(x_ptr + start + first + lanes, mask=inside, other=0.0).to(tl.float32)
        along += g * tl.where(inside, ((x - mean) - delta) * rstd, 0.0)
        plain += g
        first += BLOCK
    at = sums_ptr + case * 2 * channels + channel
    tl.store(at, tl.sum(along, 0))
    tl.store(at + channels, tl.sum(plain, 0))


@triton.jit
def backward(
    g_ptr, x_ptr, w_ptr, stats_ptr, group_sums_ptr, dx_ptr, channels, groups, members, positions,
    GAIN: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradients dx of each channel of each case, given its group's means of g·w·x̂ and g·w."""
    program = tl.program_id(0).to(tl.int64)
    case = program // channels
    channel = program % channels
    row = case * groups + channel // members
    mean, delta = tl.load(stats_ptr + row * 3), tl.load(stats_ptr + row * 3 + 1)
    rstd = tl.load(stats_ptr + row * 3 + 2)
    along, plain = tl.load(group_sums_ptr + row * 2), tl.load(group_sums_ptr + row * 2 + 1)
    start = program * positions
    lanes = tl.arange(0, BLOCK)
    first = 0
    while first < positions:
        inside = first + lanes < positions
        g = tl.load(g_ptr + start + first + lanes, mask=inside, other=0.0).to(tl.float32)
        x = tl.load(x_ptr + start + first + lanes, mask=inside, other=0.0).to(tl.float32)
        if GAIN:
            g = g * tl.load(w_ptr + channel).to(tl.float32)
        dx = (g - plain - ((x - mean) - delta) * rstd * along) * rstd
        tl.store(dx_ptr + start + first + lanes, dx.to(dx_ptr.dtype.element_ty), mask=inside)
        first += BLOCK
