"""LSTM and GRU over a whole sequence on a GPU: a matrix product and one Triton kernel a step, forward and backward.

The same functions as in lncore.kernels.cpu.sequences, over contiguous float32 tensors. The gradients of the norms are
summed over all steps at once, after the loop.
"""

import torch
import triton
from torch import Tensor

from lncore.kernels.gpu import steps
from lncore.kernels.gpu.device import on_its_device
from lncore.kernels.plan import Plan

NORMS = {"none": 0, "layer_norm": 1, "rms_norm": 2}
# A program holds four gates of one sequence in registers.
WIDEST = 2048


def _order(length: int, plan: Plan) -> tuple[range, int, int]:
    """The steps in their order, and where a step finds the state before it and leaves the one after it."""
    return (range(length - 1, -1, -1), 1, 0) if plan.reverse else (range(length), 0, 1)


def _states(a: Tensor, first: Tensor, plan: Plan) -> Tensor:
    states = a.new_empty(a.shape[0] + 1, *first.shape)
    states[-1 if plan.reverse else 0] = first
    return states


def _launch(hidden: int) -> dict[str, int]:
    columns = max(16, triton.next_power_of_2(hidden))
    return {"COLUMNS": columns, "num_warps": 4 if columns <= 512 else 8 if columns <= 1024 else 16}


def _or(tensor: Tensor | None, shape: int, like: Tensor, value: float) -> Tensor:
    return like.new_full((shape,), value) if tensor is None else tensor


@on_its_device
def lstm_forward(
    a: Tensor, u: Tensor, h0: Tensor, c0: Tensor, w: Tensor | None, cell_w: Tensor | None, cell_b: Tensor | None,
    mask: Tensor | None, plan: Plan,
) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:  # fmt: skip
    """(hidden states of every step, last carried cell, what lstm_backward needs)."""
    length, batch, hidden = a.shape[0], a.shape[1], u.shape[1]
    w, cell_w = _or(w, 4 * hidden, a, 1.0), _or(cell_w, hidden, a, 1.0)
    cell_b = _or(cell_b, hidden, a, 0.0)
    order, before, after = _order(length, plan)
    r, gates, stats = torch.empty_like(a), torch.empty_like(a), a.new_empty(length, batch, 2, 3)
    h, carried, bent = _states(a, h0, plan), _states(a, c0, plan), a.new_empty(length, batch, hidden)
    c, transposed = torch.empty_like(bent), u.t()
    for t in order:
        torch.mm(h[t + before], transposed, out=r[t])
        steps.lstm_forward[(batch,)](
            a[t], r[t], w, cell_w, cell_b, a if mask is None else mask[t], h[t + before], carried[t + before],
            gates[t], stats[t], c[t], carried[t + after], bent[t], h[t + after], hidden, plan.eps[0], plan.cell_eps,
            NORM=NORMS[plan.norm], CELL_NORM=NORMS[plan.cell_norm], CARRY=plan.carry, MASK=mask is not None,
            **_launch(hidden),
        )  # fmt: skip
    last = carried[0 if plan.reverse else length].clone()
    return h[after : length + after], last, (u, w, cell_w, r, gates, stats, h, carried, c, bent)


