"""Recurrent batch normalization: batch statistics of its own for every time step."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lncore.moments import inverse_root, moments, moments_of_rows, widen
from lncore.recurrent.arguments import check_numbers, check_sizes
from lncore.recurrent.paths import StepNorm


class RecurrentBatchNorm(StepNorm):
    """Batch normalization of a recurrent path, with running statistics for each time step up to `max_steps`.

    BN(x; γ, β)_t = (x − E_t[x])/√(Var_t[x] + ε)⊙γ + β. γ starts at 0.1: at 1 the tanh saturates and gradients vanish
    (Cooijmans et al. 2017, arXiv 1603.09025, §4 and figure 1); γ of 0.01 and below is unstable. Later steps use the
    statistics of the last one. Padding (`valid` False) takes no part in the statistics.

    Running statistics move by `momentum`, 0.01 in the authors' code, and are plain averages until they have seen
    1/momentum batches. Steps with fewer than two valid rows in training are normalized by the running statistics; a
    whole batch of one raises ValueError, as another width does; integers raise TypeError.
    """

    running_mean: Tensor
    running_var: Tensor
    batches_seen: Tensor

    def __init__(
        self,
        width: int,
        *,
        max_steps: int,
        gain_init: float = 0.1,
        bias: bool = True,
        eps: float = 1e-5,
        momentum: float = 0.01,
    ) -> None:
        super().__init__()
        check_sizes("RecurrentBatchNorm", width=width, max_steps=max_steps)
        check_numbers("RecurrentBatchNorm", eps=eps, momentum=momentum, gain_init=gain_init)
        if eps < 0 or not 0 < momentum <= 1:
            raise ValueError(f"RecurrentBatchNorm: eps {eps} must not be negative, momentum {momentum} in (0, 1].")
        self.max_steps, self.eps, self.momentum = max_steps, eps, momentum
        self.weight = nn.Parameter(torch.full((width,), gain_init))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None
        self.register_buffer("running_mean", torch.zeros(max_steps, width))
        self.register_buffer("running_var", torch.ones(max_steps, width))
        self.register_buffer("batches_seen", torch.zeros(max_steps, dtype=torch.long))

    def forward(self, x: Tensor, step: int, valid: Tensor | None) -> Tensor:
        self._check(x)
        step = min(step, self.max_steps - 1)
        mean, variance = self._from_batch(x, step, valid) if self.training and len(x) else self._running(step)
        y = (widen(x) - mean) * inverse_root(variance, self.eps) * self.weight
        return (y if self.bias is None else y + self.bias).to(x.dtype)

    def _running(self, step: int) -> tuple[Tensor, Tensor]:
        return self.running_mean[step], self.running_var[step]

    def _from_batch(self, x: Tensor, step: int, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and variance of the rows that are not padding; the running ones where those are fewer than two."""
        if len(x) == 1:
            raise ValueError("RecurrentBatchNorm needs at least two sequences in a training batch.")
        batch = moments(x, 0) if valid is None else moments_of_rows(x, valid)
        mean, variance = batch.mean.squeeze(0), batch.variance.squeeze(0)
        if valid is not None:  # how many they are stays on the device, so that no branch hangs on it
            enough = valid.sum() > 1
            running_mean, running_var = self._running(step)
            mean, variance = torch.where(enough, mean, running_mean), torch.where(enough, variance, running_var)
        self._keep(step, mean, variance, 1 if valid is None else enough)
        return mean, variance

    def _check(self, x: Tensor) -> None:
        if not x.is_floating_point():
            raise TypeError(
                f"RecurrentBatchNorm got {x.dtype}, but normalizes floating point numbers only: use x.float()."
            )
        width = len(self.weight)
        if x.dim() != 2 or x.shape[1] != width:
            raise ValueError(
                f"RecurrentBatchNorm of width {width} got {tuple(x.shape)}, but takes one step, (batch, {width})."
            )

    @torch.no_grad()
    def _keep(self, step: int, mean: Tensor, variance: Tensor, batches: Tensor | int) -> None:
        """Move the running statistics of a step towards those of a batch; towards themselves where there was none."""
        self.batches_seen[step] += batches
        share = torch.clamp(1 / self.batches_seen[step], min=self.momentum, max=1)
        self.running_mean[step] += share * (mean - self.running_mean[step])
        self.running_var[step] += share * (variance - self.running_var[step])

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, max_steps={self.max_steps}, eps={self.eps}, momentum={self.momentum}"


def recurrent_batch_norm(max_steps: int, **options: Any) -> dict[str, Any]:
    """The three paths of a batch-normalized LSTM as in the paper, to pass on: `LSTM(…, **recurrent_batch_norm(50))`.

    Input and recurrent path have no shift of their own (the LSTM's bias is one), the cell has. A GRU takes the first
    two: `norm=partial(RecurrentBatchNorm, max_steps=50, bias=False)`.
    """
    gates = partial(RecurrentBatchNorm, max_steps=max_steps, bias=False, **options)
    cell = partial(RecurrentBatchNorm, max_steps=max_steps, **options)
    return {"input_norm": gates, "recurrent_norm": gates, "cell_norm": cell}
