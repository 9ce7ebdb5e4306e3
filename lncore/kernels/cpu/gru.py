"""One step of a normalized GRU between two matrix products: the numba kernels, forward and backward.

Gates lie in torch's order r, z, n. The inputs' share arrives normalized and with its biases added; the recurrent
product is normalized here, by rows: r and z together and n alone as in the paper, or all three together (`joint`).
"""

from typing import Any

from numba import prange
from numba.np.numpy_support import carray

from lncore.kernels.cpu.addresses import vector_at
from lncore.kernels.cpu.bend import tanh
from lncore.kernels.cpu.compiling import arithmetic, over_rows
from lncore.kernels.cpu.lstm import (
    NONE,
    add_row,
    clear_row,
    copy_row,
    gate_input,
    logistic_row,
    norm_gradient,
    normalized_row,
    statistics,
)


@arithmetic
def _both_statistics(p: Any, saved: Any, counts: Any, one: Any, eps: Any, norm: int, joint: bool) -> None:
    """Six numbers: the statistics of r and z, then those of n; the same three twice where they are joint."""
    hidden = len(p) // 3
    if joint:
        statistics(p, saved[:3], counts[2], one, eps[0], norm)
        copy_row(saved[:3], saved[3:])
    else:
        statistics(p[: 2 * hidden], saved[:3], counts[1], one, eps[0], norm)
        statistics(p[2 * hidden :], saved[3:], counts[0], one, eps[1], norm)


@arithmetic
def _candidate(a: Any, r: Any, q: Any, n: Any) -> None:
    for k in range(len(n)):
        n[k] = tanh(a[k] + r[k] * q[k])


@arithmetic
def _mix(z: Any, n: Any, before: Any, h: Any) -> None:
    for k in range(len(h)):
        h[k] = n[k] + z[k] * (before[k] - n[k])


@over_rows
def forward(
    a: int, p: int, w: int, b: int, mask: int, h_before: int, gates: int, stats: int, q: int, h: int,
    batch: int, hidden: int, size: int, counts: Any, eps: Any, one: Any, norm: int, joint: bool,
) -> None:  # fmt: skip
    """From a (input share) and p = h_before·Uᵀ: the activated gates, the statistics, q (n's normalized share), h.

    w scales all 3·hidden normalized products, b is added to n's. Rows whose mask is 0 keep their state.
    """
    for row in prange(batch):
        wide, narrow = row * 3 * hidden * size, row * hidden * size
        share, product = carray(vector_at(a + wide, one), 3 * hidden), carray(vector_at(p + wide, one), 3 * hidden)
        saved = carray(vector_at(stats + row * 6 * size, one), 6)
        _both_statistics(product, saved, counts, one, eps, norm, joint)
        pre, weight = carray(vector_at(gates + wide, one), 3 * hidden), carray(vector_at(w, one), 3 * hidden)
        gate_input(share[: 2 * hidden], product[: 2 * hidden], weight[: 2 * hidden], pre[: 2 * hidden], saved[:3])
        logistic_row(pre[: 2 * hidden])
        inner = carray(vector_at(q + narrow, one), hidden)
        bias = carray(vector_at(b, one), hidden)
        normalized_row(product[2 * hidden :], weight[2 * hidden :], bias, inner, saved[3:])
        _candidate(share[2 * hidden :], pre[:hidden], inner, pre[2 * hidden :])
        before, out = carray(vector_at(h_before + narrow, one), hidden), carray(vector_at(h + narrow, one), hidden)
        if mask != 0 and carray(vector_at(mask + row * size, one), 1)[0] == one - one:
            copy_row(before, out)
        else:
            _mix(pre[hidden : 2 * hidden], pre[2 * hidden :], before, out)


