"""Every kernel function beside its plain form, with inputs for it, so that one test covers them all."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lncore import kernels, plain


class Case(NamedTuple):
    """A function over (x, *parameters) and the plain form of it; `name` is what a test shows."""

    name: str
    fast: Callable[..., Any]
    plain: Callable[..., Any]
    parameters: Callable[[int], list[Tensor]]

    def inputs(self, rows: int, width: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> list[Tensor]:
        """x (rows, width) and the parameters for it, all needing gradients."""
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(rows, width, generator=generator, dtype=torch.float64)
        torch.manual_seed(seed)
        tensors = [x, *(parameter.double() for parameter in self.parameters(width))]
        if self.name.startswith("add_"):
            tensors.insert(1, torch.randn(rows, width, generator=generator, dtype=torch.float64))
        return [tensor.to(dtype).requires_grad_() for tensor in tensors]


def _gain_and_bias(width: int) -> list[Tensor]:
    return [torch.randn(width) + 1, torch.randn(width)]


def _over_rows(function: Callable[..., Any]) -> Callable[..., Any]:
    """Group norm of rows taken as (batch, channels): two groups where that divides."""
    return lambda x, w, b: function(x, 2 if x.shape[1] % 2 == 0 and x.shape[1] else 1, w, b, 1e-5)


CASES = [
    Case("layer_norm", partial(kernels.layer_norm, eps=1e-5), partial(plain.layer_norm, eps=1e-5), _gain_and_bias),
    Case(
        "rms_norm",
        partial(kernels.rms_norm, eps=1e-5, offset=1.0),
        partial(plain.rms_norm, eps=1e-5, offset=1.0),
        lambda width: [torch.randn(width)],
    ),
    Case(
        "add_layer_norm",
        partial(kernels.add_layer_norm, eps=1e-5),
        partial(plain.add_layer_norm, eps=1e-5),
        _gain_and_bias,
    ),
    Case(
        "add_rms_norm",
        partial(kernels.add_rms_norm, eps=1e-5),
        partial(plain.add_rms_norm, eps=1e-5),
        lambda width: [torch.randn(width)],
    ),
    Case("dyt", kernels.dyt, plain.dyt, lambda width: [torch.tensor(0.7), *_gain_and_bias(width)]),
    Case("group_norm", _over_rows(kernels.group_norm), _over_rows(plain.group_norm), _gain_and_bias),
]


def outputs_and_gradients(function: Callable[..., Any], inputs: list[Tensor], seed: int = 1) -> list[Tensor]:
    """What the function returns, and the gradients of a fixed random sum of it."""
    found = function(*inputs)
    outputs = found if isinstance(found, tuple) else (found,)
    generator = torch.Generator().manual_seed(seed)
    upper = [torch.randn(y.shape, generator=generator, dtype=torch.float64).to(y.dtype) for y in outputs]
    return [*(y.detach() for y in outputs), *torch.autograd.grad(outputs, inputs, upper)]
