"""Statistics of layers while they train: what the paper means by "the distribution of the inputs varies".

    watch = LayerWatch(model)
    with watch:                      # hooks exist inside this block only
        loss(model(x)).backward()
    watch.read()["layers.0.norm"].output_deviation

Outside the block the model carries no hook, so watching costs nothing when it is off. Inside it the numbers stay on the
device, and only `read` waits for it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.rnn import PackedSequence

from lncore.layer import NormLayer
from lncore.moments import moments, widen

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

_FORWARD = ("mean", "deviation", "largest", "dead")


@dataclass(frozen=True)
class LayerStatistics:
    """One layer in the last watched step; NaN where nothing was seen (no backward pass, say).

    Means and deviations are over all entries; `dead` is the share of outputs that are exactly zero; the gradients are
    root mean squares of the loss's derivative by the layer's output and by its own parameters together.
    """

    input_mean: float
    input_deviation: float
    output_mean: float
    output_deviation: float
    output_largest: float
    output_dead: float
    output_gradient: float
    parameter_gradient: float
    parameter_norm: float


class LayerWatch:
    """A watch over layers of a model, by name; by default every norm and every layer that holds parameters itself.

    A layer whose weight is computed from others (weight_norm, weight_standardization) is one layer with those. Of a
    layer that takes or returns several tensors the first is watched, of a packed sequence its steps.

    Raises KeyError for a name the model doesn't have.
    """

    def __init__(self, model: nn.Module, names: Iterable[str] | None = None) -> None:
        modules = dict(model.named_modules())
        chosen = _worth_watching(model) if names is None else list(names)
        unknown = [name for name in chosen if name not in modules]
        if unknown:
            raise KeyError(f"The model has no layer {unknown[0]!r}; its layers are {', '.join(filter(None, modules))}.")
        self.layers = {name: modules[name] for name in chosen}
        self._handles: list[RemovableHandle] = []
        self._seen: dict[str, dict[str, Tensor]] = {}

    def __enter__(self) -> Self:
        self._seen = {name: {} for name in self.layers}
        self._handles = [
            module.register_forward_hook(self._on_forward(self._seen[name])) for name, module in self.layers.items()
        ]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        for name, module in self.layers.items():
            self._seen[name].update(_of_parameters(module))

    def read(self) -> dict[str, LayerStatistics]:
        """What the last watched step showed, as numbers; waits for the device once."""
        fields = list(LayerStatistics.__dataclass_fields__)
        nan = torch.tensor(float("nan"))
        rows = [torch.stack([seen.get(field, nan).cpu() for field in fields]) for seen in self._seen.values()]
        return {
            name: LayerStatistics(**dict(zip(fields, row.tolist(), strict=True)))
            for name, row in zip(self._seen, rows, strict=True)
        }

    @staticmethod
    def _on_forward(seen: dict[str, Tensor]) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            del module
            arrived, left = _first_tensor(inputs), _first_tensor(output)
            if arrived is not None and arrived.is_floating_point():
                seen.update(_of_values("input", arrived.detach(), ("mean", "deviation")))
            if left is not None and left.is_floating_point():
                seen.update(_of_values("output", left.detach(), _FORWARD))
                if left.requires_grad:
                    left.register_hook(_on_gradient(seen))

        return hook


def _on_gradient(seen: dict[str, Tensor]) -> Callable[[Tensor], None]:
    def hook(gradient: Tensor) -> None:
        seen["output_gradient"] = _root_mean_square(gradient.detach())

    return hook


def _first_tensor(values: Any) -> Tensor | None:
    """The first tensor among what a layer takes or returns; None where there is none."""
    if isinstance(values, Tensor):
        return values
    if isinstance(values, PackedSequence):
        return values.data
    if isinstance(values, (tuple, list)):
        return next((found for value in values if (found := _first_tensor(value)) is not None), None)
    return None


def _worth_watching(model: nn.Module) -> list[str]:
    computed = filter(parametrize.is_parametrized, model.modules())
    inside = {part for module in computed for part in module.get_submodule("parametrizations").modules()}
    return [
        name
        for name, module in model.named_modules()
        if module not in inside and (isinstance(module, NormLayer) or _parameters(module))
    ]


def _parameters(module: nn.Module) -> list[nn.Parameter]:
    """The parameters a layer holds itself, with those its weight is computed from."""
    own = list(module.parameters(recurse=False))
    if parametrize.is_parametrized(module):
        own += module.get_submodule("parametrizations").parameters()
    return own


def _of_values(side: str, values: Tensor, wanted: tuple[str, ...]) -> dict[str, Tensor]:
    if values.numel() == 0:
        return {}
    statistics = moments(values.flatten(), 0)
    found = {
        "mean": statistics.mean[0].float(),
        "deviation": statistics.variance[0].sqrt().float(),
        "largest": values.abs().max().float(),
        "dead": (values == 0).float().mean(),
    }
    return {f"{side}_{name}": found[name] for name in wanted}


def _of_parameters(module: nn.Module) -> dict[str, Tensor]:
    parameters = _parameters(module)
    if not parameters:
        return {}
    found = {"parameter_norm": _root_of_sum([parameter.detach() for parameter in parameters])}
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if gradients:
        count = sum(gradient.numel() for gradient in gradients)
        found["parameter_gradient"] = _root_of_sum(gradients) / count**0.5
    return found


def _root_of_sum(values: list[Tensor]) -> Tensor:
    return torch.stack([widen(value).square().sum().float() for value in values]).sum().sqrt()


def _root_mean_square(values: Tensor) -> Tensor:
    return widen(values).square().mean().sqrt().float()
