"""Partial RMS normalization: the root mean square is estimated from the first few features."""

from typing import Annotated, Literal

from torch import Tensor

from lncore.layer import Eps, NormLayer, along_features, case_rows, from_case_rows, gain_parameter
from lncore.moments import EpsPlace, mean_square, over_root, widen
from lncore.options import Range, checked


class PartialRMSNorm(NormLayer):
    """RMS normalization whose root mean square is taken from the first p of the features only.

    The authors' torch code adds ε = 1e-8 to the root (`eps_place="outside"`), their TensorFlow code 1e-5 inside it, as
    the default does.

    Formula: y = x/√(mean(x²₁…x²_k) + ε) ⊙ γ, k = max(1, ⌊p·n⌋)
    Source: Zhang, Sennrich 2019 (arXiv 1910.07467), §4 (pRMSNorm), p = 6.25 %
    Axes: the first features of each position; on images the first of channels, height and width flattened together
        ("chw") or of the channels of each pixel ("c")
    Options:
        p: the share of the features the root mean square is taken from
        eps: keeps the division finite
        eps_place: inside the root, added to the mean square, or outside, added to the root
        gain: whether to learn γ
        image_axes: what is one case on images: all of it, or each pixel's channels
    Helps: as RMS normalization; its saving shows only where reading the features twice is what costs
    Hurts: narrow layers, where a few features say little about the rest
    Raises: ValueError for another width, TypeError for integers, OptionError for a share outside (0, 1]
    """

    @checked
    def __init__(
        self,
        width: int,
        *,
        p: Annotated[float, Range(gt=0, le=1)] = 0.0625,
        eps: Eps = 1e-5,
        eps_place: EpsPlace = "inside",
        gain: bool = True,
        image_axes: Literal["chw", "c"] = "chw",
    ) -> None:
        super().__init__(width)
        self.p = p
        self.eps = eps
        self.eps_place = eps_place
        self.image_axes = image_axes
        self.weight = gain_parameter(width, 1.0) if gain else None

    def normalize(self, x: Tensor) -> Tensor:
        rows = widen(case_rows(x, self.image_axes))
        count = max(1, int(rows.shape[-1] * self.p))
        y = over_root(rows, mean_square(rows[..., :count], -1), self.eps, self.eps_place)
        y = from_case_rows(y, x, self.image_axes)
        return (y if self.weight is None else y * along_features(self.weight, x)).to(x.dtype)
