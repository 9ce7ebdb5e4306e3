"""Statistics of activations, in float32 or better: the one place where lncore takes a mean or a variance.

The mean is taken twice. Rounding the mean to float32 is the largest error of ordinary layer normalization when the
inputs have an offset (1.3e-3 at a mean of 1e4, where the variance itself is right to 1e-7), and the mean of the
deviations, subtracted again, removes it: the error stays below 2e-6 up to offsets of 1e6 and constant inputs give
exactly zero.

Everything here is made of differentiable torch operations, so it works under autograd (twice), vmap and torch.compile.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

Axes = int | tuple[int, ...]
EpsPlace = Literal["inside", "outside"]


class Moments(NamedTuple):
    """What a normalization needs to know of an input; `mean` and `variance` keep the axes they were taken over at 1."""

    mean: Tensor
    deviation: Tensor
    variance: Tensor


def widen(x: Tensor) -> Tensor:
    """`x` in the precision its statistics are taken in: float64 stays, everything narrower becomes float32.

    float16 squares overflow above 255.9 and bfloat16 keeps 8 bits, so neither may accumulate anything.
    """
    return x if x.dtype in {torch.float32, torch.float64} else x.float()


def moments(x: Tensor, axes: Axes) -> Moments:
    """Mean, deviation from it and biased variance of `x` over `axes`.

    float32 deviations must stay below 1e19 / √n, where the sum of their squares leaves float32.
    """
    wide = widen(x)
    first = wide.mean(axes, keepdim=True)
    rough = wide - first
    # What the rounding of the first mean left behind; the subtraction above is exact near the mean (Sterbenz). It needs
    # no gradient: subtracting the mean of deviations changes nothing but rounding, in the derivative too.
    rest = rough.detach().mean(axes, keepdim=True)
    deviation = rough - rest
    return Moments(first + rest, deviation, deviation.square().mean(axes, keepdim=True))


def moments_of_rows(x: Tensor, among: Tensor) -> Moments:
    """Mean, deviation and biased variance of those rows of `x` (rows, features) where `among` (rows) is True.

    The shapes don't depend on how many these are, so a compiler traces them. The deviation of the other rows is zero;
    so is everything where there are no rows at all.
    """
    others, count = ~among[:, None], among.sum().clamp(min=1)
    wide = widen(x).masked_fill(others, 0)
    first = wide.sum(0, keepdim=True) / count
    rough = (wide - first).masked_fill(others, 0)
    rest = rough.detach().sum(0, keepdim=True) / count  # as in `moments`
    deviation = (rough - rest).masked_fill(others, 0)
    return Moments(first + rest, deviation, deviation.square().sum(0, keepdim=True) / count)


def mean_square(x: Tensor, axes: Axes) -> Tensor:
    """Mean of the squares of `x` over `axes`, kept at size 1."""
    return widen(x).square().mean(axes, keepdim=True)


def unbiased_variance(variance: Tensor, count: int) -> Tensor:
    """The unbiased variance of `count` numbers with a biased `variance`; one number keeps the zero it has."""
    return variance * (count / (count - 1)) if count > 1 else variance


def above_zero(eps: float, dtype: torch.dtype) -> float:
    """ε, or in its place the smallest normal number of `dtype`, which no ordinary variance notices.

    With it the norm of a row without deviation is its bias also where ε is 0, and no NaN reaches its gradient.
    """
    return max(eps, torch.finfo(dtype).tiny)


def inverse_root(square: Tensor, eps: float) -> Tensor:
    """1/√(square + ε), finite where both are zero.

    Not `rsqrt`, whose derivative takes the third power of that and leaves float32 at a square of zero.
    """
    return (square + above_zero(eps, square.dtype)).sqrt().reciprocal()


def over_root(y: Tensor, square: Tensor, eps: float, place: EpsPlace) -> Tensor:
    """`y` over √(square + ε), or over √square + ε where the place of ε is outside the root."""
    if place == "inside":
        return y * inverse_root(square, eps)
    # The root of zero has an infinite slope; the smallest normal number keeps the gradient of a zero row finite.
    return y / (square.clamp(min=torch.finfo(square.dtype).tiny).sqrt() + eps)


class BatchMoments(NamedTuple):
    """A batch standardized per channel, and the mean and unbiased variance that did it, without gradient."""

    standardized: Tensor
    mean: Tensor
    variance: Tensor


def standardize_batch(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> BatchMoments:
    """Standardize each channel of `x` (batch, channels, …; float32 or float64) over batch and positions.

    torch's own batch normalization does the work, forward and backward, after the first case is subtracted: the result
    doesn't see that shift, but without it a large offset would cost float32 its digits.
    """
    first = x.detach().select(0, 0)
    if x.dim() > 2:
        first = first.flatten(1).select(1, 0)
    shifted = x - first.reshape(-1, *(1,) * (x.dim() - 2))
    # With a momentum of one, torch's running statistics are those of this batch.
    mean, variance = torch.zeros_like(first), torch.zeros_like(first)
    weight, bias = (None if parameter is None else parameter.to(x.dtype) for parameter in (weight, bias))
    y = functional.batch_norm(shifted, mean, variance, weight, bias, training=True, momentum=1.0, eps=eps)
    return BatchMoments(y, mean + first, variance)
