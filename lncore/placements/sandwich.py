"""Sandwich-norm: each branch is normalized before and after."""

from torch import nn

from lncore.placement import Placement
from lncore.residual import MakeNorm, PreResidual


class Sandwich(Placement):
    """Sandwich-norm: each branch reads a normalized input and its output is normalized before it joins the sum.

    Formula: x + norm₂(F(norm₁(x))), and a last norm before the head
    Source: Ding et al. 2021, CogView (arXiv 2105.13290), §2.4
    Helps: half precision, since no branch can add more than its norm lets through
    Hurts: costs twice the norms
    """

    def around(self, branch: nn.Module, layer: int, width: int, norm: MakeNorm) -> nn.Module:
        self.check_layer(layer)
        return PreResidual(branch, before=norm(width), after=norm(width))

    def before_head(self, width: int, norm: MakeNorm) -> nn.Module:
        return norm(width)
