"""The normalization functions on the CPU against eager torch, torch.compile and a copy: forward, backward, both."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from lncore import kernels
from tests.benchmarks.kernels_timing import in_turns

ROWS = [(128, 1000), (1024, 1000), (4096, 1024), (65536, 256), (8192, 4096)]
QUICK_ROWS = [(128, 1000), (4096, 1024), (65536, 256)]
IMAGES = [(32, 64, 28, 28), (16, 128, 56, 56)]
DIRECTIONS = ("forward", "backward", "both")


class Function(NamedTuple):
    """One function, as torch's users would write it and as lncore has it; `parameters` makes what x goes with."""

    name: str
    torchs: Callable[..., Any]
    ours: Callable[..., Any]
    parameters: Callable[[Tensor], list[Tensor]]
    images: bool = False


def _gain(x: Tensor) -> list[Tensor]:
    return [torch.randn(x.shape[1]) + 1]


def _gain_and_bias(x: Tensor) -> list[Tensor]:
    return [*_gain(x), torch.randn(x.shape[1])]


def _residual_too(parameters: Callable[[Tensor], list[Tensor]]) -> Callable[[Tensor], list[Tensor]]:
    return lambda x: [torch.randn_like(x), *parameters(x)]


def _torch_layer(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[1:], w, b, 1e-5)


def _torch_rms(x: Tensor, w: Tensor) -> Tensor:
    return functional.rms_norm(x, x.shape[1:], w, 1e-5)


def _torch_add_layer(x: Tensor, r: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    h = x + r
    return _torch_layer(h, w, b), h


def _torch_add_rms(x: Tensor, r: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    h = x + r
    return _torch_rms(h, w), h


def _torch_dyt(x: Tensor, alpha: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return torch.tanh(alpha * x) * w + b


def _torch_group(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return functional.group_norm(x, 32, w, b, 1e-5)


FUNCTIONS = [
    Function("layer_norm", _torch_layer, partial(kernels.layer_norm, eps=1e-5), _gain_and_bias),
    Function("rms_norm", _torch_rms, partial(kernels.rms_norm, eps=1e-5), _gain),
    Function(
        "add_layer_norm", _torch_add_layer, partial(kernels.add_layer_norm, eps=1e-5), _residual_too(_gain_and_bias)
    ),
    Function("add_rms_norm", _torch_add_rms, partial(kernels.add_rms_norm, eps=1e-5), _residual_too(_gain)),
    Function("dyt", _torch_dyt, kernels.dyt, lambda x: [torch.tensor(0.5), *_gain_and_bias(x)]),
    Function("group_norm", _torch_group, lambda x, w, b: kernels.group_norm(x, 32, w, b, 1e-5), _gain_and_bias, True),
]


def measure(seconds: float, *, quick: bool, compiled: bool) -> Iterator[dict[str, Any]]:
    """One record for each function, shape and direction: seconds of clone, eager, torch.compile and lncore."""
    for function in FUNCTIONS:
        shapes = (
            IMAGES[:1] if function.images and quick else IMAGES if function.images else QUICK_ROWS if quick else ROWS
        )
        for shape in shapes:
            torch.manual_seed(0)
            torch._dynamo.reset()
            ways = {"eager": function.torchs, "lncore": function.ours}
            if compiled:
                ways["compile"] = torch.compile(function.torchs, dynamic=False)
            x = torch.randn(shape)
            for direction in DIRECTIONS:
                calls = {name: _call(way, x, function.parameters(x), direction) for name, way in ways.items()}
                times = in_turns({"clone": x.clone, **calls}, seconds)
                yield {
                    "function": function.name,
                    "shape": shape,
                    "direction": direction,
                    "bytes": 4 * x.numel(),
                    **times,
                }


def _call(function: Callable[..., Any], x: Tensor, parameters: list[Tensor], direction: str) -> Callable[[], object]:
    """One direction as a user's program would run it: results are allocated by the call and freed after it."""
    if direction == "forward":

        def forward() -> None:
            with torch.no_grad():
                function(x, *parameters)

        return forward
    leaves = [tensor.detach().clone().requires_grad_() for tensor in (x, *parameters)]
    outputs = _outputs(function(*leaves))
    upper = [torch.randn_like(y) for y in outputs]
    if direction == "backward":
        return lambda: torch.autograd.grad(outputs, leaves, upper, retain_graph=True)
    return lambda: torch.autograd.grad(_outputs(function(*leaves)), leaves, upper)


def _outputs(found: Any) -> tuple[Tensor, ...]:
    return found if isinstance(found, tuple) else (found,)
