"""The dynamic tanh w·tanh(αx) + b over the rows of a matrix: the numba kernels, forward and backward."""

from typing import Any

import numpy as np
from numba import prange
from numba.np.numpy_support import carray

from lncore.kernels.cpu.addresses import LINE, plus, stream, vector_at, widest
from lncore.kernels.cpu.bend import tanh
from lncore.kernels.cpu.compiling import arithmetic, over_rows
from lncore.kernels.cpu.rows import add_into, clear


@arithmetic
def _tanh_row(x: Any, alpha: Any, t: Any) -> None:
    widest()
    for i in range(len(x)):
        t[i] = tanh(alpha * x[i])


@arithmetic
def _affine_row(t: Any, w: Any, b: Any, y: Any) -> None:
    for i in range(len(t)):
        y[i] = t[i] * w[i] + b[i]


@arithmetic
def _gradient_row(g: Any, t: Any, w: Any, dx: Any, alpha: Any, one: Any) -> None:
    for i in range(len(t)):
        dx[i] = g[i] * w[i] * (one - t[i] * t[i]) * alpha


@arithmetic
def _dot(a: Any, b: Any, one: Any) -> Any:
    total = one - one
    for i in range(len(a)):
        total = plus(total, a[i] * b[i])
    return total


@arithmetic
def _gather_affine(g: Any, t: Any, dw: Any, db: Any) -> None:
    for i in range(len(t)):
        dw[i] += g[i] * t[i]
        db[i] += g[i]


@over_rows
def forward(
    x: int, w: int, b: int, y: int, past_cache: bool,
    m: int, n: int, size: int, chunks: int, alpha: Any, one: Any,
) -> None:  # fmt: skip
    weight, bias = carray(vector_at(w, one), n), carray(vector_at(b, one), n)
    room = np.empty((chunks, n), weight.dtype)
    for chunk in prange(chunks):
        bent = room[chunk]
        for row in range(chunk * m // chunks, (chunk + 1) * m // chunks):
            at = row * n * size
            _tanh_row(carray(vector_at(x + at, one), n), alpha, bent)
            if past_cache:
                _affine_row(bent, weight, bias, bent)
                stream(y + at, bent.ctypes.data, n * size // LINE)
            else:
                _affine_row(bent, weight, bias, carray(vector_at(y + at, one), n))


@over_rows
def backward(
    g: int, x: int, w: int, dx: int, dalpha: int, dw: int, db: int,
    m: int, n: int, size: int, chunks: int, alpha: Any, one: Any,
) -> None:  # fmt: skip
    """Rows of dx, and the sums over rows for α, weight and bias: each chunk's own first, then these in order."""
    weight = carray(vector_at(w, one), n)
    sums, room = np.zeros((chunks, 2 * n + 1), weight.dtype), np.empty((chunks, n), weight.dtype)
    for chunk in prange(chunks):
        mine, bent = sums[chunk], room[chunk]
        for row in range(chunk * m // chunks, (chunk + 1) * m // chunks):
            at = row * n * size
            gradient, source = carray(vector_at(g + at, one), n), carray(vector_at(x + at, one), n)
            result = carray(vector_at(dx + at, one), n)
            _tanh_row(source, alpha, bent)
            _gather_affine(gradient, bent, mine[:n], mine[n : 2 * n])
            # Without its factor α the gradient of x is what the gradient of α sums against x.
            _gradient_row(gradient, bent, weight, result, one, one)
            mine[2 * n] += _dot(result, source, one)
            _scale_row(result, alpha)
    total = carray(vector_at(dalpha, one), 1)
    gains, shifts = carray(vector_at(dw, one), n), carray(vector_at(db, one), n)
    for each in (total, gains, shifts):
        clear(each, one)
    for chunk in range(chunks):
        mine = sums[chunk]
        add_into(gains, mine[:n])
        add_into(shifts, mine[n : 2 * n])
        total[0] += mine[2 * n]


@arithmetic
def _scale_row(x: Any, factor: Any) -> None:
    for i in range(len(x)):
        x[i] *= factor
