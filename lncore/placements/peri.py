"""Peri-norm: each branch is normalized before and after, the embedding and the final output too."""

from torch import nn

from lncore.placement import Placement
from lncore.residual import MakeNorm, PreResidual


class Peri(Placement):
    """Peri-norm: each branch is normalized before and after, and so are the embedding and the final output.

    Formula: x + norm₂(F(norm₁(x))), norm after the embedding and before the head
    Source: Kim et al. 2025 (arXiv 2502.02732), §3
    Helps: deep language models: the sum's variance grows linearly with depth, not exponentially; no overflow in fp16
    Hurts: costs twice the norms
    """

    def around(self, branch: nn.Module, layer: int, width: int, norm: MakeNorm) -> nn.Module:
        self.check_layer(layer)
        return PreResidual(branch, before=norm(width), after=norm(width))

    def after_embedding(self, width: int, norm: MakeNorm) -> nn.Module:
        return norm(width)

    def before_head(self, width: int, norm: MakeNorm) -> nn.Module:
        return norm(width)
