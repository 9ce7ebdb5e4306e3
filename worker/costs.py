"""What a normalization adds to a model, measured on the meta device: what it holds, and keeps for the way back."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from lncore.menu import NormFactory
from worker.training.size import kept_for_backward

Factors = Mapping[str, Callable[[int, int, int], int]]
"""The terms a cost may have, as functions of cases (or inputs of a layer), width and area."""

HELD: Factors = {"width": lambda _, width, __: width, "one": lambda *_: 1}
DENSE: Factors = {"cases*width": lambda cases, width, _: cases * width, "cases": lambda cases, *_: cases, **HELD}
IMAGE: Factors = {
    "cases*width*area": lambda cases, width, area: cases * width * area,
    "cases*area": lambda cases, _, area: cases * area,
    "width*area": lambda _, width, area: width * area,
    **DENSE,
}
WEIGHT: Factors = {"inputs*width": lambda inputs, width, _: inputs * width, **HELD}
SIDES = (2, 3, 5, 4)
# Chosen so that every term can be told from the others; the widths are those that 32 groups divide.
SAMPLES = [(cases, width, side) for cases in (4, 6, 10) for width in (64, 96, 192) for side in SIDES]


def measure_costs(norm: NormFactory) -> dict[str, dict[str, int]]:
    """What the layer holds (`parameters`; `buffers` in bytes) and keeps (`dense`, `image`), with its wrapped weights.

    Each is a sum of terms given by their factors: `{"cases*width": 4}` is four bytes for each feature of each case.
    Measured with the options' defaults. Raises ValueError where the terms don't add up to what is measured.
    """
    with torch.device("meta"):
        return {
            "parameters": _fit(HELD, lambda _, width, __: _numbers(norm(width))),
            "buffers": _fit(HELD, lambda _, width, __: _buffers(norm(width))),
            "dense": _fit(DENSE, lambda cases, width, _: _kept(norm(width), (cases, width))),
            "image": _fit(IMAGE, lambda cases, width, area: _kept(norm(width), (cases, width, *_sides(area)))),
            "weight_parameters": _fit(HELD, lambda inputs, width, _: _of_weights(norm, inputs, width, _numbers)),
            "weight_buffers": _fit(HELD, lambda inputs, width, _: _of_weights(norm, inputs, width, _buffers)),
            "weight": _fit(WEIGHT, lambda inputs, width, _: _of_weights(norm, inputs, width, _kept_by_weights)),
        }


def _sides(area: int) -> tuple[int, int]:
    side = round(area**0.5)
    return side, side


def _fit(factors: Factors, measure: Callable[[int, int, int], int]) -> dict[str, int]:
    """The whole factors of the terms that are not zero."""
    places = [(cases, width, side * side) for cases, width, side in SAMPLES]
    table = np.array([[factor(*place) for factor in factors.values()] for place in places], dtype=np.float64)
    measured = np.array([measure(*place) for place in places], dtype=np.float64)
    found = np.round(np.linalg.lstsq(table, measured, rcond=None)[0])
    if not np.array_equal(table @ found, measured):
        raise ValueError(f"What was measured is no sum of {', '.join(factors)}.")
    return {name: int(factor) for name, factor in zip(factors, found, strict=True) if factor}


def _numbers(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _buffers(module: nn.Module) -> int:
    return sum(buffer.numel() * buffer.element_size() for buffer in module.buffers())


def _kept(layer: nn.Module, shape: Sequence[int]) -> int:
    return kept_for_backward(layer, lambda: layer(torch.empty(*shape, requires_grad=True)))


def _of_weights(norm: NormFactory, inputs: int, width: int, cost: Callable[[nn.Module], int]) -> int:
    """What wrapping a dense layer adds."""
    return cost(norm.reparametrize(nn.Linear(inputs, width))) - cost(nn.Linear(inputs, width))


def _kept_by_weights(layer: nn.Module) -> int:
    inputs = next(parameter.shape[1] for parameter in layer.parameters() if parameter.dim() == 2)
    return kept_for_backward(layer, lambda: layer(torch.empty(1, inputs, requires_grad=True)))
