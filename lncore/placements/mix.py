"""Mix-norm: post-norm in the first layers, pre-norm in the rest."""

from typing import Annotated

from torch import nn

from lncore.options import Range, checked
from lncore.placement import Placement
from lncore.residual import MakeNorm, PostResidual, PreResidual


class Mix(Placement):
    """Mix-norm: post-norm in the first quarter of the layers, pre-norm after it.

    Formula: norm(x + F(x)) in the first ⌊share·layers⌋ layers, x + F(norm(x)) after, a last norm before the head
    Source: Li, Yin, Liu 2024 (arXiv 2412.13795), §3
    Options:
        share: the part of the layers that is post-norm
    Helps: deep language models, in between pre-norm and post-norm: early layers as in the one, late as in the other
    Hurts: needs a warm-up for its post-norm layers
    """

    @checked
    def __init__(self, layers: int, *, share: Annotated[float, Range(ge=0, le=1)] = 0.25) -> None:
        super().__init__(layers)
        self.post_layers = int(layers * share)

    def around(self, branch: nn.Module, layer: int, width: int, norm: MakeNorm) -> nn.Module:
        if self.check_layer(layer) < self.post_layers:
            return PostResidual(branch, norm(width))
        return PreResidual(branch, before=norm(width))

    def before_head(self, width: int, norm: MakeNorm) -> nn.Module:
        return norm(width)
