"""Filter response normalization: each channel of each case by its own mean square, then a learned threshold."""

import torch
from torch import Tensor, nn

from lncore import kernels
from lncore.layer import (
    Eps,
    NormLayer,
    along_features,
    bias_parameter,
    channels_second,
    gain_parameter,
    scale_and_shift,
)
from lncore.moments import mean_square, over_root, widen
from lncore.options import checked


class FilterResponseNorm(NormLayer):
    """Filter response normalization: each channel is divided by its root mean square, then cut at a learned threshold.

    The threshold (TLU) takes the place of the ReLU, so that no activation should follow; without it one should. ε is
    learned where the maps are 1 × 1 in the paper (from 1e-4); timm learns none unless told.

    Formula: y = max(γ ⊙ x/√(mean(x²) + |ε|) + β, τ)
    Source: Singh, Krishnan 2020 (arXiv 1911.09737), §3; ε 1e-6, γ 1, β 0, τ 0
    Axes: height and width of each channel; time of each feature on sequences; a vector has no positions, so its
        features stand for them (which is RMS normalization)
    Options:
        eps: where ε is or starts
        learn_eps: whether to learn ε, one number
        threshold: whether to cut at τ, which is learned per feature
    Helps: convolutional networks with any batch size; about as good as batch normalization from a batch of 2
    Hurts: maps of few positions; activations with a large mean, which it keeps
    Caveats: on sequences a position sees the statistics of later ones: not for language models
    Raises: ValueError for another width, TypeError for integers, OptionError for an ε below 0
    """

    activates = True

    @checked
    def __init__(self, width: int, *, eps: Eps = 1e-6, learn_eps: bool = False, threshold: bool = True) -> None:
        super().__init__(width)
        self.weight = gain_parameter(width, 1.0)
        self.bias = bias_parameter(width)
        self.threshold = bias_parameter(width) if threshold else None
        self.activates = threshold
        self.eps: nn.Parameter | float = nn.Parameter(torch.tensor(float(eps))) if learn_eps else eps

    def normalize(self, x: Tensor) -> Tensor:
        y = self._scaled(widen(x))
        y = scale_and_shift(y, self.weight, self.bias, x)
        if self.threshold is not None:
            threshold = along_features(self.threshold, x)
            # max(y, τ), written so because the backward pass of torch.maximum costs five times that of relu.
            y = torch.relu(y - threshold) + threshold
        return y.to(x.dtype)

    def _scaled(self, wide: Tensor) -> Tensor:
        """Each channel divided by the root of its mean square over the positions."""
        if isinstance(self.eps, Tensor):
            axes = {4: (2, 3), 3: (1,)}.get(wide.dim(), (-1,))
            return over_root(wide, mean_square(wide, axes) + self.eps.abs(), 0.0, "inside")
        if wide.dim() == 4:
            return kernels.rms_norm(wide.flatten(2), None, self.eps).reshape(wide.shape)
        return channels_second(kernels.rms_norm(channels_second(wide), None, self.eps))
