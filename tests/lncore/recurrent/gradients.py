"""Outputs and every gradient of a recurrent layer, to compare two of them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


def outputs_and_gradients(layer: nn.Module, x: Tensor, states: Sequence[Tensor], **options: Any) -> list[Tensor]:
    """Outputs and last states, then the gradients of a fixed random function of them: inputs, states, parameters."""
    layer.zero_grad()
    x = x.clone().requires_grad_()
    states = [state.clone().requires_grad_() for state in states]
    y, last = layer(x, tuple(states) if len(states) > 1 else states[0], **options)
    outputs = [y, *(last if isinstance(last, tuple) else (last,))]
    generator = torch.Generator().manual_seed(1)
    loss = sum((out * torch.randn(out.shape, generator=generator).to(out.dtype)).sum() for out in outputs)
    loss.backward()
    gradients = [x.grad, *(state.grad for state in states), *(parameter.grad for parameter in layer.parameters())]
    return outputs + [gradient for gradient in gradients if gradient is not None]


def assert_equal(got: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float) -> None:
    """Each tensor equal to its partner within `tolerance` of the largest number in it."""
    assert len(got) == len(expected)
    for left, right in zip(got, expected, strict=True):
        scale = float(right.detach().abs().max()) if right.numel() else 0.0
        torch.testing.assert_close(left, right, rtol=0, atol=tolerance * max(scale, 1e-2))


def shaken(layer: nn.Module, seed: int = 0) -> nn.Module:
    """The layer with every parameter moved a little, so that no gain is 1 and no bias 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator).to(parameter.dtype))
    return layer
