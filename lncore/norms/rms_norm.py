"""RMS normalization: each case by the root mean square of its features, without centring."""

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
from lncore.moments import EpsPlace, mean_square, over_root, widen
from lncore.options import checked


class RMSNorm(NormLayer):
    """RMS normalization: each case is divided by the root mean square of its features, without centring.

    Libraries differ. ε: the authors' torch code adds 1e-8 to the root ("outside"), their TensorFlow code 1e-5 inside;
    torch takes the machine epsilon of the input, Llama and QuACK 1e-6. Casting: Llama multiplies with the gain after
    the cast to the input's type ("first"), Gemma before it ("last", here the default, one rounding fewer). Gain: Gemma
    and x-transformers store γ − 1 (`unit_offset=True`).

    Formula: y = x/√(mean(x²) + ε) ⊙ γ
    Source: Zhang, Sennrich 2019 (arXiv 1910.07467), §4, no bias
    Axes: the features of each position; on images channels, height and width together ("chw") or the channels of each
        pixel ("c"); the gain is per feature in both
    Options:
        eps: keeps the division finite
        eps_place: inside the root, added to the mean square, or outside, added to the root
        gain: whether to learn γ
        bias: whether to add a learned bias, which the paper leaves out
        gain_init: where γ starts
        unit_offset: store γ − 1 instead of γ, so that weight decay pulls the gain to one
        casting: whether the result is cast to the input's type before the gain ("first") or after it ("last")
        image_axes: what is one case on images: all of it, or each pixel's channels
    Helps: where layer normalization helps, at less cost per step
    Hurts: inputs with a large common offset, which it keeps; inputs whose magnitude is the answer
    Raises: ValueError for another width, TypeError for integers, OptionError for an ε below 0
    """

    @checked
    def __init__(
        self,
        width: int,
        *,
        eps: Eps = 1e-5,
        eps_place: EpsPlace = "inside",
        gain: bool = True,
        bias: bool = False,
        gain_init: Gain = 1.0,
        unit_offset: bool = False,
        casting: Literal["last", "first"] = "last",
        image_axes: Literal["chw", "c"] = "chw",
    ) -> None:
        super().__init__(width)
        self.eps = eps
        self.eps_place = eps_place
        self.offset = 1.0 if unit_offset else 0.0
        self.casting = casting
        self.image_axes = image_axes
        self.weight = gain_parameter(width, gain_init - unit_offset) if gain else None
        self.bias = bias_parameter(width) if bias else None

    def add_and_normalize(self, x: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        common = self.eps_place == "inside" and self.casting == "last" and self.bias is None
        if x.dim() == 4 or not alike(x, residual) or not common:
            return super().add_and_normalize(x, residual)
        self.check(x)
        return kernels.add_rms_norm(x, residual, self.weight, self.eps, self.offset)

    def normalize(self, x: Tensor) -> Tensor:
        if whole_case(x, self.image_axes):
            rows, weight, bias = x.flatten(1), self._repeated(self.weight, x), self._repeated(self.bias, x)
            return self._rows(rows, weight, bias).reshape(x.shape)
        return features_back(self._rows(features_last(x), self.weight, self.bias))

    def _rows(self, rows: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        if self.eps_place == "inside" and self.casting == "last":
            y = kernels.rms_norm(rows, weight, self.eps, self.offset)
        else:
            y = self._uncommon(rows, weight)
        return y if bias is None else (y + bias).to(rows.dtype)

    def _uncommon(self, rows: Tensor, weight: Tensor | None) -> Tensor:
        wide = widen(rows)
        y = over_root(wide, mean_square(wide, -1), self.eps, self.eps_place)
        if self.casting == "first":
            y = y.to(rows.dtype)
        return (y if weight is None else y * (weight + self.offset if self.offset else weight)).to(rows.dtype)

    @staticmethod
    def _repeated(parameter: Tensor | None, x: Tensor) -> Tensor | None:
        """One number per channel, spread over the positions of a flattened image."""
        return None if parameter is None else parameter.repeat_interleave(x.shape[2] * x.shape[3])
