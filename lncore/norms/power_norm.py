"""PowerNorm: each feature by a running mean square over the batch, with an approximate backward pass."""

from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from lncore import kernels
from lncore.layer import (
    Eps,
    NormLayer,
    bias_parameter,
    check_batch,
    check_groups,
    features_back,
    features_last,
    gain_parameter,
)
from lncore.moments import above_zero, inverse_root, mean_square, widen
from lncore.options import Range, Rule, checked


class PowerNorm(NormLayer):
    """PowerNorm: features are divided by a running quadratic mean over the batch, without centring.

    First each position is scaled by the root mean square of its features (`groups` of them). While warming up the
    batch's own quadratic mean is used; then the running one, and the gradient through it is approximated by a running
    inner product of gradient and output. Evaluation uses the running mean. The approximation has no derivative of its
    own: in training a second one is refused, and so are the transforms of torch.func.

    Formula: y = x/√(ψ² + ε) ⊙ γ + β, ψ² ← α_f·ψ² + (1 − α_f)·mean_B(x²)
    Source: Shen, Yao, Gholami, Mahoney, Keutzer 2020 (arXiv 2003.07845), §4 (PN-V) and sIncerass/powernorm
        mask_powernorm.py; α_f = α_b = 0.9, 10 000 steps of warm-up, ε 1e-5
    Axes: the batch, per feature; with it time on sequences, height and width on images; before that the features of
        each position
    Options:
        alpha_forward: how much of the running quadratic mean a step keeps
        alpha_backward: how much of the running inner product of gradient and output a step lets go
        warmup: steps that use the batch's own quadratic mean
        groups: into how many groups the features are split for the scaling at the start; must divide the width
        eps: added to the quadratic mean, inside the root
    Helps: transformers for translation and language modelling, where batch normalization's statistics swing
    Hurts: very small batches; short training, which ends within the warm-up
    Caveats: a case's result depends on its batch while training; its gradient is an approximation
    Raises: ValueError for one value per feature in training, another width, or groups that don't divide it; TypeError
        for integers; OptionError for an ε below 0; RuntimeError for a second derivative in training
    """

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            path="training.batch_size",
            op="ge",
            value=2,
            message="power_norm estimates its statistics over the batch, so it wants a batch of at least 2",
        ),
        Rule(
            path="architecture.width*",
            op="divides",
            value="groups",
            message="power_norm splits the features into equal groups, so its groups must divide every width",
        ),
    )
    running_square: Tensor
    running_product: Tensor
    steps: Tensor

    @checked
    def __init__(
        self,
        width: int,
        *,
        alpha_forward: Annotated[float, Range(ge=0, lt=1)] = 0.9,
        alpha_backward: Annotated[float, Range(ge=0, le=1)] = 0.9,
        warmup: Annotated[int, Range(ge=0, le=10_000_000)] = 10_000,
        groups: Annotated[int, Range(ge=1, le=4096)] = 1,
        eps: Eps = 1e-5,
    ) -> None:
        super().__init__(width)
        check_groups(type(self).__name__, width, groups)
        self.alpha_forward = alpha_forward
        self.alpha_backward = alpha_backward
        self.warmup = warmup
        self.groups = groups
        self.eps = eps
        self.weight = gain_parameter(width, 1.0)
        self.bias = bias_parameter(width)
        self.register_buffer("running_square", torch.ones(width))
        self.register_buffer("running_product", torch.zeros(width))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def normalize(self, x: Tensor) -> Tensor:
        if x.numel() == 0:
            return x.clone()
        if self.training:
            check_batch(self, x)
        rows = self._scaled(widen(features_last(x)))
        z = self._from_batch(rows) if self.training else rows * inverse_root(self.running_square, self.eps)
        return features_back(torch.addcmul(self.bias, z, self.weight)).to(x.dtype)

    def _scaled(self, rows: Tensor) -> Tensor:
        grouped = rows.unflatten(-1, (self.groups, -1))
        return kernels.rms_norm(grouped, None, self.eps).reshape(rows.shape)

    def _from_batch(self, rows: Tensor) -> Tensor:
        square = mean_square(rows.detach(), tuple(range(rows.dim() - 1))).flatten()
        with torch.no_grad():
            self.steps.add_(1)
            used = torch.where(self.steps <= self.warmup, square, self.running_square)
            self._remember(square)
        eps = above_zero(self.eps, rows.dtype)
        return _PowerFunction.apply(rows, used + eps, square + eps, self.running_product, self.alpha_backward)

    def _remember(self, square: Tensor) -> None:
        """While warming up the running mean weighs all steps alike, then it forgets; both in one line per step."""
        averaged = self.running_square + (square - self.running_square) / self.steps
        start = torch.where(self.steps < self.warmup, averaged, self.running_square)
        self.running_square.copy_(torch.lerp(square, start, self.alpha_forward))


class _PowerFunction(torch.autograd.Function):
    """Rows divided by the roots of `used`; the gradient divides by those of `batch` and leans on a running product."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, used: Tensor, batch: Tensor, product: Tensor, alpha: float) -> Tensor:
        z = rows * torch.rsqrt(used)
        ctx.save_for_backward(z, batch)
        ctx.product = product
        ctx.alpha = alpha
        return z

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "PowerNorm's gradient in training is an approximation with no derivative of its own: leave out "
                "create_graph=True, or use layer.eval(), which can be differentiated twice."
            )
        z, batch = ctx.saved_tensors
        approximate = gradients[0] - (1 - ctx.alpha) * ctx.product * z
        ctx.product.add_((approximate * z).mean(tuple(range(z.dim() - 1))))
        return approximate * torch.rsqrt(batch), None, None, None, None
