"""Batch renormalization: batch statistics corrected towards the running ones, for small batches."""

from typing import Annotated, ClassVar

import torch
from torch import Tensor

from lncore.layer import (
    NormLayer,
    PositiveEps,
    along_features,
    bias_parameter,
    channels_second,
    check_batch,
    gain_parameter,
    scale_and_shift,
)
from lncore.moments import standardize_batch, widen
from lncore.options import Range, Rule, checked


class BatchRenorm(NormLayer):
    """Batch normalization whose result is corrected, within limits, to what the running statistics would have given.

    The limits start at r = 1, d = 0, which is batch normalization, and widen once `relax_after` steps are past; the
    correction carries no gradient. Wu and He 2018 found r_max 1.5 and d_max 0.5 best for a ResNet-50.

    Formula: y = ((x − μ_B)/σ_B · r + d) ⊙ γ + β, r = clip(σ_B/σ, 1/r_max, r_max), d = clip((μ_B − μ)/σ, ±d_max)
    Source: Ioffe 2017 (arXiv 1702.03275), Algorithm 1; ε 1e-3, momentum 0.01, limits 3 and 5 reached linearly at
        40 000 and 25 000 steps from 5 000
    Axes: the batch, per feature; with it time on sequences, height and width on images
    Options:
        r_max: the limit of the scale's correction in the end
        d_max: the limit of the shift's correction in the end
        relax_after: steps of plain batch normalization before the limits widen
        r_full_at: the step at which r_max is reached
        d_full_at: the step at which d_max is reached
        eps: added to the variance, inside the root
        momentum: the share of the newest batch in the running statistics
        affine: whether to learn γ and β
    Helps: convolutional networks with small batches, or batches that aren't drawn at random
    Hurts: batches of 2, where group normalization is better; recurrent networks; short training, since the running
        statistics follow slowly
    Caveats: a case's result depends on its batch while training
    Raises: ValueError for one value per feature in training, or another width; TypeError for integers
    """

    removes_bias: ClassVar[bool] = True
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            path="training.batch_size",
            op="ge",
            value=2,
            message="batch_renorm estimates its statistics over the batch, so it wants a batch of at least 2",
        ),
    )
    running_mean: Tensor
    running_deviation: Tensor
    steps: Tensor

    @checked
    def __init__(
        self,
        width: int,
        *,
        r_max: Annotated[float, Range(ge=1, le=100)] = 3.0,
        d_max: Annotated[float, Range(ge=0, le=100)] = 5.0,
        relax_after: Annotated[int, Range(ge=0, le=10_000_000)] = 5000,
        r_full_at: Annotated[int, Range(ge=0, le=10_000_000)] = 40_000,
        d_full_at: Annotated[int, Range(ge=0, le=10_000_000)] = 25_000,
        eps: PositiveEps = 1e-3,
        momentum: Annotated[float, Range(gt=0, le=1)] = 0.01,
        affine: bool = True,
    ) -> None:
        super().__init__(width)
        self.r_max = r_max
        self.d_max = d_max
        self.relax_after = relax_after
        self.r_full_at = r_full_at
        self.d_full_at = d_full_at
        self.eps = eps
        self.momentum = momentum
        self.weight = gain_parameter(width, 1.0) if affine else None
        self.bias = bias_parameter(width) if affine else None
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_deviation", torch.ones(width))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def normalize(self, x: Tensor) -> Tensor:
        if x.numel() == 0:
            return x.clone()
        if not self.training:
            return self._affine(self._from_running(x), x)
        count = check_batch(self, x)
        batch = standardize_batch(channels_second(widen(x)), None, None, self.eps)
        with torch.no_grad():
            deviation = torch.sqrt(batch.variance * ((count - 1) / count) + self.eps)
            r, d = self._correction(batch.mean, deviation)
            self._remember(batch.mean, deviation)
        y = scale_and_shift(channels_second(batch.standardized), r, d, x)
        return self._affine(y, x)

    def _affine(self, y: Tensor, x: Tensor) -> Tensor:
        if self.weight is not None and self.bias is not None:
            y = scale_and_shift(y, self.weight, self.bias, x)
        return y.to(x.dtype)

    def _from_running(self, x: Tensor) -> Tensor:
        return (widen(x) - along_features(self.running_mean, x)) / along_features(self.running_deviation, x)

    def _correction(self, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
        r_limit = 1 + (self.r_max - 1) * self._progress(self.r_full_at)
        d_limit = self.d_max * self._progress(self.d_full_at)
        ratio = (deviation / self.running_deviation).clamp(1 / r_limit, r_limit)
        return ratio, ((mean - self.running_mean) / self.running_deviation).clamp(-d_limit, d_limit)

    def _progress(self, full_at: int) -> Tensor:
        """From 0 at `relax_after` to 1 at `full_at`; a tensor, so that the step never has to leave the device."""
        return ((self.steps - self.relax_after) / max(full_at - self.relax_after, 1)).clamp(0, 1)

    def _remember(self, mean: Tensor, deviation: Tensor) -> None:
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_deviation.lerp_(deviation.to(self.running_deviation.dtype), self.momentum)
        self.steps.add_(1)
