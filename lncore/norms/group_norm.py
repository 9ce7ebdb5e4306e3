"""Group normalization: each case by the mean and variance of groups of its channels."""

from typing import Annotated, ClassVar

from torch import Tensor

from lncore import kernels
from lncore.layer import Eps, Gain, NormLayer, bias_parameter, check_groups, gain_parameter, scale_and_shift
from lncore.moments import widen
from lncore.options import Range, Rule, checked


class GroupNorm(NormLayer):
    """Group normalization: the features of each case are normalized in groups of neighbours.

    One group is layer normalization, as many groups as features is instance normalization. torch's GroupNorm on
    (batch, channels, time) takes its statistics over time too; here a sequence is normalized position by position, so
    that no position sees a later one. ε is 1e-5 in torch and timm, as here, and 1e-6 in flax.

    Formula: y = (x − μ_g)/√(σ_g² + ε) ⊙ γ + β, statistics per case and group g
    Source: Wu, He 2018 (arXiv 1803.08494), §3; ε 1e-5; γ = 0 on the last norm of a residual block (`gain_init=0`)
    Axes: the features of a group at each position; on images the channels of a group, height and width
    Options:
        groups: how many groups; must divide the width (the paper's 32 serves widths of 64 and more)
        eps: added to the variance, inside the root
        affine: whether to learn γ and β
        gain_init: where γ starts
    Helps: convolutional networks whose batch is too small for batch normalization
    Hurts: ordinary batches, where batch normalization is about half a point better; groups of one or two features
    Raises: ValueError when the groups don't divide the width; TypeError for integers; OptionError for an ε below 0
    """

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            path="architecture.width*",
            op="divides",
            value="groups",
            message="group_norm splits the features into equal groups, so its groups must divide every width",
        ),
    )

    @checked
    def __init__(
        self,
        width: int,
        *,
        groups: Annotated[int, Range(ge=1, le=4096)] = 32,
        eps: Eps = 1e-5,
        affine: bool = True,
        gain_init: Gain = 1.0,
    ) -> None:
        super().__init__(width)
        check_groups(type(self).__name__, width, groups)
        self.groups = groups
        self.eps = eps
        self.weight = gain_parameter(width, gain_init) if affine else None
        self.bias = bias_parameter(width) if affine else None

    def normalize(self, x: Tensor) -> Tensor:
        if x.dim() == 4:
            return kernels.group_norm(x, self.groups, self.weight, self.bias, self.eps)
        # Without positions behind them the features of a group are a row of their own.
        rows = widen(x).unflatten(-1, (self.groups, -1))
        y = kernels.layer_norm(rows, None, None, self.eps).flatten(-2)
        if self.weight is not None and self.bias is not None:
            y = scale_and_shift(y, self.weight, self.bias, x)
        return y.to(x.dtype)
