"""Layer normalization without gain and bias, which are what over-fits."""

from typing import Literal

from torch import Tensor

from lncore import kernels
from lncore.layer import Eps, NormLayer, case_rows, from_case_rows
from lncore.options import checked


class LayerNormSimple(NormLayer):
    """Layer normalization without gain and bias.

    The authors' code divides by the unbiased deviation plus ε; this is the paper's formula, with ε inside the root.

    Formula: y = (x − μ)/√(σ² + ε)
    Source: Xu, Sun, Zhang, Zhao, Lin 2019 (arXiv 1911.07013), §3 (LayerNorm-simple)
    Axes: the features of each position; on images channels, height and width together ("chw") or the channels of each
        pixel ("c")
    Options:
        eps: added to the variance, inside the root
        image_axes: what is one case on images: all of it, or each pixel's channels
    Helps: small data sets, where gain and bias over-fit (better than layer norm on four of the paper's eight)
    Hurts: where layer normalization does; a following layer must do all the scaling
    Raises: ValueError for another width, TypeError for integers, OptionError for an ε below 0
    """

    @checked
    def __init__(self, width: int, *, eps: Eps = 1e-5, image_axes: Literal["chw", "c"] = "chw") -> None:
        super().__init__(width)
        self.eps = eps
        self.image_axes = image_axes

    def normalize(self, x: Tensor) -> Tensor:
        rows = kernels.layer_norm(case_rows(x, self.image_axes), None, None, self.eps)
        return from_case_rows(rows, x, self.image_axes)
