"""LSTM and GRU over a whole sequence on the CPU: a matrix product and one fused kernel a step, forward and backward.

All tensors are contiguous and of one type, float32 or float64; `a` is the inputs' share of the gates (time, batch,
gates), normalized and with every bias added. What the backward pass needs is kept in buffers for all steps, so that the
gradients of U and of the norms come from one product and one sum after the loop.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lncore.kernels.cpu import gru, lstm
from lncore.kernels.cpu.backend import constant
from lncore.kernels.cpu.numba_threads import torch_threads
from lncore.kernels.cpu.pages import prepare
from lncore.kernels.plan import Plan

NORMS = {"none": lstm.NONE, "layer_norm": lstm.LAYER, "rms_norm": lstm.RMS}
WIDEST = 1 << 20  # hidden units: any number that fits the memory
_NUMBER = {torch.float32: np.float32, torch.float64: np.float64}


class _Walk(NamedTuple):
    """The order of the steps, and where a step finds the state before it and leaves the state after it."""

    steps: range
    before: int
    after: int


def _walk(length: int, plan: Plan) -> _Walk:
    return _Walk(range(length - 1, -1, -1), 1, 0) if plan.reverse else _Walk(range(length), 0, 1)


def _states(a: Tensor, first: Tensor, plan: Plan) -> Tensor:
    """Room for the states before and after every step, the initial one filled in."""
    states = a.new_empty(a.shape[0] + 1, *first.shape)
    states[-1 if plan.reverse else 0] = first
    return states


def _room(like: Tensor) -> Tensor:
    """A tensor to be filled, on huge pages where it is large and new."""
    room = torch.empty_like(like)
    prepare(room)
    return room


def _chunks(batch: int) -> int:
    """How many pieces of the batch gather gradients apart: a function of the shape, so that sums keep their order."""
    return min(batch, 16)


def lstm_forward(
    a: Tensor, u: Tensor, h0: Tensor, c0: Tensor, w: Tensor | None, cell_w: Tensor | None, cell_b: Tensor | None,
    mask: Tensor | None, plan: Plan,
) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:  # fmt: skip
    """(hidden states of every step, last carried cell, what lstm_backward needs)."""
    length, batch, hidden = a.shape[0], a.shape[1], u.shape[1]
    dtype, number, size, walk = a.dtype, _NUMBER[a.dtype], a.itemsize, _walk(a.shape[0], plan)
    w, cell_w = (
        constant(1.0, 4 * hidden, dtype) if w is None else w,
        constant(1.0, hidden, dtype) if cell_w is None else cell_w,
    )
    cell_b = constant(0.0, hidden, dtype) if cell_b is None else cell_b
    r, gates, stats = _room(a), _room(a), a.new_empty(length, batch, 2, 3)
    h, carried = _states(a, h0, plan), _states(a, c0, plan)
    bent = a.new_empty(length, batch, hidden)
    c = torch.empty_like(bent) if plan.carry else carried[walk.after : length + walk.after]
    weights = (w.data_ptr(), cell_w.data_ptr(), cell_b.data_ptr())
    numbers = (number(4 * hidden), number(hidden), number(plan.eps[0]), number(plan.cell_eps), number(1))
    norms = (NORMS[plan.norm], NORMS[plan.cell_norm], plan.carry)
    h_steps, products, transposed = h.unbind(0), r.unbind(0), u.t()
    wide, narrow = batch * 4 * hidden * size, batch * hidden * size
    with torch_threads():
        for t in walk.steps:
            before, after = (t + walk.before) * narrow, (t + walk.after) * narrow
            torch.mm(h_steps[t + walk.before], transposed, out=products[t])
            lstm.forward(
                a.data_ptr() + t * wide, r.data_ptr() + t * wide, *weights,
                0 if mask is None else mask.data_ptr() + t * batch * size,
                h.data_ptr() + before, carried.data_ptr() + before, gates.data_ptr() + t * wide,
                stats.data_ptr() + t * batch * 6 * size, c.data_ptr() + t * narrow, carried.data_ptr() + after,
                bent.data_ptr() + t * narrow, h.data_ptr() + after, batch, hidden, size, *numbers, *norms,
            )  # fmt: skip
    last = carried[0 if plan.reverse else length].clone()
    saved = (u, w, cell_w, r, gates, stats, h, carried, c, bent)
    return h[walk.after : length + walk.after], last, saved


def lstm_backward(
    dy: Tensor, dc: Tensor, mask: Tensor | None, saved: tuple[Tensor, ...], plan: Plan
) -> tuple[Tensor, ...]:
    """Gradients of a, u, h0, c0, w, cell_w and cell_b; `dc` of the last carried cell is used up."""
    u, w, cell_w, r, gates, stats, h, carried, c, bent = saved
    length, batch, hidden = dy.shape
    number, size, walk, chunks = _NUMBER[dy.dtype], dy.itemsize, _walk(length, plan), _chunks(batch)
    da, dh, held = _room(r), dy.new_zeros(batch, hidden), dy.new_zeros(batch, hidden)
    dr = da if plan.norm == "none" else _room(r)
    partials, cell_partials = dy.new_zeros(chunks, 2, 4 * hidden), dy.new_zeros(chunks, 2, hidden)
    scratch = dy.new_empty(chunks, 2, hidden)
    numbers = (chunks, number(4 * hidden), number(hidden), number(1))
    norms = (NORMS[plan.norm], NORMS[plan.cell_norm], plan.carry)
    sums = (partials.data_ptr(), cell_partials.data_ptr(), scratch.data_ptr())
    wide, narrow, products = batch * 4 * hidden * size, batch * hidden * size, dr.unbind(0)
    with torch_threads():
        for t in reversed(walk.steps):
            lstm.backward(
                dy.data_ptr() + t * narrow, dh.data_ptr(), dc.data_ptr(), held.data_ptr(),
                0 if mask is None else mask.data_ptr() + t * batch * size, w.data_ptr(), cell_w.data_ptr(),
                r.data_ptr() + t * wide, gates.data_ptr() + t * wide, stats.data_ptr() + t * batch * 6 * size,
                c.data_ptr() + t * narrow, carried.data_ptr() + (t + walk.before) * narrow,
                bent.data_ptr() + t * narrow, da.data_ptr() + t * wide, dr.data_ptr() + t * wide, *sums,
                batch, hidden, size, *numbers, *norms,
            )  # fmt: skip
            torch.mm(products[t], u, out=dh)
    du = dr.view(-1, 4 * hidden).t() @ h[walk.before : length + walk.before].view(-1, hidden)
    dw, (dcell_w, dcell_b) = partials.sum(0)[0], cell_partials.sum(0)
    return da, du, dh.add_(held), dc, dw, dcell_w, dcell_b


def gru_forward(
    a: Tensor, u: Tensor, h0: Tensor, w: Tensor | None, b: Tensor | None, mask: Tensor | None, plan: Plan
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """(hidden states of every step, what gru_backward needs); b is added to the candidate's recurrent share."""
    length, batch, hidden = a.shape[0], a.shape[1], u.shape[1]
    dtype, number, size, walk = a.dtype, _NUMBER[a.dtype], a.itemsize, _walk(a.shape[0], plan)
    w = constant(1.0, 3 * hidden, dtype) if w is None else w
    b = constant(0.0, hidden, dtype) if b is None else b
    p, gates, stats = _room(a), _room(a), a.new_empty(length, batch, 2, 3)
    h, q = _states(a, h0, plan), a.new_empty(length, batch, hidden)
    counts = tuple(number(k * hidden) for k in (1, 2, 3))
    fixed = (counts, (number(plan.eps[0]), number(plan.eps[1])), number(1), NORMS[plan.norm], plan.joint)
    h_steps, products, transposed = h.unbind(0), p.unbind(0), u.t()
    wide, narrow = batch * 3 * hidden * size, batch * hidden * size
    with torch_threads():
        for t in walk.steps:
            before, after = (t + walk.before) * narrow, (t + walk.after) * narrow
            torch.mm(h_steps[t + walk.before], transposed, out=products[t])
            gru.forward(
                a.data_ptr() + t * wide, p.data_ptr() + t * wide, w.data_ptr(), b.data_ptr(),
                0 if mask is None else mask.data_ptr() + t * batch * size, h.data_ptr() + before,
                gates.data_ptr() + t * wide, stats.data_ptr() + t * batch * 6 * size, q.data_ptr() + t * narrow,
                h.data_ptr() + after, batch, hidden, size, *fixed,
            )  # fmt: skip
    return h[walk.after : length + walk.after], (u, w, p, gates, stats, q, h)


