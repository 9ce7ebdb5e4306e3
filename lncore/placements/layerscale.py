"""LayerScale: pre-norm whose branches are scaled per feature, from a small start."""

from typing import Annotated

from torch import nn

from lncore.options import Range, checked
from lncore.placement import Placement
from lncore.residual import MakeNorm, PreResidual, one_per_feature


class LayerScale(Placement):
    """LayerScale: pre-norm whose branches are multiplied by one learned small number per feature.

    Formula: x + λ ⊙ F(norm(x)), and a last norm before the head
    Source: Touvron et al. 2021, CaiT (arXiv 2103.17239), §2; λ 0.1 up to 18 layers, 1e-5 up to 24, 1e-6 beyond
    Options:
        initial: where λ starts; left out, the paper's value for the depth
    Helps: deep vision transformers
    Hurts: short training: branches take time to grow
    """

    @checked
    def __init__(self, layers: int, *, initial: Annotated[float, Range(ge=0, le=1)] | None = None) -> None:
        super().__init__(layers)
        by_depth = 0.1 if layers <= 18 else 1e-5 if layers <= 24 else 1e-6
        self.initial = by_depth if initial is None else initial

    def around(self, branch: nn.Module, layer: int, width: int, norm: MakeNorm) -> nn.Module:
        self.check_layer(layer)
        return PreResidual(branch, before=norm(width), gate=one_per_feature(width, self.initial))

    def before_head(self, width: int, norm: MakeNorm) -> nn.Module:
        return norm(width)
