"""Layer normalization whose statistics carry no gradient: the experiment that shows the gradient is what helps."""

from typing import Literal

from torch import Tensor

from lncore.layer import Eps, NormLayer, case_rows, from_case_rows
from lncore.moments import EpsPlace, moments, over_root, unbiased_variance, widen
from lncore.options import checked


class DetachNorm(NormLayer):
    """Layer normalization without gain and bias whose mean and deviation are constants to the gradient.

    The forward pass is that of layer_norm_simple. The authors' code divides by the unbiased deviation plus ε
    (`unbiased=True, eps_place="outside"`).

    Formula: y = (x − sg(μ))/√(sg(σ²) + ε), sg stops the gradient
    Source: Xu, Sun, Zhang, Zhao, Lin 2019 (arXiv 1911.07013), §4.1, Theorem 1
    Axes: the features of each position; on images channels, height and width together ("chw") or the channels of each
        pixel ("c")
    Options:
        detach: which statistics carry no gradient
        eps: keeps the division finite
        eps_place: inside the root, added to the variance, or outside, added to the deviation
        unbiased: divide by the unbiased standard deviation
        image_axes: what is one case on images: all of it, or each pixel's channels
    Helps: to show that layer normalization works through the gradients of its statistics
    Hurts: training, which becomes worse than with layer_norm_simple and may diverge
    Raises: ValueError for another width, TypeError for integers, OptionError for an ε below 0
    """

    @checked
    def __init__(
        self,
        width: int,
        *,
        detach: Literal["both", "mean", "variance"] = "both",
        eps: Eps = 1e-5,
        eps_place: EpsPlace = "inside",
        unbiased: bool = False,
        image_axes: Literal["chw", "c"] = "chw",
    ) -> None:
        super().__init__(width)
        self.detach = detach
        self.eps = eps
        self.eps_place = eps_place
        self.unbiased = unbiased
        self.image_axes = image_axes

    def normalize(self, x: Tensor) -> Tensor:
        rows = widen(case_rows(x, self.image_axes))
        deviation = moments(rows, -1).deviation if self.detach == "variance" else self._mean_detached(rows)
        variance = deviation.square().mean(-1, keepdim=True)
        if self.unbiased:
            variance = unbiased_variance(variance, rows.shape[-1])
        if self.detach != "mean":
            variance = variance.detach()
        y = over_root(deviation, variance, self.eps, self.eps_place)
        return from_case_rows(y, x, self.image_axes).to(x.dtype)

    @staticmethod
    def _mean_detached(rows: Tensor) -> Tensor:
        """The exact deviation, with the gradient of `rows`: the two last terms add zero and a derivative of one."""
        return moments(rows.detach(), -1).deviation + (rows - rows.detach())
