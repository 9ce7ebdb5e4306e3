"""torch's layers: outputs, all gradients, and errors of at most twice its own."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lncore import kernels, reference
from tests.lncore.variants import inputs, make, randomized

PAIRS: dict[str, tuple[Callable[[], nn.Module], str, dict[str, Any], tuple[int, ...]]] = {
    "LayerNorm": (lambda: nn.LayerNorm(16), "layer_norm", {}, (5, 3, 16)),
    "LayerNorm without bias": (lambda: nn.LayerNorm(16, bias=False), "layer_norm", {"bias": False}, (5, 3, 16)),
    "RMSNorm": (
        lambda: nn.RMSNorm(16),
        "rms_norm",
        {"eps": torch.finfo(torch.float32).eps},
        (5, 3, 16),
    ),
    "GroupNorm": (lambda: nn.GroupNorm(4, 16), "group_norm", {"groups": 4}, (5, 16, 3, 4)),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(16), "instance_norm", {}, (5, 16, 3, 4)),
    "InstanceNorm2d affine": (
        lambda: nn.InstanceNorm2d(16, affine=True),
        "instance_norm",
        {"affine": True},
        (5, 16, 3, 4),
    ),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(16), "batch_norm", {}, (5, 16)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(16), "batch_norm", {}, (5, 16, 3, 4)),
}


@pytest.mark.parametrize("name", list(PAIRS))
def test_a_layer_and_all_its_gradients_equal_torchs(name: str) -> None:
    torchs_class, mine_name, options, shape = PAIRS[name]
    torchs = randomized(torchs_class())
    mine = make(mine_name, 16, **options)
    state = {key: value for key, value in torchs.state_dict().items() if key in mine.state_dict()}
    mine.load_state_dict(state)
    x, seed = inputs(shape), inputs(shape, 2)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, wanted = mine(ours), torchs(theirs)
    torch.testing.assert_close(y, wanted, rtol=1e-5, atol=1e-6)
    y.backward(seed)
    wanted.backward(seed)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)
    for (label, mine_parameter), torchs_parameter in zip(mine.named_parameters(), torchs.parameters(), strict=True):
        torch.testing.assert_close(mine_parameter.grad, torchs_parameter.grad, rtol=1e-4, atol=1e-5, msg=label)


def test_group_norm_at_its_ends_is_layer_and_instance_norm() -> None:
    x = inputs((4, 8, 3, 5))
    torch.testing.assert_close(make("group_norm", 8, groups=1)(x), make("layer_norm", 8)(x))
    torch.testing.assert_close(make("group_norm", 8, groups=8)(x), make("instance_norm", 8)(x))


def test_weight_norm_equals_torchs_parametrization() -> None:
    from torch.nn.utils.parametrizations import weight_norm

    from lncore import menu

    mine, torchs = nn.Linear(5, 7), nn.Linear(5, 7)
    torchs.load_state_dict(mine.state_dict())
    x = inputs((4, 5))
    wrapped = menu.normalization("weight_norm", init="weight").reparametrize(mine)
    theirs = weight_norm(torchs)
    torch.testing.assert_close(wrapped(x), theirs(x))
    wrapped(x).square().sum().backward()
    theirs(x).square().sum().backward()
    for (label, one), other in zip(wrapped.named_parameters(), theirs.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(one.grad.flatten(), other.grad.flatten(), msg=label)


TORCH_FORMS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "layer_norm": (
        lambda x: kernels.layer_norm(x, None, None, 1e-5),
        lambda x: nn.functional.layer_norm(x, x.shape[-1:]),
        reference.layer_norm,
    ),
    "rms_norm": (
        lambda x: kernels.rms_norm(x, None, 1e-5),
        lambda x: nn.functional.rms_norm(x, x.shape[-1:], eps=1e-5),
        reference.rms_norm,
    ),
    "group_norm": (
        lambda x: kernels.group_norm(x, 2, None, None, 1e-5),
        lambda x: nn.functional.group_norm(x, 2),
        lambda x: reference.group_norm(x, 2),
    ),
}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("width", [2, 8, 130, 768, 1024])
@pytest.mark.parametrize("name", list(TORCH_FORMS))
def test_the_error_is_at_most_twice_torchs(name: str, width: int, dtype: torch.dtype) -> None:
    """Forward and backward against float64, torch measured in the same type on the same input."""
    mine, torchs, exact = TORCH_FORMS[name]
    x, seed = inputs((37, width), dtype=dtype), inputs((37, width), 2, dtype=dtype)

    def errors(function: Callable[[Tensor], Tensor]) -> tuple[float, float]:
        leaf, twin = x.clone().requires_grad_(), x.double().requires_grad_()
        y, wanted = function(leaf), exact(twin)
        y.backward(seed)
        wanted.backward(seed.double())
        assert leaf.grad is not None
        assert twin.grad is not None
        return float((y.double() - wanted).detach().abs().max()), float((leaf.grad.double() - twin.grad).abs().max())

    for error, torchs_error in zip(errors(mine), errors(torchs), strict=True):
        assert error <= 2 * torchs_error + 2 * torch.finfo(torch.float32).eps
