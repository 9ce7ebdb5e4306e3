"""Post-norm: every residual sum is normalized, as in the first transformer."""

from torch import nn

from lncore.placement import Placement
from lncore.residual import MakeNorm, PostResidual


class Post(Placement):
    """Post-norm: every residual sum is normalized, as in the first transformer.

    Formula: norm(x + F(x))
    Source: Vaswani et al. 2017 (arXiv 1706.03762), §3.1; analysed by Xiong et al. 2020 (arXiv 2002.04745)
    Helps: networks of up to a dozen layers with a warm-up; often the better result where it trains
    Hurts: deep networks, and any without warm-up: the last layers' gradient doesn't fall with depth
    """

    def around(self, branch: nn.Module, layer: int, width: int, norm: MakeNorm) -> nn.Module:
        self.check_layer(layer)
        return PostResidual(branch, norm(width))
