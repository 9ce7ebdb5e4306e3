"""Weights computed from other parameters at every use: weight normalization and weight standardization.

Both register a parametrization of torch (`torch.nn.utils.parametrize`), so the layer keeps its type and its attribute
`weight`, and its state dict holds what is trained.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from lncore.moments import inverse_root, moments, widen


def check_weight_layer(owner: str, layer: nn.Module) -> nn.Module:
    """Raise TypeError unless `layer` is Linear or a convolution, with a weight of its own, which has outputs first."""
    if not isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        raise TypeError(f"{owner} acts on nn.Linear and nn.Conv1d to nn.Conv3d, not on {type(layer).__name__}.")
    if parametrize.is_parametrized(layer, "weight"):
        raise TypeError(
            f"{owner} acts on a layer whose weight is its own; that of this {type(layer).__name__} is computed already."
        )
    return layer


def _per_output(parameter: Tensor, weight: Tensor) -> Tensor:
    return parameter.reshape(-1, *(1,) * (weight.dim() - 1))


class NormalizedWeight(nn.Module):
    """The weight g·v/‖v‖, one length per output; trained are g and v (`original0`, `original1` in the state dict)."""

    initialized: Tensor

    def __init__(self, *, data_init: bool) -> None:
        super().__init__()
        self.register_buffer("initialized", torch.tensor(not data_init))
        self.pending = data_init

    def forward(self, gain: Tensor, direction: Tensor) -> Tensor:
        rows = widen(direction).flatten(1)
        length = rows.square().sum(1).clamp(min=torch.finfo(rows.dtype).tiny).sqrt()
        return (direction * _per_output(gain / length, direction)).to(direction.dtype)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The parameters that give the weight the layer already has."""
        return weight.flatten(1).norm(dim=1), weight


class StandardizedWeight(nn.Module):
    """The weight centred and scaled per output, times a fixed factor and, where learned, a gain per output."""

    def __init__(self, outputs: int, factor: float, eps: float, *, gain: bool) -> None:
        super().__init__()
        self.factor = factor
        self.eps = eps
        self.gain = nn.Parameter(torch.ones(outputs)) if gain else None

    def forward(self, weight: Tensor) -> Tensor:
        statistics = moments(weight.flatten(1), -1)
        standardized = statistics.deviation * (inverse_root(statistics.variance, self.eps) * self.factor)
        standardized = standardized if self.gain is None else standardized * self.gain.unsqueeze(1)
        return standardized.reshape(weight.shape).to(weight.dtype)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The layer's weight stays what is trained; its scale and mean have no effect from now on."""
        return weight


def normalize_weight(layer: nn.Module, *, data_init: bool) -> nn.Module:
    """Train `layer`'s weight as length and direction; with `data_init` the first batch sets length and bias."""
    parametrize.register_parametrization(layer, "weight", NormalizedWeight(data_init=data_init))
    if data_init:
        layer.register_forward_pre_hook(_initialize_once)
    return layer


def standardize_weight(layer: nn.Module, *, factor: float, eps: float, gain: bool) -> nn.Module:
    weight = layer.weight
    if not isinstance(weight, Tensor):
        raise TypeError(f"{type(layer).__name__} has no weight to standardize.")
    standardized = StandardizedWeight(weight.shape[0], factor, eps, gain=gain).to(weight.device, weight.dtype)
    parametrize.register_parametrization(layer, "weight", standardized)
    return layer


def _initialize_once(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Before a forward pass: initialize from this batch when that is still to do.

    `pending` spares the second pass at every step but a process's first; the buffer is what a saved layer remembers, so
    that a resumed one isn't initialized again.
    """
    weight = _normalized_weight(layer)
    if not (weight.pending and layer.training and inputs[0].shape[0] > 1):
        return
    weight.pending = False
    _initialize(layer, weight.initialized, inputs[0])


@torch.no_grad()
def _initialize(layer: nn.Module, initialized: Tensor, batch: Tensor) -> None:
    """Choose g and the bias so that every output has mean 0 and variance 1 over `batch`, unless that is done already.

    Salimans and Kingma 2016, §3: t = v·x/‖v‖, g = 1/σ[t], b = −μ[t]/σ[t]. Whether it is done stays on the device: no
    branch hangs on it, so a compiler traces the first step as any other.
    """
    gain = layer.get_parameter("parametrizations.weight.original0")
    bias = None if layer.bias is None else layer.get_parameter("bias")
    kept = gain.clone(), None if bias is None else bias.clone()
    gain.fill_(1.0)
    if bias is not None:
        bias.zero_()
    response = layer.forward(batch)
    features = response if isinstance(layer, nn.Linear) else response.movedim(1, -1)
    statistics = moments(features.flatten(0, -2), 0)
    scale = torch.rsqrt(statistics.variance[0] + 1e-10)
    gain.copy_(torch.where(initialized, kept[0], scale))
    if bias is not None:
        bias.copy_(torch.where(initialized, kept[1], -statistics.mean[0] * scale))
    initialized.fill_(True)


def _normalized_weight(layer: nn.Module) -> NormalizedWeight:
    return next(part for part in layer.modules() if isinstance(part, NormalizedWeight))
