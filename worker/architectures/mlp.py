"""Multi-layer perceptron: dense layers, each followed by the chosen normalization."""

from typing import Annotated, ClassVar, Literal

from torch import Tensor, nn

from lncore.menu import Length, NormFactory, Range
from lncore.options import checked
from worker.architectures._layers import normalized, size_of

Width = Annotated[int, Range(ge=1, le=16384)]


class Mlp(nn.Module):
    """Multi-layer perceptron: every hidden layer is dense, then normalized, then bent by the activation.

    The input is flattened. The output layer is never normalized: its logits carry the confidence that a norm removes.
    Biases stay beside norms that cancel them, so that all variants of one seed start from the same weights.

    Formula: h ← f(norm(W h + b)), logits = V h + c
    Source: Ba, Kiros, Hinton 2016 (arXiv 1607.06450), §6.6 (784-1000-1000-10)
    Options:
        hidden: the widths of the hidden layers
        activation: the function after each normalized layer; none after a norm that is its own activation
    """

    inputs: ClassVar[tuple[str, ...]] = ("image", "vector")
    widths: ClassVar[tuple[str, ...]] = ("hidden",)

    @checked
    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        norm: NormFactory,
        *,
        hidden: Annotated[tuple[Width, ...], Length(ge=1, le=64)] = (1000, 1000),
        activation: Literal["relu", "tanh", "gelu", "sigmoid"] = "relu",
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        width = size_of(shape)
        for wanted in hidden:
            dense = norm.reparametrize(nn.Linear(width, wanted))
            layers += [dense, *normalized(norm, wanted, activation)]
            width = wanted
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))
