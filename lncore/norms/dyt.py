"""Dynamic tanh: a squashing function in place of normalization, without statistics."""

from typing import Annotated

import torch
from torch import Tensor, nn

from lncore import kernels
from lncore.layer import NormLayer, bias_parameter, features_back, features_last, gain_parameter
from lncore.options import Range, checked


class DynamicTanh(NormLayer):
    """Dynamic tanh: no statistics, a learned slope into tanh instead.

    The paper's α starts at 0.5; for language models it takes 0.8 (7B) to 0.2 (70B) before attention and 0.2 to 0.05
    elsewhere. x-transformers starts at 1.0.

    Formula: y = tanh(α·x) ⊙ γ + β, α one number
    Source: Zhu, Chen, He, LeCun, Liu 2025 (arXiv 2503.10622), §4; α 0.5, γ 1, β 0
    Axes: none; γ and β per feature (per channel on images)
    Options:
        alpha: where α starts
    Helps: transformers where the cost of statistics counts; equal to layer norm on ViT and ConvNeXt in the paper
    Hurts: wide models with α above 0.6, which turn unstable; networks whose activations grow
    Raises: ValueError for another width, TypeError for integers
    """

    @checked
    def __init__(self, width: int, *, alpha: Annotated[float, Range(gt=0, le=10)] = 0.5) -> None:
        super().__init__(width)
        self.alpha = nn.Parameter(torch.tensor(float(alpha)))
        self.weight = gain_parameter(width, 1.0)
        self.bias = bias_parameter(width)

    def normalize(self, x: Tensor) -> Tensor:
        return features_back(kernels.dyt(features_last(x), self.alpha, self.weight, self.bias))