def gru_backward(dy: Tensor, mask: Tensor | None, saved: tuple[Tensor, ...], plan: Plan) -> tuple[Tensor, ...]:
    """Gradients of a, u, h0, w and b."""
    u, w, p, gates, stats, q, h = saved
    length, batch, hidden = dy.shape
    number, size, walk, chunks = _NUMBER[dy.dtype], dy.itemsize, _walk(length, plan), _chunks(batch)
    da, dp, dh, held = _room(p), _room(p), *dy.new_zeros(2, batch, hidden)
    partials, scratch = dy.new_zeros(chunks, 2, 3 * hidden), dy.new_empty(chunks, 3 * hidden)
    counts = tuple(number(k * hidden) for k in (1, 2, 3))
    wide, narrow, products = batch * 3 * hidden * size, batch * hidden * size, dp.unbind(0)
    with torch_threads():
        for t in reversed(walk.steps):
            gru.backward(
                dy.data_ptr() + t * narrow, dh.data_ptr(), held.data_ptr(),
                0 if mask is None else mask.data_ptr() + t * batch * size, w.data_ptr(), p.data_ptr() + t * wide,
                gates.data_ptr() + t * wide, stats.data_ptr() + t * batch * 6 * size, q.data_ptr() + t * narrow,
                h.data_ptr() + (t + walk.before) * narrow, da.data_ptr() + t * wide, dp.data_ptr() + t * wide,
                partials.data_ptr(), scratch.data_ptr(), batch, hidden, size, chunks, counts, number(1),
                NORMS[plan.norm], plan.joint,
            )  # fmt: skip
            torch.mm(products[t], u, out=dh)
    du = dp.view(-1, 3 * hidden).t() @ h[walk.before : length + walk.before].view(-1, hidden)
    dw, db = partials.sum(0)
    return da, du, dh.add_(held), dw, db[2 * hidden :].clone()
