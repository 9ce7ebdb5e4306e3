"""One step of a normalized LSTM between two matrix products: the numba kernels, forward and backward.

Gates lie in torch's order i, f, g, o. The inputs' share of the gates arrives normalized and with every bias added; the
recurrent product and the cell are normalized here, by rows. A norm is one of NONE, LAYER and RMS.
"""

from typing import Any

from numba import prange
from numba.np.numpy_support import carray

from lncore.kernels.cpu.addresses import vector_at, widest
from lncore.kernels.cpu.bend import logistic, tanh
from lncore.kernels.cpu.compiling import arithmetic, over_rows
from lncore.kernels.cpu.rows import DELTA, MEAN, RSTD, moments, projections, write_gradients

NONE, LAYER, RMS = 0, 1, 2


@arithmetic
def statistics(x: Any, saved: Any, count: Any, one: Any, eps: Any, norm: int) -> None:
    """Fill `saved` with mean, delta and reciprocal deviation, 0, 0, 1 where nothing is normalized."""
    if norm == NONE:
        saved[MEAN], saved[DELTA], saved[RSTD] = one - one, one - one, one
    else:
        saved[MEAN], saved[DELTA], saved[RSTD] = moments(x, count, one, eps, norm == LAYER)


@arithmetic
def gate_input(a: Any, r: Any, w: Any, out: Any, saved: Any) -> None:
    """The gates before activation: a + x̂(r)·w."""
    widest()
    mean, delta, rstd = saved[MEAN], saved[DELTA], saved[RSTD]
    for i in range(len(out)):
        out[i] = a[i] + ((r[i] - mean) - delta) * rstd * w[i]


@arithmetic
def logistic_row(x: Any) -> None:
    widest()
    for i in range(len(x)):
        x[i] = logistic(x[i])


@arithmetic
def tanh_row(x: Any) -> None:
    widest()
    for i in range(len(x)):
        x[i] = tanh(x[i])


@arithmetic
def _cell(i: Any, f: Any, g: Any, before: Any, c: Any) -> None:
    for k in range(len(c)):
        c[k] = f[k] * before[k] + i[k] * g[k]


@arithmetic
def normalized_row(c: Any, w: Any, b: Any, out: Any, saved: Any) -> None:
    mean, delta, rstd = saved[MEAN], saved[DELTA], saved[RSTD]
    for k in range(len(c)):
        out[k] = ((c[k] - mean) - delta) * rstd * w[k] + b[k]


@arithmetic
def _hidden(o: Any, bent: Any, h: Any) -> None:
    for k in range(len(h)):
        h[k] = o[k] * bent[k]


@arithmetic
def copy_row(source: Any, target: Any) -> None:
    for k in range(len(source)):
        target[k] = source[k]


@over_rows
def forward(
    a: int, r: int, w: int, cell_w: int, cell_b: int, mask: int, h_before: int, c_before: int,
    gates: int, stats: int, c: int, carried: int, bent: int, h: int,
    batch: int, hidden: int, size: int, count4: Any, count: Any, eps: Any, cell_eps: Any, one: Any,
    norm: int, cell_norm: int, carry: bool,
) -> None:  # fmt: skip
    """From a (input share) and r = h_before·Uᵀ: the activated gates, both norms' statistics, c, tanh of its norm, h.

    `carried` is the state the next step starts from: c itself, or its normalized form where `carry` says so. Rows whose
    mask is 0 keep their state.
    """
    for row in prange(batch):
        wide, narrow, at_stats = row * 4 * hidden * size, row * hidden * size, stats + row * 6 * size
        pre = carray(vector_at(gates + wide, one), 4 * hidden)
        product = carray(vector_at(r + wide, one), 4 * hidden)
        saved, cell_saved = carray(vector_at(at_stats, one), 3), carray(vector_at(at_stats + 3 * size, one), 3)
        statistics(product, saved, count4, one, eps, norm)
        share = carray(vector_at(a + wide, one), 4 * hidden)
        gate_input(share, product, carray(vector_at(w, one), 4 * hidden), pre, saved)
        logistic_row(pre[: 2 * hidden])
        tanh_row(pre[2 * hidden : 3 * hidden])
        logistic_row(pre[3 * hidden :])
        before = carray(vector_at(c_before + narrow, one), hidden)
        raw = carray(vector_at(c + narrow, one), hidden)
        _cell(pre[:hidden], pre[hidden : 2 * hidden], pre[2 * hidden : 3 * hidden], before, raw)
        statistics(raw, cell_saved, count, one, cell_eps, cell_norm)
        curved, state = carray(vector_at(bent + narrow, one), hidden), carray(vector_at(carried + narrow, one), hidden)
        weight, bias = carray(vector_at(cell_w, one), hidden), carray(vector_at(cell_b, one), hidden)
        normalized_row(raw, weight, bias, curved, cell_saved)
        if carry:
            copy_row(curved, state)
        tanh_row(curved)
        out = carray(vector_at(h + narrow, one), hidden)
        _hidden(pre[3 * hidden :], curved, out)
        if mask != 0 and carray(vector_at(mask + row * size, one), 1)[0] == one - one:
            copy_row(carray(vector_at(h_before + narrow, one), hidden), out)
            copy_row(before, state)


