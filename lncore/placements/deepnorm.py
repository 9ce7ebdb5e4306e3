"""DeepNorm: post-norm with the input of each block weighed up and the branches initialized down."""

from collections.abc import Iterable
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from lncore.options import OptionError, Range, checked
from lncore.placement import Placement
from lncore.residual import MakeNorm, PostResidual

Part = Literal["alone", "encoder", "decoder"]


class DeepNorm(Placement):
    """DeepNorm: post-norm whose blocks weigh their input up and start with branches scaled down.

    The constants are those of a stack of N layers that stands alone (only an encoder, or only a decoder), or those of
    an encoder of N layers and a decoder of M that reads it. The branches' feed-forward, value and output weights are
    multiplied by β when `initialize` is given them.

    Formula: norm(α·x + F(x)), initial gain β of the branches; alone α = (2N)^¼, β = (8N)^−¼; encoder
        α = 0.81(N⁴M)^(1/16), β = 0.87(N⁴M)^(−1/16); decoder α = (3M)^¼, β = (12M)^−¼
    Source: Wang et al. 2022 (arXiv 2203.00555), §3 and Table 1
    Options:
        part: whether the stack stands alone, or is the encoder or the decoder of the two
        decoder_layers: the M of an encoder; left out, its decoder has as many layers as it
    Helps: very deep transformers (1000 layers train) with the quality of post-norm
    Hurts: shallow networks gain nothing; forgetting the initialization loses the effect
    Raises: OptionError for decoder_layers of what is no encoder
    """

    @checked
    def __init__(
        self,
        layers: int,
        *,
        part: Part = "alone",
        decoder_layers: Annotated[int, Range(ge=1, le=100_000)] | None = None,
    ) -> None:
        super().__init__(layers)
        if decoder_layers is not None and part != "encoder":
            raise OptionError(
                f'DeepNorm: decoder_layers is {decoder_layers}, but part is {part!r}: it belongs to part="encoder".'
            )
        self.alpha, self.beta = _constants(part, layers, decoder_layers or layers)

    def around(self, branch: nn.Module, layer: int, width: int, norm: MakeNorm) -> nn.Module:
        self.check_layer(layer)
        return PostResidual(branch, norm(width), alpha=self.alpha)

    @torch.no_grad()
    def initialize(self, weights: Iterable[Tensor]) -> None:
        for weight in weights:
            weight.mul_(self.beta)


def _constants(part: Part, layers: int, decoder_layers: int) -> tuple[float, float]:
    """α and β of the paper's Table 1."""
    if part == "encoder":
        both = (layers**4 * decoder_layers) ** (1 / 16)
        return 0.81 * both, 0.87 / both
    if part == "decoder":
        return (3 * layers) ** 0.25, (12 * layers) ** -0.25
    return (2 * layers) ** 0.25, (8 * layers) ** -0.25
