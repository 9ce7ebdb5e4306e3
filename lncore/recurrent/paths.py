"""The norms on a recurrent layer's paths: made from factories, applied at a step, and recognized by the fused steps."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lncore.norms.layer_norm import LayerNorm
from lncore.norms.none import NoNorm
from lncore.norms.rms_norm import RMSNorm
from lncore.norms.scale_norm import ScaleNorm

# Makes the norm of a path for its width (a class, a partial of one, a factory of lncore.menu); None leaves it as it is.
MakesNorm = Callable[[int], nn.Module] | None


class StepNorm(nn.Module):
    """A norm with statistics of its own for every time step: called with the step and the rows that are not padding."""

    def forward(self, x: Tensor, step: int, valid: Tensor | None) -> Tensor:
        """X (batch, width) normalized for `step`; `valid` (batch) is False where a sequence has ended."""
        raise NotImplementedError


def make(factory: MakesNorm, width: int, gain_init: float | None) -> nn.Module:
    """The norm of a path of `width`, its gain started at `gain_init` where that is given and it has one.

    Raises TypeError for what makes no norm, ValueError for a variant that acts on weights instead of activations.
    """
    norm = NoNorm(width) if factory is None else _made(factory, width)
    if gain_init is not None:
        _start_gain(norm, gain_init)
    return norm


def _made(factory: Callable[[int], nn.Module], width: int) -> nn.Module:
    norm = factory(width) if callable(factory) and not isinstance(factory, nn.Module) else None
    if not isinstance(norm, nn.Module):
        raise TypeError(
            f"A recurrent layer can make no norm of {factory!r}: give it what makes one for a width, such as the class "
            'LayerNorm or lncore.menu.normalization("layer_norm"), or None.'
        )
    if hasattr(norm, "reparametrize"):
        raise ValueError(
            f"{type(norm).__name__} acts on weights and would leave a recurrent path's values as they are: use an "
            "elementwise norm, such as LayerNorm or RMSNorm."
        )
    return norm


@torch.no_grad()
def _start_gain(norm: nn.Module, gain: float) -> None:
    """Start a norm at `gain` times what it is at a gain of 1, however it stores that."""
    weight = getattr(norm, "weight", None)
    if isinstance(norm, ScaleNorm):
        norm.gain.fill_(gain * norm.width**0.5)
    elif isinstance(weight, Tensor):
        weight.fill_(gain - _stored_apart(norm))


def _stored_apart(norm: nn.Module) -> float:
    """What a norm adds to its weight to get its gain."""
    if isinstance(norm, LayerNorm):
        return float(norm.unit_offset)
    return norm.offset if isinstance(norm, RMSNorm) else 0.0


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