@arithmetic
def _gate_gradients(dh: Any, gates: Any, q: Any, before: Any, da: Any, dq: Any, held: Any, one: Any) -> None:
    """Through h = n + z·(before − n): `da` before the activations, `dq` of the products, `held` of before."""
    hidden = len(dh)
    r, z, n = gates[:hidden], gates[hidden : 2 * hidden], gates[2 * hidden :]
    dr, dz, dn = da[:hidden], da[hidden : 2 * hidden], da[2 * hidden :]
    for k in range(hidden):
        dz[k] = dh[k] * (before[k] - n[k]) * z[k] * (one - z[k])
    for k in range(hidden):
        dn[k] = dh[k] * (one - z[k]) * (one - n[k] * n[k])
    for k in range(hidden):
        dr[k] = dn[k] * q[k] * r[k] * (one - r[k])
    for k in range(hidden):
        held[k] = dh[k] * z[k]
    inner = dq[2 * hidden :]
    copy_row(da[: 2 * hidden], dq[: 2 * hidden])
    for k in range(hidden):
        inner[k] = dn[k] * r[k]


@over_rows
def backward(
    dy: int, dh: int, held: int, mask: int, w: int, p: int, gates: int, stats: int, q: int, h_before: int,
    da: int, dp: int, partials: int, scratch: int, batch: int, hidden: int, size: int, chunks: int,
    counts: Any, one: Any, norm: int, joint: bool,
) -> None:  # fmt: skip
    """One step back: `da` (input share), `dp` (recurrent product) and `held`, which goes to h_before past the product.

    dy comes from the output, dh through the product of the step after. `partials` (chunks, 2, 3·hidden) gathers the
    gradients of w, and of what is added to the normalized products (its last third is that of b).
    """
    for chunk in prange(chunks):
        dw = carray(vector_at(partials + chunk * 6 * hidden * size, one), 3 * hidden)
        db = carray(vector_at(partials + (chunk * 6 + 3) * hidden * size, one), 3 * hidden)
        dq = carray(vector_at(scratch + chunk * 3 * hidden * size, one), 3 * hidden)
        weight = carray(vector_at(w, one), 3 * hidden)
        for row in range(chunk * batch // chunks, (chunk + 1) * batch // chunks):
            wide, narrow = row * 3 * hidden * size, row * hidden * size
            below, product_gradient = (
                carray(vector_at(da + wide, one), 3 * hidden),
                carray(vector_at(dp + wide, one), 3 * hidden),
            )
            upper, kept = carray(vector_at(dh + narrow, one), hidden), carray(vector_at(held + narrow, one), hidden)
            add_row(carray(vector_at(dy + narrow, one), hidden), upper)
            add_row(kept, upper)
            if mask != 0 and carray(vector_at(mask + row * size, one), 1)[0] == one - one:
                copy_row(upper, kept)
                clear_row(below, one)
                clear_row(product_gradient, one)
                continue
            active = carray(vector_at(gates + wide, one), 3 * hidden)
            inner, before = (
                carray(vector_at(q + narrow, one), hidden),
                carray(vector_at(h_before + narrow, one), hidden),
            )
            _gate_gradients(upper, active, inner, before, below, dq, kept, one)
            product = carray(vector_at(p + wide, one), 3 * hidden)
            saved = carray(vector_at(stats + row * 6 * size, one), 6)
            if norm == NONE:
                copy_row(dq, product_gradient)
                add_row(dq, db)
            elif joint:
                norm_gradient(dq, product, weight, product_gradient, saved[:3], dw, db, counts[2], one, norm)
            else:
                cut = 2 * hidden
                norm_gradient(
                    dq[:cut], product[:cut], weight[:cut], product_gradient[:cut], saved[:3], dw[:cut], db[:cut],
                    counts[1], one, norm,
                )  # fmt: skip
                norm_gradient(
                    dq[cut:], product[cut:], weight[cut:], product_gradient[cut:], saved[3:], dw[cut:], db[cut:],
                    counts[0], one, norm,
                )  # fmt: skip
