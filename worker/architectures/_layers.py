"""What the architectures share: the activations by name, a norm with its activation, the size of a shape."""

import math

from torch import nn

from lncore.menu import NormFactory

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
}


def normalized(norm: NormFactory, width: int, activation: str) -> list[nn.Module]:
    """The norm of so many features and the activation after it; a norm that is its own activation stands alone."""
    layer = norm(width)
    return [layer] if getattr(layer, "activates", False) else [layer, ACTIVATIONS[activation]()]


def size_of(shape: tuple[int, ...]) -> int:
    """How many numbers one case of this shape holds."""
    return math.prod(shape)
