"""Pre-norm: each branch reads a normalized input, the sum is left alone, a last norm stands before the head."""

from torch import nn

from lncore.placement import Placement
from lncore.residual import MakeNorm, PreResidual


class Pre(Placement):
    """Pre-norm: each branch reads a normalized input and the residual sum itself is left alone.

    Formula: x + F(norm(x)), and a last norm before the head
    Source: Xiong et al. 2020 (arXiv 2002.04745), §3; first in GPT-2
    Helps: trains without warm-up; the gradient of the last layers falls as 1/√depth
    Hurts: deep networks: the sum grows with depth, so that late layers change it little
    """

    def around(self, branch: nn.Module, layer: int, width: int, norm: MakeNorm) -> nn.Module:
        self.check_layer(layer)
        return PreResidual(branch, before=norm(width))

    def before_head(self, width: int, norm: MakeNorm) -> nn.Module:
        return norm(width)