@on_its_device
def lstm_backward(
    dy: Tensor, dc: Tensor, mask: Tensor | None, saved: tuple[Tensor, ...], plan: Plan
) -> tuple[Tensor, ...]:
    """Gradients of a, u, h0, c0, w, cell_w and cell_b; `dc` of the last carried cell is used up."""
    u, w, cell_w, r, gates, stats, h, carried, c, bent = saved
    length, batch, hidden = dy.shape
    order, before, _ = _order(length, plan)
    da, dn, dh, held = torch.empty_like(r), torch.empty_like(dy), *dy.new_zeros(2, batch, hidden)
    dr = da if plan.norm == "none" else torch.empty_like(r)
    for t in reversed(order):
        steps.lstm_backward[(batch,)](
            dy[t], dh, dc, held, dy if mask is None else mask[t], w, cell_w, r[t], gates[t], stats[t], c[t],
            carried[t + before], bent[t], da[t], dr[t], dn[t], hidden,
            NORM=NORMS[plan.norm], CELL_NORM=NORMS[plan.cell_norm], CARRY=plan.carry, MASK=mask is not None,
            **_launch(hidden),
        )  # fmt: skip
        torch.mm(dr[t], u, out=dh)
    du = dr.view(-1, 4 * hidden).t() @ h[before : length + before].view(-1, hidden)
    dw = (da * _normal(r, stats[:, :, 0])).sum((0, 1))
    dcell_w = (dn * _normal(c, stats[:, :, 1])).sum((0, 1))
    return da, du, dh.add_(held), dc, dw, dcell_w, dn.sum((0, 1))


@on_its_device
def gru_forward(
    a: Tensor, u: Tensor, h0: Tensor, w: Tensor | None, b: Tensor | None, mask: Tensor | None, plan: Plan
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """(hidden states of every step, what gru_backward needs); b is added to the candidate's recurrent share."""
    length, batch, hidden = a.shape[0], a.shape[1], u.shape[1]
    w, b = _or(w, 3 * hidden, a, 1.0), _or(b, hidden, a, 0.0)
    order, before, after = _order(length, plan)
    p, gates, stats = torch.empty_like(a), torch.empty_like(a), a.new_empty(length, batch, 2, 3)
    h, q, transposed = _states(a, h0, plan), a.new_empty(length, batch, hidden), u.t()
    eps, other_eps = (plan.eps[0], plan.eps[0]) if plan.joint else plan.eps
    for t in order:
        torch.mm(h[t + before], transposed, out=p[t])
        steps.gru_forward[(batch,)](
            a[t], p[t], w, b, a if mask is None else mask[t], h[t + before], gates[t], stats[t], q[t], h[t + after],
            hidden, eps, other_eps, NORM=NORMS[plan.norm], JOINT=plan.joint, MASK=mask is not None, **_launch(hidden),
        )  # fmt: skip
    return h[after : length + after], (u, w, p, gates, stats, q, h)


@on_its_device
def gru_backward(dy: Tensor, mask: Tensor | None, saved: tuple[Tensor, ...], plan: Plan) -> tuple[Tensor, ...]:
    """Gradients of a, u, h0, w and b."""
    u, w, p, gates, stats, q, h = saved
    length, batch, hidden = dy.shape
    order, before, _ = _order(length, plan)
    da, dq, dh, held = torch.empty_like(p), torch.empty_like(p), *dy.new_zeros(2, batch, hidden)
    dp = dq if plan.norm == "none" else torch.empty_like(p)
    for t in reversed(order):
        steps.gru_backward[(batch,)](
            dy[t], dh, held, dy if mask is None else mask[t], w, p[t], gates[t], stats[t], q[t], h[t + before],
            da[t], dp[t], dq[t], hidden, NORM=NORMS[plan.norm], JOINT=plan.joint, MASK=mask is not None,
            **_launch(hidden),
        )  # fmt: skip
        torch.mm(dp[t], u, out=dh)
    du = dp.view(-1, 3 * hidden).t() @ h[before : length + before].view(-1, hidden)
    cut = 2 * hidden
    normal = torch.cat((_normal(p[:, :, :cut], stats[:, :, 0]), _normal(p[:, :, cut:], stats[:, :, 1])), -1)
    return da, du, dh.add_(held), (dq * normal).sum((0, 1)), dq[:, :, cut:].sum((0, 1))


def _normal(x: Tensor, stats: Tensor) -> Tensor:
    """x̂ from the saved mean, delta and reciprocal deviation."""
    return ((x - stats[..., :1]) - stats[..., 1:2]) * stats[..., 2:]
