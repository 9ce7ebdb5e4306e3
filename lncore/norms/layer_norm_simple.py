"""Layer normalization without gain and bias, which are what over-fits."""

from typing import Literal

from torch import Tensor

from lncore import kernels
from lncore.layer import Eps, NormLayer, case_rows, from_case_rows
from lncore.moments import EpsPlace, moments, over_root, unbiased_variance
from lncore.options import checked


class LayerNormSimple(NormLayer):
    """Layer normalization without gain and bias.

    The authors' code divides by the unbiased deviation plus ε (`unbiased=True, eps_place="outside"`); the paper's
    formula is the default.

    Formula: y = (x − μ)/√(σ² + ε)
    Source: Xu, Sun, Zhang, Zhao, Lin 2019 (arXiv 1911.07013), §3 (LayerNorm-simple)
    Axes: the features of each position; on images channels, height and width together ("chw") or the channels of each
        pixel ("c")
    Options:
        eps: keeps the division finite
        eps_place: inside the root, added to the variance, or outside, added to the deviation
        unbiased: divide by the unbiased standard deviation
        image_axes: what is one case on images: all of it, or each pixel's channels
    Helps: small data sets, where gain and bias over-fit (better than layer norm on four of the paper's eight)
    Hurts: where layer normalization does; a following layer must do all the scaling
    Raises: ValueError for another width, TypeError for integers, OptionError for an ε below 0
    """

    @checked
    def __init__(
        self,
        width: int,
        *,
        eps: Eps = 1e-5,
        eps_place: EpsPlace = "inside",
        unbiased: bool = False,
        image_axes: Literal["chw", "c"] = "chw",
    ) -> None:
        super().__init__(width)
        self.eps = eps
        self.eps_place = eps_place
        self.unbiased = unbiased
        self.image_axes = image_axes

    def normalize(self, x: Tensor) -> Tensor:
        return from_case_rows(self._standardized(case_rows(x, self.image_axes)), x, self.image_axes)

    def _standardized(self, rows: Tensor) -> Tensor:
        if self.eps_place == "inside" and not self.unbiased:
            return kernels.layer_norm(rows, None, None, self.eps)
        statistics = moments(rows, -1)
        variance = unbiased_variance(statistics.variance, rows.shape[-1]) if self.unbiased else statistics.variance
        return over_root(statistics.deviation, variance, self.eps, self.eps_place).to(rows.dtype)
