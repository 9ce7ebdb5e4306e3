"""Layer and RMS norm over the rows of a matrix: the numba kernels, forward and backward, with a residual or without.

Every kernel takes addresses. `one` is a typed 1 that chooses float32 or float64 (numba would widen literals).
Statistics are kept as three numbers a row: the mean, the mean's own rounding error (delta) and the reciprocal standard
deviation, so that x̂ = ((x − mean) − delta)·rstd is as exact in the backward pass as in the forward one, however far
x is from zero.
"""

import math
from typing import Any

import numpy as np
from numba import prange
from numba.np.numpy_support import carray

from lncore.kernels.cpu.addresses import LINE, fetch, plus, stream, vector_at
from lncore.kernels.cpu.compiling import arithmetic, over_rows

MEAN, DELTA, RSTD = 0, 1, 2


@arithmetic
def moments(x: Any, count: Any, one: Any, eps: Any, centred: Any) -> Any:
    """Mean, its rounding error and the reciprocal deviation of one row; the root mean square alone if not centred.

    Sums are taken around a number from among the row's, so that nothing is lost however far the row lies from zero.
    """
    if not centred:
        return one - one, one - one, one / math.sqrt(_squares(x, one) / count + eps)
    shift = _near(x, one)
    total, squares = _sums_around(x, shift, one - one, one)
    off = total / count
    mean = shift + off
    delta = (shift - mean) + off
    variance = squares / count - off * off
    if off * off + off * off > variance:  # far from the middle after all: the difference has lost digits
        total, squares = _sums_around(x, mean, delta, one)
        rest = total / count
        delta = delta + rest
        variance = squares / count - rest * rest
    if variance < 0:  # by a rounding; a NaN passes
        variance = one - one
    return mean, delta, one / math.sqrt(variance + eps)


@arithmetic
def _near(x: Any, one: Any) -> Any:
    """The mean of eight numbers of the row; of equal numbers exactly that number."""
    n, eighth = len(x), one / (one + one + one + one + one + one + one + one)
    left = (x[0] * eighth + x[n >> 3] * eighth) + (x[n >> 2] * eighth + x[n * 3 >> 3] * eighth)
    return left + ((x[n >> 1] * eighth + x[n * 5 >> 3] * eighth) + (x[n * 3 >> 2] * eighth + x[n * 7 >> 3] * eighth))


@arithmetic
def _sums_around(x: Any, middle: Any, beside: Any, one: Any) -> Any:
    """Σ d and Σ d² of d = x − middle − beside."""
    total = squares = one - one
    for i in range(len(x)):
        d = (x[i] - middle) - beside
        total = plus(total, d)
        squares = plus(squares, d * d)
    return total, squares


@arithmetic
def _squares(x: Any, one: Any) -> Any:
    squares = one - one
    for i in range(len(x)):
        squares = plus(squares, x[i] * x[i])
    return squares


@arithmetic
def _write_row(x: Any, w: Any, b: Any, y: Any, mean: Any, delta: Any, rstd: Any, centred: Any) -> None:
    if centred:
        for i in range(len(x)):
            y[i] = ((x[i] - mean) - delta) * rstd * w[i] + b[i]
    else:
        for i in range(len(x)):
            y[i] = x[i] * rstd * w[i]


@arithmetic
def _add_row(x: Any, r: Any, h: Any) -> None:
    for i in range(len(x)):
        h[i] = x[i] + r[i]


