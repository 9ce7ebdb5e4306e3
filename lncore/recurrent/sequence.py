"""LSTM and GRU over a sequence as one autograd function, where a backend has fused steps for it."""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from lncore import plain
from lncore.kernels.autograd import differentiable_gradients
from lncore.kernels.plan import Plan
from lncore.moments import above_zero, widen
from lncore.recurrent.cells import Norm, gru_cell, lstm_cell, run

Outputs = tuple[Tensor, ...]


def lstm_sequence(
    fused: ModuleType, plan: Plan, mask: Tensor | None, a: Tensor, u: Tensor, h0: Tensor, c0: Tensor,
    w: Tensor | None, cell_w: Tensor | None, cell_b: Tensor | None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(hidden states of every step, last carried cell) of the inputs' share a (time, batch, 4·hidden), biases in it.

    u (4·hidden, hidden) is the recurrent matrix, w the gain of its norm; cell_w and cell_b are gain and bias of the
    cell's norm; a mask (time, batch) is 0 where a sequence has ended.
    """
    inputs, mask = _uniform(a, u, h0, c0, w, cell_w, cell_b), _as_factor(mask, a)
    y, last = _LSTMSequence.apply(fused, _above_zero(plan, a), mask, *inputs)
    return y.to(a.dtype), last.to(a.dtype)


def gru_sequence(
    fused: ModuleType, plan: Plan, mask: Tensor | None, a: Tensor, u: Tensor, h0: Tensor,
    w: Tensor | None, b: Tensor | None,
) -> Tensor:  # fmt: skip
    """Hidden states of every step of the inputs' share a (time, batch, 3·hidden), biases in it but for b.

    w is the gain of the recurrent norm (all three gates), b what is added to the candidate's recurrent share.
    """
    inputs, mask = _uniform(a, u, h0, w, b), _as_factor(mask, a)
    return _GRUSequence.apply(fused, _above_zero(plan, a), mask, *inputs).to(a.dtype)


def _uniform(a: Tensor, *others: Tensor | None) -> list[Tensor | None]:
    """Everything contiguous and in the precision of the computation: float32, or float64 for float64 inputs."""
    dtype = widen(a).dtype
    return [None if tensor is None else tensor.to(dtype).contiguous() for tensor in (a, *others)]


def _above_zero(plan: Plan, a: Tensor) -> Plan:
    """The plan with an ε above zero everywhere, so that a state of zeros has a norm."""
    first, second, cell = (above_zero(eps, widen(a).dtype) for eps in (*plan.eps, plan.cell_eps))
    return plan._replace(eps=(first, second), cell_eps=cell)


def _as_factor(mask: Tensor | None, a: Tensor) -> Tensor | None:
    """The mask as ones and zeros of the computation's type."""
    return None if mask is None else mask.to(widen(a).dtype).contiguous()


class _LSTMSequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, fused: Any, plan: Plan, mask: Tensor | None, *inputs: Tensor | None) -> tuple[Tensor, Tensor]:
        y, last, saved = fused.lstm_forward(*inputs, mask, plan)
        ctx.fused, ctx.plan = fused, plan
        ctx.save_for_backward(mask, *inputs, *saved)
        return y, last

    @staticmethod
    def backward(ctx: Any, dy: Tensor, dc: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        mask, *tensors = ctx.saved_tensors
        inputs, needs = tensors[:7], ctx.needs_input_grad[3:]
        if torch.is_grad_enabled():
            return (None, None, None, *differentiable_gradients(_plain_lstm(ctx.plan, mask), inputs, needs, (dy, dc)))
        found = ctx.fused.lstm_backward(dy.contiguous(), dc.clone(), mask, tuple(tensors[7:]), ctx.plan)
        return (None, None, None, *_needed(found, needs))


class _GRUSequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, fused: Any, plan: Plan, mask: Tensor | None, *inputs: Tensor | None) -> Tensor:
        y, saved = fused.gru_forward(*inputs, mask, plan)
        ctx.fused, ctx.plan = fused, plan
        ctx.save_for_backward(mask, *inputs, *saved)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        mask, *tensors = ctx.saved_tensors
        inputs, needs = tensors[:5], ctx.needs_input_grad[3:]
        if torch.is_grad_enabled():
            return (None, None, None, *differentiable_gradients(_plain_gru(ctx.plan, mask), inputs, needs, (dy,)))
        found = ctx.fused.gru_backward(dy.contiguous(), mask, tuple(tensors[5:]), ctx.plan)
        return (None, None, None, *_needed(found, needs))


def _needed(gradients: Outputs, needs: Sequence[bool]) -> tuple[Tensor | None, ...]:
    return tuple(gradient if need else None for gradient, need in zip(gradients, needs, strict=True))


def _plain_lstm(plan: Plan, mask: Tensor | None) -> Callable[..., Outputs]:
    """The same function in differentiable torch, for the gradient of the gradient."""

    def sequence(
        a: Tensor, u: Tensor, h0: Tensor, c0: Tensor, w: Tensor | None, cell_w: Tensor | None, cell_b: Tensor | None
    ) -> Outputs:
        recurrent, cell = _norm(plan.norm, w, None, plan.eps[0]), _norm(plan.cell_norm, cell_w, cell_b, plan.cell_eps)

        def step(_: int, share: Tensor, state: Outputs) -> Outputs:
            return lstm_cell(share, state, u, recurrent, cell, carry=plan.carry)

        y, (_, last) = run(step, a.unbind(0), (h0, c0), mask, reverse=plan.reverse)
        return y, last

    return sequence


def _plain_gru(plan: Plan, mask: Tensor | None) -> Callable[..., Outputs]:
    def sequence(a: Tensor, u: Tensor, h0: Tensor, w: Tensor | None, b: Tensor | None) -> Outputs:
        width = u.shape[1]

        def norm(product: Tensor) -> Tensor:
            if plan.joint:
                return _norm(plan.norm, w, None, plan.eps[0])(product)
            cut = 2 * width
            gates = _norm(plan.norm, None if w is None else w[:cut], None, plan.eps[0])
            candidate = _norm(plan.norm, None if w is None else w[cut:], None, plan.eps[1])
            return torch.cat((gates(product[:, :cut]), candidate(product[:, cut:])), -1)

        bias = None if b is None else torch.cat((b.new_zeros(2 * width), b))

        def step(_: int, share: Tensor, state: Outputs) -> Outputs:
            return gru_cell(share, state, u, norm, bias)

        y, _ = run(step, a.unbind(0), (h0,), mask, reverse=plan.reverse)
        return (y,)

    return sequence


def _norm(name: str, weight: Tensor | None, bias: Tensor | None, eps: float) -> Norm:
    if name == "layer_norm":
        return lambda x: plain.layer_norm(x, weight, bias, eps)
    if name == "rms_norm":
        return lambda x: _shifted(plain.rms_norm(x, weight, eps), bias)
    return lambda x: x


def _shifted(x: Tensor, bias: Tensor | None) -> Tensor:
    return x if bias is None else x + bias
