"""One step of a normalized LSTM or GRU between two matrix products: the Triton kernels, forward and backward.

A program takes one sequence of the batch and holds its gates in registers. Norms are NONE 0, LAYER 1, RMS 2; gates
lie in torch's order. What is saved and what is meant by a mask, by `held` and by CARRY is as in lncore.kernels.cpu.
"""

# Triton reads annotations of kernels as types of its own.
# ruff: noqa: ANN001, ANN201, ANN202
# mypy: allow-untyped-defs, allow-incomplete-defs

import triton
import triton.language as tl

from lncore.kernels.gpu.bend import tanh


@triton.jit
def _statistics(x, inside, n, eps, NORM: tl.constexpr):
    """Mean, delta and reciprocal deviation of a block (parts, columns) taken as one row of n numbers."""
    mean = tl.sum(x) * 0.0
    delta = mean
    rstd = mean + 1.0
    d = x
    if NORM == 1:
        mean = tl.sum(x) / n
        d = tl.where(inside, x - mean, 0.0)
        delta = tl.sum(d) / n
        d = tl.where(inside, d - delta, 0.0)
    if NORM != 0:
        rstd = 1.0 / tl.sqrt(tl.sum(d * d) / n + eps)
    return mean, delta, rstd


@triton.jit
def _save(at, mean, delta, rstd):
    tl.store(at, mean)
    tl.store(at + 1, delta)
    tl.store(at + 2, rstd)


@triton.jit
def _normal(x, inside, at):
    """The normalized numbers of a block, from its saved statistics."""
    return tl.where(inside, ((x - tl.load(at)) - tl.load(at + 1)) * tl.load(at + 2), 0.0)


@triton.jit
def _through_norm(g, normal, inside, at, n, NORM: tl.constexpr):
    """The gradient before a norm, of g = gradient·gain behind it."""
    if NORM == 0:
        return g
    dx = g - normal * (tl.sum(g * normal) / n)
    if NORM == 1:
        dx = dx - tl.sum(g) / n
    return tl.where(inside, dx * tl.load(at + 2), 0.0)


