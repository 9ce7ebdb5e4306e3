"""What the architectures share: the activations by name, and the size of a shape."""

import math

from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
}


def size_of(shape: tuple[int, ...]) -> int:
    """How many numbers one case of this shape holds."""
    return math.prod(shape)
