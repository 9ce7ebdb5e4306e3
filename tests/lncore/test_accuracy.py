"""Every variant beside itself in float64: forward and backward, far from zero, fused and plain, in every precision."""

import copy
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
import torch
from torch import Tensor

from tests.lncore.variants import ALL, inputs, make, randomized

SHAPES = {"rows": (32, 64), "sequences": (8, 6, 64), "images": (4, 16, 7, 7)}
OFFSETS = [0.0, 1e2, 1e4, 1e6]
PATHS = ["fused", "plain"]


def on_path(path: str) -> Any:
    """Where the kernels' functions compute: in a fused backend, or in plain torch."""
    return nullcontext() if path == "fused" else patch("lncore.kernels.functions.backend_for", lambda *_: None)


class Found(NamedTuple):
    """A result, or a gradient by its name, and what it is in float64."""

    name: str
    mine: Tensor
    exact: Tensor

    def error(self) -> float:
        """The largest error, relative to the largest number or to 1."""
        return float((self.mine.double() - self.exact).abs().max() / self.exact.abs().max().clamp(min=1))

    def roundings(self) -> float:
        """The largest error in units of the last place, beside 2e-6 of the largest number."""
        allowed = torch.finfo(self.mine.dtype).eps * self.exact.abs() + 2e-6 * self.exact.abs().max().clamp(min=1)
        return float(((self.mine.double() - self.exact).abs() / allowed).max())


def found(name: str, x: Tensor, path: str) -> Iterator[Found]:
    """Output and gradients (of x, of the parameters) of a variant, beside those of its float64 self in plain torch."""
    layer = randomized(make(name, x.shape[1] if x.dim() == 4 else x.shape[-1]))
    exact = copy.deepcopy(layer).double()
    x, wide = x.clone().requires_grad_(), x.double().requires_grad_()
    seed = inputs(tuple(x.shape), 5, x.dtype)
    with on_path(path):
        y = layer(x)
        y.backward(seed)
    with on_path("plain"):
        right = exact(wide)
        right.backward(seed.double())
    yield Found("output", y.detach(), right.detach())
    yield Found("gradient of x", _gradient(x), _gradient(wide))
    for (label, mine), theirs in zip(layer.named_parameters(), exact.parameters(), strict=True):
        yield Found(f"gradient of {label}", _gradient(mine), _gradient(theirs))


def _gradient(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None
    return leaf.grad


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", list(SHAPES))
@pytest.mark.parametrize("name", ALL)
def test_it_is_within_2e6_of_float64_forward_and_backward_at_any_offset(name: str, kind: str, path: str) -> None:
    for offset in OFFSETS:
        x = (inputs(SHAPES[kind], dtype=torch.float64) + offset).float()
        for part in found(name, x, path):
            # A gradient of one number is a sum of thousands that are larger than it by far.
            allowed = 2e-6 * (x.numel() ** 0.5 if part.exact.numel() == 1 else 1)
            assert part.error() <= allowed, (part.name, offset)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", list(SHAPES))
@pytest.mark.parametrize("name", ALL)
def test_in_half_precision_results_and_gradients_round_once_at_any_offset(
    name: str, kind: str, path: str, dtype: torch.dtype
) -> None:
    for offset in (0.0, 1e2, 1e4):
        x = (inputs(SHAPES[kind], dtype=torch.float64) * (1 + offset / 1e3) + offset).to(dtype)
        for part in found(name, x, path):
            assert part.roundings() <= 1, (part.name, offset)
