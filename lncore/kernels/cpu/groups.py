"""Group norm over (batch, channels, positions): the numba kernels, forward and backward.

A group's channels and positions lie next to each other, so its statistics are those of a row; what differs from layer
norm is that weight and bias belong to channels, each a run of the row.
"""

from typing import Any

from numba import prange
from numba.np.numpy_support import carray

from lncore.kernels.cpu.addresses import plus, vector_at, widest
from lncore.kernels.cpu.compiling import arithmetic, over_rows
from lncore.kernels.cpu.rows import DELTA, MEAN, RSTD, moments


@arithmetic
def _write_run(x: Any, y: Any, mean: Any, delta: Any, scale: Any, shift: Any) -> None:
    widest()
    for i in range(len(x)):
        y[i] = ((x[i] - mean) - delta) * scale + shift


@arithmetic
def _sums(g: Any, x: Any, one: Any, mean: Any, delta: Any) -> Any:
    """Σ g·(x − mean) and Σ g over one channel's run."""
    widest()
    along = plain = one - one
    for i in range(len(x)):
        along = plus(along, g[i] * ((x[i] - mean) - delta))
        plain = plus(plain, g[i])
    return along, plain


@arithmetic
def _write_gradient(g: Any, x: Any, dx: Any, w: Any, mean: Any, delta: Any, rstd: Any, plain: Any, along: Any) -> None:
    widest()
    for i in range(len(x)):
        dx[i] = (g[i] * w - plain - ((x[i] - mean) - delta) * along) * rstd


@over_rows
def forward(
    x: int, w: int, b: int, y: int, stats: int, rows: int, groups: int, channels: int, positions: int, size: int,
    count: Any, eps: Any, one: Any,
) -> None:  # fmt: skip
    """`rows` = batch·groups; `channels` are those of one group."""
    n = channels * positions
    weight, bias = carray(vector_at(w, one), groups * channels), carray(vector_at(b, one), groups * channels)
    for row in prange(rows):
        at = row * n * size
        mean, delta, rstd = moments(carray(vector_at(x + at, one), n), count, one, eps, True)
        saved = carray(vector_at(stats + row * 3 * size, one), 3)
        saved[MEAN], saved[DELTA], saved[RSTD] = mean, delta, rstd
        for c in range(channels):
            channel = row % groups * channels + c
            run = at + c * positions * size
            source, target = carray(vector_at(x + run, one), positions), carray(vector_at(y + run, one), positions)
            _write_run(source, target, mean, delta, rstd * weight[channel], bias[channel])


@over_rows
def backward(
    g: int, x: int, w: int, stats: int, dx: int, partials: int,
    rows: int, groups: int, channels: int, positions: int, size: int, count: Any, one: Any,
) -> None:  # fmt: skip
    """dx, and in `partials` (batch, 2, channels) the sums of g·x̂ and g of every channel of every case."""
    n = channels * positions
    weight = carray(vector_at(w, one), groups * channels)
    for row in prange(rows):
        at = row * n * size
        saved = carray(vector_at(stats + row * 3 * size, one), 3)
        mean, delta, rstd = saved[MEAN], saved[DELTA], saved[RSTD]
        first = (row // groups * 2 * groups + row % groups) * channels * size
        dw = carray(vector_at(partials + first, one), channels)
        db = carray(vector_at(partials + first + groups * channels * size, one), channels)
        along = plain = one - one
        for c in range(channels):
            run = at + c * positions * size
            gradient, source = carray(vector_at(g + run, one), positions), carray(vector_at(x + run, one), positions)
            run_along, run_plain = _sums(gradient, source, one, mean, delta)
            dw[c], db[c] = run_along * rstd, run_plain
            along = plus(along, weight[row % groups * channels + c] * dw[c])
            plain = plus(plain, weight[row % groups * channels + c] * run_plain)
        for c in range(channels):
            run = at + c * positions * size
            gradient, source = carray(vector_at(g + run, one), positions), carray(vector_at(x + run, one), positions)
            target = carray(vector_at(dx + run, one), positions)
            scale = weight[row % groups * channels + c]
            _write_gradient(gradient, source, target, scale, mean, delta, rstd, plain / count, along * rstd / count)