@arithmetic
def _output_gradients(dh: Any, o: Any, bent: Any, do: Any, dn: Any, one: Any) -> None:
    """Through h = o·tanh(n): the gradients before the output gate's logistic, and of n."""
    for k in range(len(dh)):
        do[k] = dh[k] * bent[k] * o[k] * (one - o[k])
    for k in range(len(dh)):
        dn[k] = dh[k] * o[k] * (one - bent[k] * bent[k])


@arithmetic
def _gate_gradients(dc: Any, i: Any, f: Any, g: Any, before: Any, di: Any, df: Any, dg: Any, one: Any) -> None:
    for k in range(len(dc)):
        di[k] = dc[k] * g[k] * i[k] * (one - i[k])
    for k in range(len(dc)):
        df[k] = dc[k] * before[k] * f[k] * (one - f[k])
    for k in range(len(dc)):
        dg[k] = dc[k] * i[k] * (one - g[k] * g[k])


@arithmetic
def add_row(x: Any, target: Any) -> None:
    for k in range(len(x)):
        target[k] += x[k]


@arithmetic
def multiply_row(x: Any, target: Any) -> None:
    for k in range(len(x)):
        target[k] *= x[k]


@arithmetic
def clear_row(x: Any, one: Any) -> None:
    for k in range(len(x)):
        x[k] = one - one


@arithmetic
def norm_gradient(
    g: Any, x: Any, w: Any, dx: Any, saved: Any, dw: Any, db: Any, count: Any, one: Any, norm: int
) -> None:
    """Gradients of x̂·w: dx, and dw and db added to; g itself passes where nothing is normalized."""
    if norm == NONE:
        copy_row(g, dx)
        return
    mean, delta, rstd = saved[MEAN], saved[DELTA], saved[RSTD]
    plain, along = projections(g, x, w, one, mean, delta, rstd)
    plain = plain / count if norm == LAYER else one - one
    write_gradients(g, x, w, dx, dw, db, mean, delta, rstd, plain, along / count)


@over_rows
def backward(
    dy: int, dh: int, dc: int, held: int, mask: int, w: int, cell_w: int, r: int, gates: int, stats: int,
    c: int, c_before: int, bent: int, dgates: int, dr: int, partials: int, cell_partials: int, scratch: int,
    batch: int, hidden: int, size: int, chunks: int, count4: Any, count: Any, one: Any,
    norm: int, cell_norm: int, carry: bool,
) -> None:  # fmt: skip
    """One step back: `dgates` (before activation), `dr` (of the product), `dc` of the state before, in place.

    dy comes from the output, dh from the step after. Rows whose mask is 0 pass dy + dh on in `held`, and dc as it is.
    """
    for chunk in prange(chunks):
        dw, db = (
            carray(vector_at(partials + chunk * 8 * hidden * size, one), 4 * hidden),
            carray(vector_at(partials + (chunk * 8 + 4) * hidden * size, one), 4 * hidden),
        )
        cell_dw, cell_db = (
            carray(vector_at(cell_partials + chunk * 2 * hidden * size, one), hidden),
            carray(vector_at(cell_partials + (chunk * 2 + 1) * hidden * size, one), hidden),
        )
        dn = carray(vector_at(scratch + chunk * 2 * hidden * size, one), hidden)
        draw = carray(vector_at(scratch + (chunk * 2 + 1) * hidden * size, one), hidden)
        weight, cell_weight = carray(vector_at(w, one), 4 * hidden), carray(vector_at(cell_w, one), hidden)
        for row in range(chunk * batch // chunks, (chunk + 1) * batch // chunks):
            wide, narrow, at_stats = row * 4 * hidden * size, row * hidden * size, stats + row * 6 * size
            below = carray(vector_at(dgates + wide, one), 4 * hidden)
            product_gradient = carray(vector_at(dr + wide, one), 4 * hidden)
            upper, after = carray(vector_at(dh + narrow, one), hidden), carray(vector_at(dc + narrow, one), hidden)
            add_row(carray(vector_at(dy + narrow, one), hidden), upper)
            if mask != 0:
                kept = carray(vector_at(held + narrow, one), hidden)
                add_row(kept, upper)
                if carray(vector_at(mask + row * size, one), 1)[0] == one - one:
                    copy_row(upper, kept)
                    clear_row(below, one)
                    clear_row(product_gradient, one)
                    continue
                clear_row(kept, one)
            pre = carray(vector_at(gates + wide, one), 4 * hidden)
            curved = carray(vector_at(bent + narrow, one), hidden)
            _output_gradients(upper, pre[3 * hidden :], curved, below[3 * hidden :], dn, one)
            if carry:
                add_row(after, dn)
            raw, cell_saved = carray(vector_at(c + narrow, one), hidden), carray(vector_at(at_stats + 3 * size, one), 3)
            norm_gradient(dn, raw, cell_weight, draw, cell_saved, cell_dw, cell_db, count, one, cell_norm)
            if not carry:
                add_row(after, draw)
            _gate_gradients(
                draw, pre[:hidden], pre[hidden : 2 * hidden], pre[2 * hidden : 3 * hidden],
                carray(vector_at(c_before + narrow, one), hidden),
                below[:hidden], below[hidden : 2 * hidden], below[2 * hidden : 3 * hidden], one,
            )  # fmt: skip
            copy_row(draw, after)
            multiply_row(pre[hidden : 2 * hidden], after)
            product, saved = carray(vector_at(r + wide, one), 4 * hidden), carray(vector_at(at_stats, one), 3)
            norm_gradient(below, product, weight, product_gradient, saved, dw, db, count4, one, norm)
