"""AdaNorm: layer normalization whose gain is a fixed, falling function of the normalized input."""

from typing import Annotated, Literal

from torch import Tensor

from lncore import kernels
from lncore.layer import Eps, NormLayer, case_rows, from_case_rows
from lncore.moments import EpsPlace, moments, over_root, unbiased_variance, widen
from lncore.options import Range, checked


class AdaNorm(NormLayer):
    """Layer normalization with the gain replaced by C(1 − k·y), which is not learned and carries no gradient.

    C is a hyperparameter of the paper; 2 is the value its code is run with. That code divides by the unbiased standard
    deviation plus ε (`unbiased=True, eps_place="outside"`); the paper's formulas are the defaults.

    Formula: z = C·sg(1 − k·y) ⊙ y with y = (x − μ)/√(σ² + ε), sg stops the gradient
    Source: Xu, Sun, Zhang, Zhao, Lin 2019 (arXiv 1911.07013), §5; k = 1/10
    Axes: the features of each position; on images channels, height and width together ("chw") or the channels of each
        pixel ("c")
    Options:
        scale: the paper's C
        k: how fast the gain falls with y
        eps: keeps the division finite
        eps_place: inside the root, added to the variance, or outside, added to the deviation
        unbiased: divide by the unbiased standard deviation
        image_axes: what is one case on images: all of it, or each pixel's channels
    Helps: small and medium data sets, where layer norm's gain and bias over-fit (ahead on seven of the paper's eight)
    Hurts: where layer normalization does; C has to be chosen
    Raises: ValueError for another width, TypeError for integers, OptionError for an ε below 0
    """

    @checked
    def __init__(
        self,
        width: int,
        *,
        scale: Annotated[float, Range(gt=0, le=100)] = 2.0,
        k: Annotated[float, Range(ge=0, le=1)] = 0.1,
        eps: Eps = 1e-5,
        eps_place: EpsPlace = "inside",
        unbiased: bool = False,
        image_axes: Literal["chw", "c"] = "chw",
    ) -> None:
        super().__init__(width)
        self.scale = scale
        self.k = k
        self.eps = eps
        self.eps_place = eps_place
        self.unbiased = unbiased
        self.image_axes = image_axes

    def normalize(self, x: Tensor) -> Tensor:
        y = self._standardized(case_rows(x, self.image_axes))
        z = self.scale * (1 - self.k * y).detach() * y
        return from_case_rows(z, x, self.image_axes).to(x.dtype)

    def _standardized(self, rows: Tensor) -> Tensor:
        if self.eps_place == "inside" and not self.unbiased:
            return kernels.layer_norm(widen(rows), None, None, self.eps)
        statistics = moments(rows, -1)
        variance = unbiased_variance(statistics.variance, rows.shape[-1]) if self.unbiased else statistics.variance
        return over_root(statistics.deviation, variance, self.eps, self.eps_place)
