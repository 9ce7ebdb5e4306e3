"""The norms on a recurrent layer's paths: made from factories, applied at a step, and recognized by the fused steps."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lncore.norms.layer_norm import LayerNorm
from lncore.norms.none import NoNorm
from lncore.norms.rms_norm import RMSNorm

# Makes the norm of a path for its width (a class, a partial of one, a factory of lncore.menu); None leaves it as it is.
MakesNorm = Callable[[int], nn.Module] | None


class StepNorm(nn.Module):
    """A norm with statistics of its own for every time step: called with the step and the rows that are not padding."""

    def forward(self, x: Tensor, step: int, valid: Tensor | None) -> Tensor:
        """X (batch, width) normalized for `step`; `valid` (batch) is False where a sequence has ended."""
        raise NotImplementedError


def make(factory: MakesNorm, width: int, gain_init: float | None) -> nn.Module:
    """The norm of a path of `width`, its gain started at `gain_init` where that is given and it has one."""
    norm = NoNorm(width) if factory is None else factory(width)
    weight = getattr(norm, "weight", None)
    if gain_init is not None and isinstance(weight, Tensor):
        with torch.no_grad():
            weight.fill_(gain_init - float(getattr(norm, "unit_offset", False)))
    return norm


def at_step(norm: nn.Module, step: int, valid: Tensor | None) -> Callable[[Tensor], Tensor]:
    """`norm` as a function of its input alone."""
    return (lambda x: norm(x, step, valid)) if isinstance(norm, StepNorm) else norm


class Recognized(NamedTuple):
    """A norm the fused steps know: x̂ by `name` with `eps`, times `gain` plus `bias` (each may be None)."""

    name: str
    eps: float
    gain: Tensor | None
    bias: Tensor | None


def recognize(norm: nn.Module) -> Recognized | None:
    """The norm in the terms of the fused steps; None for one they don't know."""
    if type(norm) in {NoNorm, nn.Identity}:
        return Recognized("none", 0.0, None, None)
    if type(norm) is LayerNorm:
        gain = norm.weight + 1 if norm.unit_offset and norm.weight is not None else norm.weight
        return Recognized("layer_norm", norm.eps, gain, norm.bias)
    if type(norm) is RMSNorm and norm.eps_place == "inside" and norm.casting == "last":
        gain = norm.weight + norm.offset if norm.offset and norm.weight is not None else norm.weight
        return Recognized("rms_norm", norm.eps, gain, norm.bias)
    return None
