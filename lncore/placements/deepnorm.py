"""DeepNorm: post-norm with the input of each block weighed up and the branches initialized down."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from lncore.placement import Placement
from lncore.residual import MakeNorm, PostResidual


class DeepNorm(Placement):
    """DeepNorm: post-norm whose blocks weigh their input up and start with branches scaled down.

    For one stack of N layers of two branches each. The branches' feed-forward, value and output weights are multiplied
    by β when `initialize` is given them.

    Formula: norm(α·x + F(x)), α = (2N)^¼, initial gain of the branches β = (8N)^−¼
    Source: Wang et al. 2022 (arXiv 2203.00555), §3 and Table 1
    Helps: very deep transformers (1000 layers train) with the quality of post-norm
    Hurts: shallow networks gain nothing; forgetting the initialization loses the effect
    """

    def __init__(self, layers: int) -> None:
        super().__init__(layers)
        self.alpha = (2 * layers) ** 0.25
        self.beta = (8 * layers) ** -0.25

    def around(self, branch: nn.Module, layer: int, width: int, norm: MakeNorm) -> nn.Module:
        self.check_layer(layer)
        return PostResidual(branch, norm(width), alpha=self.alpha)

    @torch.no_grad()
    def initialize(self, weights: Iterable[Tensor]) -> None:
        for weight in weights:
            weight.mul_(self.beta)
