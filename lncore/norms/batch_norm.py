"""Batch normalization: each feature by its mean and variance over the batch."""

from typing import Annotated, ClassVar

import torch
from torch import Tensor

from lncore.layer import (
    Gain,
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


class BatchNorm(NormLayer):
    """Batch normalization: each feature is centred and scaled by its mean and variance over the batch.

    Training uses the statistics of the batch and keeps running ones, evaluation the running ones. Batch normalization
    doesn't see a constant added to a feature, so the first case is subtracted before anything is summed: that keeps
    float32 exact at large offsets, where torch loses digits. Running variances are unbiased, as in torch and the paper.
    ε is 1e-5 in torch and flax, as here; models that timm took over from TensorFlow have 1e-3.

    Formula: y = (x − μ_B)/√(σ_B² + ε) ⊙ γ + β
    Source: Ioffe, Szegedy 2015 (arXiv 1502.03167), Algorithms 1 and 2; ε and momentum as in torch
    Axes: the batch, per feature; with it time on sequences, height and width on images
    Options:
        eps: added to the variance, inside the root
        momentum: the share of the newest batch in the running statistics (torch's meaning; TensorFlow has 1 − this)
        affine: whether to learn γ and β
        gain_init: where γ starts
        unbiased: normalize a training batch by its unbiased variance (Ba et al. 2016 did so at batch size 4)
    Helps: convolutional and dense networks with batches of 16 and more; its noise regularizes
    Hurts: small batches, recurrent networks, training data that differs from what follows, online learning
    Caveats: a case's result depends on its batch while training
    Raises: ValueError for one value per feature in training, or another width; TypeError for integers
    """

    removes_bias: ClassVar[bool] = True
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            path="training.batch_size",
            op="ge",
            value=2,
            message="batch_norm estimates its statistics over the batch, so it wants a batch of at least 2",
        ),
    )
    running_mean: Tensor
    running_var: Tensor

    @checked
    def __init__(
        self,
        width: int,
        *,
        eps: PositiveEps = 1e-5,
        momentum: Annotated[float, Range(gt=0, le=1)] = 0.1,
        affine: bool = True,
        gain_init: Gain = 1.0,
        unbiased: bool = False,
    ) -> None:
        super().__init__(width)
        self.eps = eps
        self.momentum = momentum
        self.unbiased = unbiased
        self.weight = gain_parameter(width, gain_init) if affine else None
        self.bias = bias_parameter(width) if affine else None
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def normalize(self, x: Tensor) -> Tensor:
        if x.numel() == 0:
            return x.clone()
        return self._from_batch(x) if self.training else self._from_running(x)

    def _from_batch(self, x: Tensor) -> Tensor:
        count = check_batch(self, x)
        weight, eps = self._scaled(count)
        batch = standardize_batch(channels_second(widen(x)), weight, self.bias, eps)
        with torch.no_grad():
            self.running_mean.lerp_(batch.mean.to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_(batch.variance.to(self.running_var.dtype), self.momentum)
        return channels_second(batch.standardized).to(x.dtype)

    def _scaled(self, count: int) -> tuple[Tensor | None, float]:
        """Gain and ε that turn torch's biased formula into the unbiased one where that is wanted."""
        if not self.unbiased:
            return self.weight, self.eps
        share = (count - 1) / count
        weight = self.running_var.new_ones(self.width) if self.weight is None else self.weight
        return weight * share**0.5, self.eps * share

    def _from_running(self, x: Tensor) -> Tensor:
        y = widen(x) - along_features(self.running_mean, x)
        y = y * along_features(torch.rsqrt(self.running_var + self.eps), x)
        if self.weight is not None and self.bias is not None:
            y = scale_and_shift(y, self.weight, self.bias, x)
        return y.to(x.dtype)
