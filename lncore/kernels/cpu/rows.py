"""Layer and RMS norm over the rows of a matrix: the numba kernels, forward and backward, with a residual or without.

Every kernel takes addresses. `one` is a typed 1 that chooses float32 or float64 (numba would widen literals).
Statistics are kept as three numbers a row: the mean, the mean's own rounding error (delta) and the reciprocal standard
deviation, so that x̂ = ((x − mean) − delta)·rstd is as exact in the backward pass as in the forward one, however far
x is from zero.
"""

import math
from typing import Any

from numba import prange
from numba.np.numpy_support import carray

from lncore.kernels.cpu.addresses import LINE, plus, stream, vector_at, widest
from lncore.kernels.cpu.compiling import arithmetic, over_rows

MEAN, DELTA, RSTD = 0, 1, 2


@arithmetic
def moments(x: Any, count: Any, one: Any, eps: Any, centred: Any) -> Any:
    """Corrected two-pass mean and variance of one row; the root mean square alone where it is not centred."""
    widest()
    n = len(x)
    mean = delta = squares = one - one
    if centred:
        total = one - one
        for i in range(n):
            total = plus(total, x[i])
        mean = total / count
        rest = one - one
        for i in range(n):
            d = x[i] - mean
            rest = plus(rest, d)
            squares = plus(squares, d * d)
        delta = rest / count
    else:
        for i in range(n):
            squares = plus(squares, x[i] * x[i])
    variance = squares / count - delta * delta
    if variance < 0:  # by a rounding; a NaN passes
        variance = one - one
    return mean, delta, one / math.sqrt(variance + eps)


@arithmetic
def _write_row(x: Any, w: Any, b: Any, y: Any, mean: Any, delta: Any, rstd: Any, centred: Any) -> None:
    widest()
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
            target = y + at if scratch == 0 else scratch + chunk * n * size
            _write_row(source, weight, bias, carray(vector_at(target, one), n), mean, delta, rstd, centred)
            if scratch != 0:
                stream(y + at, target, n * size // LINE)


@arithmetic
def projections(g: Any, x: Any, w: Any, one: Any, mean: Any, delta: Any, rstd: Any) -> Any:
    """Σ g·w and Σ g·w·x̂ of one row."""
    widest()
    plain = along = one - one
    for i in range(len(x)):
        gw = g[i] * w[i]
        plain = plus(plain, gw)
        along = plus(along, gw * ((x[i] - mean) - delta))
    return plain, along * rstd


@arithmetic
def write_gradient(g: Any, x: Any, w: Any, dx: Any, mean: Any, delta: Any, rstd: Any, plain: Any, along: Any) -> None:
    """The row's dx; plain is mean(g·w), along is mean(g·w·x̂)."""
    widest()
    for i in range(len(x)):
        dx[i] = (g[i] * w[i] - plain - ((x[i] - mean) - delta) * rstd * along) * rstd


@arithmetic
def _add_into(target: Any, term: Any) -> None:
    for i in range(len(target)):
        target[i] += term[i]


@arithmetic
def write_gradients(
    g: Any, x: Any, w: Any, dx: Any, dw: Any, db: Any, mean: Any, delta: Any, rstd: Any, plain: Any, along: Any
) -> None:
    """The same, and what the row adds to the gradients of gain and bias, in one pass."""
    widest()
    for i in range(len(x)):
        upper, normal = g[i], ((x[i] - mean) - delta) * rstd
        dx[i] = (upper * w[i] - plain - normal * along) * rstd
        dw[i] += upper * normal
        db[i] += upper


@arithmetic
def _clear(x: Any, one: Any) -> None:
    for i in range(len(x)):
        x[i] = one - one


@over_rows
def backward(
    g: int, dh: int, x: int, w: int, stats: int, dx: int, affine: int, partials: int, scratch: int,
    m: int, n: int, size: int, chunks: int, count: Any, one: Any, centred: bool,
) -> None:  # fmt: skip
    """The rows dx = rstd·(g·w − mean(g·w) − x̂·mean(g·w·x̂)) + dh by rows, and in `affine` (2, n) the sums of g·x̂ and g.

    `dh` 0 means no gradient came through the sum; `affine` 0 that no gradient of weight and bias is wanted. Each chunk
    has sums of its own in `partials` (chunks, 2, n); chunks depend on the shape alone and are added in order, so that
    the same input gives the same bytes.
    """
    for chunk in prange(chunks):
        first, last = chunk * m // chunks, (chunk + 1) * m // chunks
        weight = carray(vector_at(w, one), n)
        if affine != 0:
            _clear(carray(vector_at(partials + chunk * 2 * n * size, one), 2 * n), one)
        for row in range(first, last):
            at = row * n * size
            saved = carray(vector_at(stats + row * 3 * size, one), 3)
            mean, delta, rstd = saved[MEAN], saved[DELTA], saved[RSTD]
            gradient, source = carray(vector_at(g + at, one), n), carray(vector_at(x + at, one), n)
            plain, along = projections(gradient, source, weight, one, mean, delta, rstd)
            plain = plain / count if centred else one - one
            target = dx + at if scratch == 0 else scratch + chunk * n * size
            result = carray(vector_at(target, one), n)
            if affine != 0:
                dw = carray(vector_at(partials + chunk * 2 * n * size, one), n)
                db = carray(vector_at(partials + (chunk * 2 + 1) * n * size, one), n)
                write_gradients(gradient, source, weight, result, dw, db, mean, delta, rstd, plain, along / count)
            else:
                write_gradient(gradient, source, weight, result, mean, delta, rstd, plain, along / count)
            if dh != 0:
                _add_into(result, carray(vector_at(dh + at, one), n))
            if scratch != 0:
                stream(dx + at, target, n * size // LINE)
    if affine != 0:
        total = carray(vector_at(affine, one), 2 * n)
        _clear(total, one)
        for chunk in range(chunks):
            _add_into(total, carray(vector_at(partials + chunk * 2 * n * size, one), 2 * n))
