"""The fused functions under autograd: a backend computes both directions, plain torch differentiates the gradient.

A backend is a module with `norm_forward`, `norm_backward`, `tanh_forward`, `tanh_backward`, `group_forward` and
`group_backward` over contiguous inputs (lncore.kernels.cpu.backend, lncore.kernels.gpu.backend).
"""

from collections.abc import Callable, Sequence
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from lncore import plain
from lncore.moments import above_zero, widen

Gradients = tuple[Tensor | None, ...]


def row_norm(
    backend: ModuleType,
    x: Tensor,
    residual: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    offset: float,
    *,
    centred: bool,
) -> Any:
    """Layer norm (`centred`) or RMS norm of the last axis of x, or of x + residual as (norm, sum)."""
    eps = eps or above_zero(eps, widen(x).dtype)
    if _needs_graph(x, residual, weight, bias):
        return _apply(RowNorm)((backend, eps, offset, centred), x, residual, weight, bias)
    y, h, _ = _norm_forward(backend, x, residual, weight, bias, eps, offset, centred)
    return y if residual is None else (y, h)


def dynamic_tanh(backend: ModuleType, x: Tensor, alpha: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """tanh(alpha·x)·weight + bias along the last axis, alpha a single number."""
    if _needs_graph(x, alpha, weight, bias):
        return _apply(DynamicTanh)(backend, x, alpha, weight, bias)
    return _shaped(backend.tanh_forward(_rows(x), alpha, weight, bias), x)


def group_norm(
    backend: ModuleType, x: Tensor, weight: Tensor | None, bias: Tensor | None, groups: int, eps: float
) -> Tensor:
    """Group norm of x (batch, channels, positions…)."""
    eps = eps or above_zero(eps, widen(x).dtype)
    if _needs_graph(x, weight, bias):
        return _apply(GroupNorm)(backend, x, weight, bias, groups, eps)
    return backend.group_forward(_cases(x), groups, weight, bias, eps)[0].view(x.shape)


@cache
def _apply(function: type[torch.autograd.Function]) -> Callable[..., Any]:
    """What `function.apply` comes down to, without its questions about functorch's transforms.

    Those took a third of a small call's autograd, and the route has asked them: inside transforms no backend is chosen.
    """
    apply: Callable[..., Any] = super(torch.autograd.Function, function).apply  # type: ignore[misc]  # typed in C
    return apply


def _needs_graph(*tensors: Tensor | None) -> bool:
    """Whether anybody will ask for a gradient: without, a node of the graph is only time."""
    if not torch.is_grad_enabled():
        return False
    for tensor in tensors:  # noqa: SIM110 - a generator would cost more than all the questions
        if tensor is not None and tensor.requires_grad:
            return True
    return False


def _norm_forward(
    backend: ModuleType,
    x: Tensor,
    residual: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    offset: float,
    centred: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    other = None if residual is None else _rows(residual)
    y, h, stats = backend.norm_forward(_rows(x), other, _gain(weight, offset), bias, eps, centred=centred)
    return _shaped(y, x), x if residual is None else _shaped(h, x), stats


class RowNorm(torch.autograd.Function):
    """Layer norm (`centred`) or RMS norm of the last axis of x, or of x + residual, which is then returned too."""

    @staticmethod
    def forward(
        ctx: Any,
        options: tuple[ModuleType, float, float, bool],
        x: Tensor,
        residual: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
    ) -> Any:
        backend, eps, offset, centred = ctx.options = options
        y, h, stats = _norm_forward(backend, x, residual, weight, bias, eps, offset, centred)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(h, weight, bias, stats)
        return y if residual is None else (y, h)

    @staticmethod
    def backward(ctx: Any, g: Tensor | None, dh: Tensor | None = None) -> Gradients:  # type: ignore[override]
        _, needs_x, needs_residual, needs_weight, needs_bias = ctx.needs_input_grad
        needs = (needs_x or needs_residual, needs_weight, needs_bias)
        if g is None:
            dx: Tensor | None = dh
            dw = db = None
        elif torch.is_grad_enabled():
            dx, dw, db = _differentiable_norm(ctx, g, needs)
            dx = dx if dx is None or dh is None else dx + dh
        else:
            dx, dw, db = _fused_norm(ctx, g, dh, needs)
        return None, dx if needs_x else None, dx if needs_residual else None, dw, db


def _fused_norm(ctx: Any, g: Tensor, dh: Tensor | None, needs: Sequence[bool]) -> Gradients:
    h, weight, bias, stats = ctx.saved_tensors
    backend, _, offset, centred = ctx.options
    dx, dw, db = backend.norm_backward(
        _rows(g), None if dh is None else _rows(dh), _rows(h), _gain(weight, offset), stats,
        centred=centred, affine=needs[1] or needs[2],
    )  # fmt: skip
    return _shaped(dx, h), _cast(dw, weight, needs[1]), _cast(db, bias, needs[2])


def _differentiable_norm(ctx: Any, g: Tensor, needs: Sequence[bool]) -> Gradients:
    _, eps, offset, centred = ctx.options
    h, weight, bias, _ = ctx.saved_tensors

    def norm(h: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        return plain.layer_norm(h, weight, bias, eps) if centred else plain.rms_norm(h, weight, eps, offset)

    return differentiable_gradients(norm, (h, weight, bias), needs, g)


class DynamicTanh(torch.autograd.Function):
    """tanh(alpha·x)·weight + bias along the last axis, alpha a single number."""

    @staticmethod
    def forward(
        ctx: Any, backend: ModuleType, x: Tensor, alpha: Tensor, weight: Tensor | None, bias: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(x, alpha, weight, bias)
        ctx.backend = backend
        return _shaped(backend.tanh_forward(_rows(x), alpha, weight, bias), x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Gradients:  # type: ignore[override]
        inputs = ctx.saved_tensors
        needs = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():
            return (None, *differentiable_gradients(plain.dyt, inputs, needs, g))
        x, alpha, weight, bias = inputs
        dx, dalpha, dw, db = ctx.backend.tanh_backward(_rows(g), _rows(x), alpha, weight)
        dalpha = _cast(dalpha.view(alpha.shape), alpha, needs[1])
        return None, _shaped(dx, x), dalpha, _cast(dw, weight, needs[2]), _cast(db, bias, needs[3])


class GroupNorm(torch.autograd.Function):
    """Group norm of x (batch, channels, positions…)."""

    @staticmethod
    def forward(
        ctx: Any,
        backend: ModuleType,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        groups: int,
        eps: float,
    ) -> Tensor:
        y, stats = backend.group_forward(_cases(x), groups, weight, bias, eps)
        ctx.save_for_backward(x, weight, bias, stats)
        ctx.backend, ctx.options = backend, (groups, eps)
        return y.view(x.shape)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Gradients:  # type: ignore[override]
        x, weight, bias, stats = ctx.saved_tensors
        groups, eps = ctx.options
        needs = ctx.needs_input_grad[1:4]
        if torch.is_grad_enabled():

            def norm(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
                return plain.group_norm(x, groups, weight, bias, eps)

            return (None, *differentiable_gradients(norm, (x, weight, bias), needs, g), None, None)
        dx, dw, db = ctx.backend.group_backward(_cases(g), _cases(x), groups, weight, stats)
        return None, dx.view(x.shape), _cast(dw, weight, needs[1]), _cast(db, bias, needs[2]), None, None


def differentiable_gradients(
    function: Callable[..., Any], inputs: Sequence[Tensor | None], needs: Sequence[bool], g: Any
) -> Gradients:
    """Gradients of `function` at `inputs` that can be differentiated again; None where none is needed."""
    y = function(*inputs)  # a tensor, or several with a gradient each
    wanted = [tensor for tensor, need in zip(inputs, needs, strict=True) if need and tensor is not None]
    found = iter(torch.autograd.grad(y, wanted, g, create_graph=True, allow_unused=True))
    return tuple(next(found) if need else None for need in needs)


def _gain(weight: Tensor | None, offset: float) -> Tensor | None:
    return weight if weight is None or offset == 0.0 else widen(weight) + offset


def _cast(gradient: Tensor, parameter: Tensor | None, need: bool) -> Tensor | None:
    if not need or parameter is None:
        return None
    return gradient if gradient.dtype is parameter.dtype else gradient.to(parameter.dtype)


def _rows(x: Tensor) -> Tensor:
    x = x if x.dim() == 2 else x.reshape(-1, x.shape[-1])
    return x if x.is_contiguous() else x.contiguous()


def _shaped(rows: Tensor, x: Tensor) -> Tensor:
    """Rows in the shape of x; a view costs as much as a small kernel, so there is none where it changes nothing."""
    return rows if x.dim() == 2 else rows.view(x.shape)


def _cases(x: Tensor) -> Tensor:
    return x.reshape(x.shape[0], x.shape[1], -1).contiguous()