@over_rows
def forward(
    x: int, residual: int, w: int, b: int, h: int, y: int, stats: int, scratch: int,
    m: int, n: int, size: int, chunks: int, count: Any, eps: Any, one: Any, centred: bool,
) -> None:  # fmt: skip
    """Rows of y = norm(x + residual)·w + b; `residual` 0 means none, else h = x + residual is written too."""
    for chunk in prange(chunks):
        first, last = chunk * m // chunks, (chunk + 1) * m // chunks
        weight, bias = carray(vector_at(w, one), n), carray(vector_at(b, one), n)
        for row in range(first, last):
            at = row * n * size
            source = carray(vector_at(x + at, one), n)
            if residual != 0:
                total = carray(vector_at(h + at, one), n)
                _add_row(source, carray(vector_at(residual + at, one), n), total)
                source = total
            mean, delta, rstd = moments(source, count, one, eps, centred)
            saved = carray(vector_at(stats + row * 3 * size, one), 3)
            saved[MEAN], saved[DELTA], saved[RSTD] = mean, delta, rstd
            fetch(x + at + n * size, n * size)
            if residual != 0:
                fetch(residual + at + n * size, n * size)
            target = y + at if scratch == 0 else scratch + chunk * n * size
            _write_row(source, weight, bias, carray(vector_at(target, one), n), mean, delta, rstd, centred)
            if scratch != 0:
                stream(y + at, target, n * size // LINE)


@arithmetic
def projections(g: Any, x: Any, w: Any, one: Any, mean: Any, delta: Any, rstd: Any) -> Any:
    """Σ g·w and Σ g·w·x̂ of one row."""
    plain = along = one - one
    for i in range(len(x)):
        gw = g[i] * w[i]
        plain = plus(plain, gw)
        along = plus(along, gw * ((x[i] - mean) - delta))
    return plain, along * rstd


@arithmetic
def write_gradient(g: Any, x: Any, w: Any, dx: Any, mean: Any, delta: Any, rstd: Any, plain: Any, along: Any) -> None:
    """The row's dx; plain is mean(g·w), along is mean(g·w·x̂)."""
    for i in range(len(x)):
        dx[i] = (g[i] * w[i] - plain - ((x[i] - mean) - delta) * rstd * along) * rstd


@arithmetic
def add_into(target: Any, term: Any) -> None:
    for i in range(len(target)):
        target[i] += term[i]


@arithmetic
def write_gradients(
    g: Any, x: Any, w: Any, dx: Any, dw: Any, db: Any, mean: Any, delta: Any, rstd: Any, plain: Any, along: Any
) -> None:
    """The same, and what the row adds to the gradients of gain and bias, in one pass."""
    for i in range(len(x)):
        upper, normal = g[i], ((x[i] - mean) - delta) * rstd
        dx[i] = (upper * w[i] - plain - normal * along) * rstd
        dw[i] += upper * normal
        db[i] += upper


@arithmetic
def clear(x: Any, one: Any) -> None:
    for i in range(len(x)):
        x[i] = one - one


@over_rows
def backward(
    g: int, dh: int, x: int, w: int, stats: int, dx: int, dw: int, db: int, scratch: int,
    m: int, n: int, size: int, chunks: int, count: Any, one: Any, centred: bool,
) -> None:  # fmt: skip
    """The rows dx = rstd·(g·w − mean(g·w) − x̂·mean(g·w·x̂)) + dh, and in dw and db the sums of g·x̂ and g over rows.

    `dh` 0 means no gradient came through the sum; `dw` 0 that no gradient of weight and bias is wanted. Each chunk has
    sums of its own; chunks depend on the shape alone and are added in order, so that the same input gives the same
    bytes.
    """
    weight = carray(vector_at(w, one), n)
    sums = np.zeros((chunks, 2, n if dw != 0 else 0), weight.dtype)
    for chunk in prange(chunks):
        first, last = chunk * m // chunks, (chunk + 1) * m // chunks
        for row in range(first, last):
            at = row * n * size
            saved = carray(vector_at(stats + row * 3 * size, one), 3)
            mean, delta, rstd = saved[MEAN], saved[DELTA], saved[RSTD]
            gradient, source = carray(vector_at(g + at, one), n), carray(vector_at(x + at, one), n)
            plain, along = projections(gradient, source, weight, one, mean, delta, rstd)
            plain, along = plain / count if centred else one - one, along / count
            target = dx + at if scratch == 0 else scratch + chunk * n * size
            result = carray(vector_at(target, one), n)
            if dw != 0:
                mine = sums[chunk]
                write_gradients(gradient, source, weight, result, mine[0], mine[1], mean, delta, rstd, plain, along)
            else:
                write_gradient(gradient, source, weight, result, mean, delta, rstd, plain, along)
            if dh != 0:
                add_into(result, carray(vector_at(dh + at, one), n))
            if scratch != 0:
                stream(dx + at, target, n * size // LINE)
    if dw != 0:
        gains, shifts = carray(vector_at(dw, one), n), carray(vector_at(db, one), n)
        clear(gains, one)
        clear(shifts, one)
        for chunk in range(chunks):
            add_into(gains, sums[chunk, 0])
            add_into(shifts, sums[chunk, 1])