@triton.jit
def lstm_forward(
    a_ptr, r_ptr, w_ptr, cell_w_ptr, cell_b_ptr, mask_ptr, h_before_ptr, c_before_ptr,
    gates_ptr, stats_ptr, c_ptr, carried_ptr, bent_ptr, h_ptr, hidden, eps, cell_eps,
    NORM: tl.constexpr, CELL_NORM: tl.constexpr, CARRY: tl.constexpr, MASK: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    gate, k = tl.arange(0, 4)[:, None], tl.arange(0, COLUMNS)
    here = k < hidden
    inside = (gate < 4) & here[None, :]
    block = gate * hidden + k[None, :]
    wide, at, stats = row * 4 * hidden, row * hidden + k, stats_ptr + row * 6
    r = tl.load(r_ptr + wide + block, mask=inside, other=0.0)
    mean, delta, rstd = _statistics(r, inside, 4 * hidden, eps, NORM)
    _save(stats, mean, delta, rstd)
    w = tl.load(w_ptr + block, mask=inside, other=0.0)
    pre = tl.load(a_ptr + wide + block, mask=inside, other=0.0) + ((r - mean) - delta) * rstd * w
    active = tl.where(gate == 2, tanh(pre), tl.sigmoid(pre))
    tl.store(gates_ptr + wide + block, active, mask=inside)
    i = tl.sum(tl.where(gate == 0, active, 0.0), 0)
    f = tl.sum(tl.where(gate == 1, active, 0.0), 0)
    g = tl.sum(tl.where(gate == 2, active, 0.0), 0)
    o = tl.sum(tl.where(gate == 3, active, 0.0), 0)
    before = tl.load(c_before_ptr + at, mask=here, other=0.0)
    kept = f * before
    c = tl.where(here, kept + i * g, 0.0)
    tl.store(c_ptr + at, c, mask=here)
    mean, delta, rstd = _statistics(c, here, hidden, cell_eps, CELL_NORM)
    _save(stats + 3, mean, delta, rstd)
    scale, shift = tl.load(cell_w_ptr + k, mask=here, other=0.0), tl.load(cell_b_ptr + k, mask=here, other=0.0)
    normalized = ((c - mean) - delta) * rstd * scale + shift
    bent = tanh(normalized)
    tl.store(bent_ptr + at, bent, mask=here)
    h = o * bent
    state = normalized if CARRY else c
    if MASK:
        alive = tl.load(mask_ptr + row) != 0.0
        h = tl.where(alive, h, tl.load(h_before_ptr + at, mask=here, other=0.0))
        state = tl.where(alive, state, before)
    tl.store(h_ptr + at, h, mask=here)
    tl.store(carried_ptr + at, state, mask=here)


@triton.jit
def lstm_backward(
    dy_ptr, dh_ptr, dc_ptr, held_ptr, mask_ptr, w_ptr, cell_w_ptr, r_ptr, gates_ptr, stats_ptr, c_ptr, c_before_ptr,
    bent_ptr, da_ptr, dr_ptr, dn_ptr, hidden,
    NORM: tl.constexpr, CELL_NORM: tl.constexpr, CARRY: tl.constexpr, MASK: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """One step back; `dn` (of the cell's norm) is kept for the sums over all steps."""
    row = tl.program_id(0).to(tl.int64)
    gate, k = tl.arange(0, 4)[:, None], tl.arange(0, COLUMNS)
    here = k < hidden
    inside = (gate < 4) & here[None, :]
    block = gate * hidden + k[None, :]
    wide, at, stats = row * 4 * hidden, row * hidden + k, stats_ptr + row * 6
    upper = tl.load(dy_ptr + at, mask=here, other=0.0) + tl.load(dh_ptr + at, mask=here, other=0.0)
    alive = 1.0
    if MASK:
        upper += tl.load(held_ptr + at, mask=here, other=0.0)
        alive = tl.where(tl.load(mask_ptr + row) != 0.0, 1.0, 0.0)
        tl.store(held_ptr + at, upper * (1.0 - alive), mask=here)
    upper = upper * alive
    active = tl.load(gates_ptr + wide + block, mask=inside, other=0.0)
    i = tl.sum(tl.where(gate == 0, active, 0.0), 0)
    f = tl.sum(tl.where(gate == 1, active, 0.0), 0)
    g = tl.sum(tl.where(gate == 2, active, 0.0), 0)
    o = tl.sum(tl.where(gate == 3, active, 0.0), 0)
    bent, after = tl.load(bent_ptr + at, mask=here, other=0.0), tl.load(dc_ptr + at, mask=here, other=0.0)
    dn = upper * o * (1.0 - bent * bent)
    if CARRY:
        dn += after * alive
    tl.store(dn_ptr + at, dn, mask=here)
    normal = _normal(tl.load(c_ptr + at, mask=here, other=0.0), here, stats + 3)
    gained = dn * tl.load(cell_w_ptr + k, mask=here, other=0.0) if CELL_NORM != 0 else dn
    dc = _through_norm(gained, normal, here, stats + 3, hidden, CELL_NORM)
    if not CARRY:
        dc += after * alive
    before = tl.load(c_before_ptr + at, mask=here, other=0.0)
    tl.store(dc_ptr + at, dc * f + after * (1.0 - alive), mask=here)
    di, df = dc * g * i * (1.0 - i), dc * before * f * (1.0 - f)
    dg, do = dc * i * (1.0 - g * g), upper * bent * o * (1.0 - o)
    da = tl.where(
        gate == 0, di[None, :], tl.where(gate == 1, df[None, :], tl.where(gate == 2, dg[None, :], do[None, :]))
    )
    tl.store(da_ptr + wide + block, da, mask=inside)
    if NORM != 0:
        normal = _normal(tl.load(r_ptr + wide + block, mask=inside, other=0.0), inside, stats)
        gained = da * tl.load(w_ptr + block, mask=inside, other=0.0)
        dr = _through_norm(gained, normal, inside, stats, 4 * hidden, NORM)
        tl.store(dr_ptr + wide + block, dr, mask=inside)


@triton.jit
def gru_forward(
    a_ptr, p_ptr, w_ptr, b_ptr, mask_ptr, h_before_ptr, gates_ptr, stats_ptr, q_ptr, h_ptr, hidden, eps, other_eps,
    NORM: tl.constexpr, JOINT: tl.constexpr, MASK: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    gate, k = tl.arange(0, 4)[:, None], tl.arange(0, COLUMNS)
    here = k < hidden
    inside = (gate < 3) & here[None, :]
    block = gate * hidden + k[None, :]
    wide, at, stats = row * 3 * hidden, row * hidden + k, stats_ptr + row * 6
    p = tl.load(p_ptr + wide + block, mask=inside, other=0.0)
    first = inside if JOINT else inside & (gate < 2)
    second = inside if JOINT else inside & (gate == 2)
    size = 3 * hidden if JOINT else 2 * hidden
    other_size = 3 * hidden if JOINT else hidden
    mean, delta, rstd = _statistics(tl.where(first, p, 0.0), first, size, eps, NORM)
    _save(stats, mean, delta, rstd)
    q = tl.where(gate < 2, ((p - mean) - delta) * rstd, 0.0)
    mean, delta, rstd = _statistics(tl.where(second, p, 0.0), second, other_size, other_eps, NORM)
    _save(stats + 3, mean, delta, rstd)
    q = tl.where(gate == 2, ((p - mean) - delta) * rstd, q) * tl.load(w_ptr + block, mask=inside, other=0.0)
    a = tl.load(a_ptr + wide + block, mask=inside, other=0.0)
    open_gates = tl.sigmoid(a + q)
    r = tl.sum(tl.where(gate == 0, open_gates, 0.0), 0)
    z = tl.sum(tl.where(gate == 1, open_gates, 0.0), 0)
    inner = tl.sum(tl.where(gate == 2, q, 0.0), 0) + tl.load(b_ptr + k, mask=here, other=0.0)
    n = tanh(tl.sum(tl.where(gate == 2, a, 0.0), 0) + r * inner)
    tl.store(q_ptr + at, inner, mask=here)
    tl.store(gates_ptr + wide + block, tl.where(gate == 2, n[None, :], open_gates), mask=inside)
    before = tl.load(h_before_ptr + at, mask=here, other=0.0)
    h = n + z * (before - n)
    if MASK:
        h = tl.where(tl.load(mask_ptr + row) != 0.0, h, before)
    tl.store(h_ptr + at, h, mask=here)


@triton.jit
def gru_backward(
    dy_ptr, dh_ptr, held_ptr, mask_ptr, w_ptr, p_ptr, gates_ptr, stats_ptr, q_ptr, h_before_ptr, da_ptr, dp_ptr,
    dq_ptr, hidden, NORM: tl.constexpr, JOINT: tl.constexpr, MASK: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """One step back; `dq` (of the normalized products) is kept for the sums over all steps."""
    row = tl.program_id(0).to(tl.int64)
    gate, k = tl.arange(0, 4)[:, None], tl.arange(0, COLUMNS)
    here = k < hidden
    inside = (gate < 3) & here[None, :]
    block = gate * hidden + k[None, :]
    wide, at, stats = row * 3 * hidden, row * hidden + k, stats_ptr + row * 6
    upper = tl.load(dy_ptr + at, mask=here, other=0.0) + tl.load(dh_ptr + at, mask=here, other=0.0)
    upper += tl.load(held_ptr + at, mask=here, other=0.0)
    alive = 1.0
    if MASK:
        alive = tl.where(tl.load(mask_ptr + row) != 0.0, 1.0, 0.0)
    active = tl.load(gates_ptr + wide + block, mask=inside, other=0.0)
    r = tl.sum(tl.where(gate == 0, active, 0.0), 0)
    z = tl.sum(tl.where(gate == 1, active, 0.0), 0)
    n = tl.sum(tl.where(gate == 2, active, 0.0), 0)
    before = tl.load(h_before_ptr + at, mask=here, other=0.0)
    tl.store(held_ptr + at, upper * (z * alive + (1.0 - alive)), mask=here)
    upper = upper * alive
    dz = upper * (before - n) * z * (1.0 - z)
    dn = upper * (1.0 - z) * (1.0 - n * n)
    dr = dn * tl.load(q_ptr + at, mask=here, other=0.0) * r * (1.0 - r)
    da = tl.where(gate == 0, dr[None, :], tl.where(gate == 1, dz[None, :], dn[None, :]))
    tl.store(da_ptr + wide + block, da, mask=inside)
    dq = tl.where(gate == 2, (dn * r)[None, :], da)
    tl.store(dq_ptr + wide + block, dq, mask=inside)
    if NORM != 0:
        p = tl.load(p_ptr + wide + block, mask=inside, other=0.0)
        gained = tl.where(inside, dq * tl.load(w_ptr + block, mask=inside, other=0.0), 0.0)
        if JOINT:
            dp = _through_norm(gained, _normal(p, inside, stats), inside, stats, 3 * hidden, NORM)
        else:
            first, second = inside & (gate < 2), inside & (gate == 2)
            dp = _through_norm(
                tl.where(first, gained, 0.0), _normal(p, first, stats), first, stats, 2 * hidden, NORM
            ) + _through_norm(
                tl.where(second, gained, 0.0), _normal(p, second, stats + 3), second, stats + 3, hidden, NORM
            )
        tl.store(dp_ptr + wide + block, dp, mask=inside)
