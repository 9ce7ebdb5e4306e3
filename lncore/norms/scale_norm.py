"""ScaleNorm: each case brought to one learned length."""

import torch
from torch import Tensor, nn

from lncore.layer import Eps, NormLayer, features_back, features_last
from lncore.moments import widen
from lncore.options import checked


class ScaleNorm(NormLayer):
    """ScaleNorm: the features of each position are brought to a length g, one learned number.

    Formula: y = g·x/max(‖x‖, ε)
    Source: Nguyen, Salazar 2019 (arXiv 1910.05895), §2.2; g starts at √width, ε 1e-5
    Axes: the features of each position; on images the channels of each pixel
    Options:
        eps: the smallest length that is divided by
    Helps: transformers on small data (+1 BLEU on low-resource pairs), at one parameter a layer
    Hurts: inputs whose magnitude is the answer; features of very different scales
    Raises: ValueError for another width, TypeError for integers, OptionError for an ε below 0
    """

    @checked
    def __init__(self, width: int, *, eps: Eps = 1e-5) -> None:
        super().__init__(width)
        self.eps = eps
        self.gain = nn.Parameter(torch.tensor(float(width) ** 0.5))

    def normalize(self, x: Tensor) -> Tensor:
        rows = widen(features_last(x))
        # Clamped before the root, whose slope at zero is infinite.
        length = rows.square().sum(-1, keepdim=True).clamp(min=max(self.eps**2, torch.finfo(rows.dtype).tiny)).sqrt()
        return features_back(rows * (self.gain / length)).to(x.dtype)
