"""No placement: bare residual sums, without any norm."""

from torch import nn

from lncore.placement import Placement
from lncore.residual import MakeNorm, PreResidual


class NoPlacement(Placement):
    """No placement: bare residual sums; the chosen normalization is put nowhere.

    Formula: x + F(x)
    Source: the baseline of Narang et al. 2021 (arXiv 2102.11972)
    Helps: to see what norms do
    Hurts: nearly everything deep
    """

    def around(self, branch: nn.Module, layer: int, width: int, norm: MakeNorm) -> nn.Module:
        del width, norm
        self.check_layer(layer)
        return PreResidual(branch)
