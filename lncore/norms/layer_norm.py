"""Layer normalization: each case by the mean and variance of its own features."""

from typing import Literal

from torch import Tensor

from lncore import kernels
from lncore.layer import (
    Eps,
    Gain,
    NormLayer,
    alike,
    bias_parameter,
    features_back,
    features_last,
    gain_parameter,
    whole_case,
)
from lncore.moments import widen
from lncore.options import checked


class LayerNorm(NormLayer):
    """Layer normalization: each case is centred and scaled by the mean and variance of its own features.

    The paper has no ε; its authors' code has 1e-5 inside the root, as torch has; timm and flax use 1e-6, TensorFlow
    1e-3. x-transformers has no bias and can store the gain minus one (`bias=False, unit_offset=True`). Statistics are
    float32 or better whatever the input; the result has its type.

    Formula: y = (x − μ)/√(σ² + ε) ⊙ γ + β
    Source: Ba, Kiros, Hinton 2016 (arXiv 1607.06450), §3, gain 1 and bias 0 as in §6
    Axes: the features of each position; on images channels, height and width together ("chw", the paper's reading) or
        the channels of each pixel ("c", as in ConvNeXt); the gain is per feature in both
    Options:
        eps: added to the variance, inside the root
        gain: whether to learn γ
        bias: whether to learn β
        gain_init: where γ starts
        unit_offset: store γ − 1 instead of γ, so that weight decay pulls the gain to one
        image_axes: what is one case on images: all of it, or each pixel's channels
    Helps: recurrent networks, transformers, batches of 1 to 8, batches that differ between training and use
    Hurts: convolutional networks at ordinary batch sizes; inputs whose magnitude is the answer; one or two features
        (width 1 gives 0, width 2 gives ±1); a sum right after it has no gradient
    Raises: ValueError for another width, TypeError for integers, OptionError for an ε below 0
    """

    @checked
    def __init__(
        self,
        width: int,
        *,
        eps: Eps = 1e-5,
        gain: bool = True,
        bias: bool = True,
        gain_init: Gain = 1.0,
        unit_offset: bool = False,
        image_axes: Literal["chw", "c"] = "chw",
    ) -> None:
        super().__init__(width)
        self.eps = eps
        self.unit_offset = unit_offset
        self.image_axes = image_axes
        self.weight = gain_parameter(width, gain_init - unit_offset) if gain else None
        self.bias = bias_parameter(width) if bias else None

    def _gain(self) -> Tensor | None:
        """γ; the one of a unit offset is added in float32, where a half-precision weight keeps its digits."""
        return widen(self.weight) + 1 if self.unit_offset and self.weight is not None else self.weight

    def add_and_normalize(self, x: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        if x.dim() == 4 or not alike(x, residual):
            return super().add_and_normalize(x, residual)
        self.check(x)
        return kernels.add_layer_norm(x, residual, self._gain(), self.bias, self.eps)

    def normalize(self, x: Tensor) -> Tensor:
        weight = self._gain()
        if whole_case(x, self.image_axes):
            return kernels.group_norm(x, 1, weight, self.bias, self.eps)
        return features_back(kernels.layer_norm(features_last(x), weight, self.bias, self.eps))
