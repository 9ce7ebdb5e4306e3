"""Every variant of the menu, made for a width, and the three kinds of input it must take."""

from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lncore import menu

Layer = TypeVar("Layer", bound=nn.Module)
ALL = menu.norms()
WEIGHT_VARIANTS = {"weight_norm", "weight_standardization"}
SHAPES = {"vector": (6, 8), "sequence": (4, 5, 8), "image": (3, 8, 4, 5)}
GROUPED = {"group_norm", "evonorm_s0"}
WITHOUT_EPSILON = [
    name
    for name in ALL
    if menu.describe(menu.load("lncore.norms", name))["options"].get("eps", {}).get("bounds", {}).get("ge") == 0
    and name not in WEIGHT_VARIANTS
]
"""Those that act on activations and whose ε may be 0."""


def make(name: str, width: int = 8, **options: Any) -> Any:
    """The variant at `width`, with groups that divide it; Any, since each has attributes of its own."""
    if name in GROUPED:
        options.setdefault("groups", 2 if width % 4 == 0 else 1)
    return menu.normalization(name, **options)(width)


def randomized(layer: Layer, seed: int = 7) -> Layer:
    """The same layer with parameters away from their initial values, so that a forgotten one shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator).to(parameter))
    return layer


def inputs(shape: tuple[int, ...], seed: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)
