"""Convolutional network: stages of convolution, normalization and pooling, then a dense layer."""

from typing import Annotated, ClassVar, Literal

from torch import Tensor, nn

from lncore.menu import Length, NormFactory, Range
from lncore.options import checked
from worker.architectures._layers import normalized

Channels = Annotated[int, Range(ge=1, le=2048)]


class Convnet(nn.Module):
    """Convolutional network: each stage convolves, normalizes, activates and halves the picture; a dense layer follows.

    A stage whose picture is one point high or wide doesn't pool. The output layer is never normalized. Biases stay
    beside norms that cancel them, so that all variants of one seed start from the same weights.

    Formula: h ← pool(f(norm(K ∗ h + b))) per stage; h ← f(norm(W h + c)); logits = V h + d
    Source: Ba, Kiros, Hinton 2016 (arXiv 1607.06450), §6.7 (a setting the paper names without numbers)
    Options:
        channels: the channels of the stages
        kernel: height and width of the convolutions; odd, so that they keep the picture's size
        dense: the width of the dense layer
        activation: the function after each normalized layer; none after a norm that is its own activation
    """

    inputs: ClassVar[tuple[str, ...]] = ("image",)
    widths: ClassVar[tuple[str, ...]] = ("channels", "dense")
    convolutions: ClassVar[tuple[str, ...]] = ("channels",)

    @checked
    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        norm: NormFactory,
        *,
        channels: Annotated[tuple[Channels, ...], Length(ge=1, le=16)] = (32, 64),
        kernel: Literal[1, 3, 5, 7] = 3,
        dense: Annotated[int, Range(ge=1, le=16384)] = 128,
        activation: Literal["relu", "tanh", "gelu", "sigmoid"] = "relu",
    ) -> None:
        super().__init__()
        depth, height, width = shape
        layers: list[nn.Module] = []
        for wanted in channels:
            convolution = norm.reparametrize(nn.Conv2d(depth, wanted, kernel, padding=kernel // 2))
            layers += [convolution, *normalized(norm, wanted, activation)]
            depth = wanted
            if min(height, width) > 1:
                layers.append(nn.MaxPool2d(2))
                height, width = height // 2, width // 2
        layers += [nn.Flatten(), norm.reparametrize(nn.Linear(depth * height * width, dense))]
        layers += normalized(norm, dense, activation)
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(dense, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))
