"""EvoNorm-S0: a found combination of normalization by group and activation in one layer."""

from typing import Annotated, ClassVar

from torch import Tensor
from torch.nn import functional

from lncore.layer import Eps, NormLayer, along_features, bias_parameter, check_groups, gain_parameter, scale_and_shift
from lncore.moments import inverse_root, moments, widen
from lncore.options import Range, Rule, checked


class EvoNormS0(NormLayer):
    """EvoNorm-S0: normalization and activation in one, found by search; each case is divided by its groups' deviation.

    It is its own activation, so none should follow. timm groups by 32 as the paper does.

    Formula: y = x·sigmoid(v ⊙ x)/√(σ_g² + ε) ⊙ γ + β, σ_g² the variance per case and group g
    Source: Liu, Brock, Simonyan, Le 2020 (arXiv 2004.02967), Table 1; 32 groups, ε 1e-5, v 1
    Axes: the features of a group at each position; on images the channels of a group, height and width
    Options:
        groups: how many groups; must divide the width (the paper's 32 serves widths of 64 and more)
        eps: added to the variance, inside the root
    Helps: convolutional networks whose batch is too small for batch normalization
    Hurts: inputs with a large mean, which it keeps; groups of one feature, whose variance is zero
    Raises: ValueError when the groups don't divide the width; TypeError for integers; OptionError for an ε below 0
    """

    activates = True
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            path="architecture.width*",
            op="divides",
            value="groups",
            message="evonorm_s0 splits the features into equal groups, so its groups must divide every width",
        ),
    )

    @checked
    def __init__(self, width: int, *, groups: Annotated[int, Range(ge=1, le=4096)] = 32, eps: Eps = 1e-5) -> None:
        super().__init__(width)
        check_groups(type(self).__name__, width, groups)
        self.groups = groups
        self.eps = eps
        self.v = gain_parameter(width, 1.0)
        self.weight = gain_parameter(width, 1.0)
        self.bias = bias_parameter(width)

    def normalize(self, x: Tensor) -> Tensor:
        wide = widen(x)
        # Not `sigmoid`, whose derivative s·(1 − s) has no digits left where s is near 1: that would be v's gradient.
        gate = functional.logsigmoid(wide * along_features(self.v, x)).exp()
        y = wide * gate * self._inverse_deviation(wide)
        return scale_and_shift(y, self.weight, self.bias, x).to(x.dtype)

    def _inverse_deviation(self, wide: Tensor) -> Tensor:
        if wide.dim() == 4:
            grouped = wide.unflatten(1, (self.groups, -1))
            inverse = inverse_root(moments(grouped, (2, 3, 4)).variance, self.eps)
            return inverse.expand_as(grouped).reshape(wide.shape)
        grouped = wide.unflatten(-1, (self.groups, -1))
        inverse = inverse_root(moments(grouped, -1).variance, self.eps)
        return inverse.expand_as(grouped).reshape(wide.shape)
