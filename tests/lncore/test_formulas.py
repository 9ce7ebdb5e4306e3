"""Each variant against its paper's formula in float64, on vectors, sequences and images."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from lncore import menu, reference
from tests.lncore.variants import SHAPES, inputs, make, randomized

KINDS = list(SHAPES)


def shaped(parameter: Tensor, x: Tensor) -> Tensor:
    return parameter.detach().double().reshape(-1, 1, 1) if x.dim() == 4 else parameter.detach().double()


def case_axes(x: Tensor, reading: str = "chw") -> tuple[int, ...]:
    if x.dim() == 4:
        return (1, 2, 3) if reading == "chw" else (1,)
    return (-1,)


def position_axes(x: Tensor) -> tuple[int, ...]:
    return {4: (2, 3), 3: (1,)}.get(x.dim(), (-1,))


def batch_axes(x: Tensor) -> tuple[int, ...]:
    return {4: (0, 2, 3), 3: (0, 1)}.get(x.dim(), (0,))


def grouped(x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply a (batch, channels, …) reference to a sequence position by position."""
    return function(x.reshape(-1, x.shape[-1])).reshape(x.shape) if x.dim() == 3 else function(x)


FORMULAS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "none": lambda _, x: x,
    "weight_norm": lambda _, x: x,
    "weight_standardization": lambda _, x: x,
    "layer_norm": lambda m, x: reference.layer_norm(x, shaped(m.weight, x), shaped(m.bias, x), axes=case_axes(x)),
    "layer_norm_simple": lambda _, x: reference.layer_norm(x, axes=case_axes(x)),
    "detach_norm": lambda _, x: reference.layer_norm(x, axes=case_axes(x)),
    "ada_norm": lambda _, x: reference.ada_norm(x, scale=2.0, axes=case_axes(x)),
    "rms_norm": lambda m, x: reference.rms_norm(x, shaped(m.weight, x), axes=case_axes(x)),
    "p_rms_norm": lambda m, x: (
        (reference.p_rms_norm(x.flatten(1)).reshape(x.shape) if x.dim() == 4 else reference.p_rms_norm(x))
        * shaped(m.weight, x)
    ),
    "batch_norm": lambda m, x: reference.batch_norm(x, shaped(m.weight, x), shaped(m.bias, x), axes=batch_axes(x)),
    "batch_renorm": lambda m, x: reference.batch_norm(
        x, shaped(m.weight, x), shaped(m.bias, x), axes=batch_axes(x), eps=1e-3
    ),
    "group_norm": lambda m, x: grouped(
        x, lambda rows: reference.group_norm(rows, 2, shaped(m.weight, rows), shaped(m.bias, rows))
    ),
    "instance_norm": lambda _, x: reference.layer_norm(x, axes=position_axes(x)),
    "scale_norm": lambda m, x: reference.scale_norm(x, m.gain.detach(), axes=case_axes(x, "c")),
    "power_norm": lambda m, x: (
        reference.rms_norm(reference.rms_norm(x, axes=case_axes(x, "c")), shaped(m.weight, x), axes=batch_axes(x))
        + shaped(m.bias, x)
    ),
    "dyt": lambda m, x: reference.dyt(x, m.alpha.item(), shaped(m.weight, x), shaped(m.bias, x)),
    "derf": lambda m, x: reference.derf(x, m.alpha.item(), m.shift.item(), shaped(m.weight, x), shaped(m.bias, x)),
    "frn": lambda m, x: reference.frn(
        x, shaped(m.weight, x), shaped(m.bias, x), shaped(m.threshold, x), eps=1e-6, axes=position_axes(x)
    ),
    "evonorm_s0": lambda m, x: grouped(
        x,
        lambda rows: reference.evonorm_s0(rows, 2, shaped(m.v, rows), shaped(m.weight, rows), shaped(m.bias, rows)),
    ),
}


def test_every_variant_has_its_formula_here() -> None:
    assert set(FORMULAS) == set(menu.norms())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", menu.norms())
def test_a_training_pass_is_the_papers_formula(name: str, kind: str) -> None:
    layer = randomized(make(name))
    x = inputs(SHAPES[kind]) * 2 + 0.5
    torch.testing.assert_close(layer(x).double(), FORMULAS[name](layer, x.double()), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(
    "name", ["layer_norm", "layer_norm_simple", "detach_norm", "ada_norm", "rms_norm", "p_rms_norm"]
)
def test_on_images_both_readings_are_offered(name: str) -> None:
    """Over channels, height and width, or over the channels of each pixel: the second is the first on each pixel."""
    x = inputs(SHAPES["image"])
    pixels = make(name, image_axes="c")(x)
    rows = make(name)(x.permute(0, 2, 3, 1).reshape(-1, 8)).reshape(3, 4, 5, 8).permute(0, 3, 1, 2)
    torch.testing.assert_close(pixels, rows)
    assert not torch.allclose(pixels, make(name, image_axes="chw")(x), atol=1e-2)
