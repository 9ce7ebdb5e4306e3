"""What every normalization layer shares: its width, where its features lie, and the check of what it is given.

Shapes, as everywhere in lncore: (features), (batch, features), (batch, time, features) with the features last, and
(batch, channels, height, width) with the channels as features.
"""

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from lncore.options import Range

Eps = Annotated[float, Range(ge=0, le=1)]
PositiveEps = Annotated[float, Range(gt=0, le=1)]
Gain = Annotated[float, Range(ge=-1000, le=1000)]


class NormLayer(nn.Module, ABC):
    """A layer that keeps the shape and type of its input; subclasses say how in `normalize`.

    `forward` raises ValueError for a wrong width or number of axes, TypeError for an input that isn't floating point.
    """

    removes_bias: ClassVar[bool] = False
    """Whether a constant added to a feature before the layer has no effect."""
    activates: bool = False
    """Whether the layer is its own activation function, so that none should follow."""

    def __init__(self, width: int) -> None:
        super().__init__()
        check_width(type(self).__name__, "width", width)
        self.width = width

    @abstractmethod
    def normalize(self, x: Tensor) -> Tensor:
        """The layer's function of an input that has passed the check."""

    def forward(self, x: Tensor) -> Tensor:
        self.check(x)
        return self.normalize(x)

    def add_and_normalize(self, x: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        """The norm of h = x + residual, and h itself; one pass over memory where there is a kernel for it."""
        check_sum(type(self).__name__, x, residual)
        h = x + residual
        return self(h), h

    def check(self, x: Tensor) -> None:
        """Raise TypeError or ValueError, saying what would be right, unless `x` suits the layer."""
        if not x.is_floating_point():
            raise TypeError(
                f"{type(self).__name__} got {x.dtype}, but normalizes floating point numbers only: use x.float()."
            )
        if not 1 <= x.dim() <= 4:
            raise ValueError(
                f"{type(self).__name__} got {x.dim()} axes, but takes (batch, features), (batch, time, features) or "
                "(batch, channels, height, width): flatten the others."
            )
        axis = feature_axis(x)
        if x.shape[axis] != self.width:
            raise ValueError(
                f"{type(self).__name__} of width {self.width} got {x.shape[axis]} features on axis {axis} of "
                f"{tuple(x.shape)}: make the layer that wide, or put the features {_place(x)}."
            )

    def extra_repr(self) -> str:
        return str(self.width)


def check_sum(owner: str, x: Tensor, residual: Tensor) -> None:
    """Raise ValueError unless `x` and `residual` have one shape, or one that spreads over the other's."""
    if x.shape == residual.shape:
        return
    for one, other in zip(reversed(x.shape), reversed(residual.shape), strict=False):
        if one != other and 1 not in (one, other):
            raise ValueError(
                f"{owner} can't add {tuple(x.shape)} and {tuple(residual.shape)}: a branch must keep its input's shape."
            )


def check_width(owner: str, name: str, width: int) -> None:
    """Raise ValueError unless `width`, the `name` of `owner`, is a whole number of at least 1."""
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:
        raise ValueError(f"{owner}: the {name} is {width!r}, but must be a whole number of at least 1.")


def feature_axis(x: Tensor) -> int:
    """The axis of the features: 1 on images, the last one otherwise."""
    return 1 if x.dim() == 4 else x.dim() - 1


def _place(x: Tensor) -> str:
    return "second, as channels" if x.dim() == 4 else "last"


def along_features(parameter: Tensor, x: Tensor) -> Tensor:
    """`parameter` (one number per feature) shaped so that it multiplies `x` feature by feature."""
    return parameter.reshape(-1, 1, 1) if x.dim() == 4 else parameter


def scale_and_shift(y: Tensor, weight: Tensor, bias: Tensor, x: Tensor) -> Tensor:
    """Y ⊙ weight + bias, feature by feature, for a `y` laid out as `x`; one pass over memory."""
    return torch.addcmul(along_features(bias, x), y, along_features(weight, x))


def features_last(x: Tensor) -> Tensor:
    """A view of `x` with its features on the last axis."""
    return x.movedim(1, -1) if x.dim() == 4 else x


def features_back(rows: Tensor) -> Tensor:
    """Undo `features_last`."""
    return rows.movedim(-1, 1) if rows.dim() == 4 else rows


def channels_second(x: Tensor) -> Tensor:
    """`x` with its features on the second axis, as torch's batch normalization wants them; its own inverse."""
    return x.transpose(1, 2) if x.dim() == 3 else x


def whole_case(x: Tensor, image_axes: str) -> bool:
    """Whether the statistics of `x` run over channels, height and width together instead of over the features alone."""
    return x.dim() == 4 and image_axes == "chw"


def gain_parameter(width: int, initial: float) -> nn.Parameter:
    return nn.Parameter(torch.full((width,), float(initial)))


def bias_parameter(width: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(width))


def check_groups(owner: str, width: int, groups: int) -> None:
    """Raise ValueError, naming the nearest numbers that would do, unless `groups` divides `width`."""
    if width % groups:
        fitting = [count for count in range(1, width + 1) if width % count == 0]
        near = sorted(sorted(fitting, key=lambda count: abs(count - groups))[:3])
        raise ValueError(f"{owner}: {groups} groups don't divide a width of {width}; {near} would.")


def alike(x: Tensor, residual: Tensor) -> bool:
    """Whether the two have one shape and one type, so that a kernel may add them as it goes."""
    return x.shape == residual.shape and x.dtype == residual.dtype


def case_rows(x: Tensor, image_axes: str) -> Tensor:
    """`x` with everything a case's statistics run over on the last axis."""
    return x.flatten(1) if whole_case(x, image_axes) else features_last(x)


def from_case_rows(rows: Tensor, x: Tensor, image_axes: str) -> Tensor:
    """Undo `case_rows`: the result in the shape of `x`."""
    return rows.reshape(x.shape) if whole_case(x, image_axes) else features_back(rows)


def check_batch(layer: NormLayer, x: Tensor) -> int:
    """How many values each feature has in `x`; raises ValueError when that is one, or there is no batch at all."""
    count = x.numel() // layer.width
    if x.dim() < 2 or count < 2:
        raise ValueError(
            f"{type(layer).__name__} got {tuple(x.shape)} in training, one value per feature, too few for statistics "
            "over the batch: use a batch of at least 2, or layer.eval()."
        )
    return count
