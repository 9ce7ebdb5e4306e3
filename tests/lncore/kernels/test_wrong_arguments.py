"""Arguments that don't fit are refused with what would be right, fused or plain, before any memory is read."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from lncore import kernels
from tests.lncore.variants import inputs, make

X, W, ALPHA = torch.randn(4, 8), torch.ones(8), torch.tensor(0.5)
NARROW, WIDE = torch.ones(4), torch.ones(16)

AFFINE: dict[str, Callable[[Tensor, Tensor | None, Tensor | None, float], Any]] = {
    "layer_norm": kernels.layer_norm,
    "rms_norm": lambda x, w, _, eps: kernels.rms_norm(x, w, eps),
    "add_layer_norm": lambda x, w, b, eps: kernels.add_layer_norm(x, x, w, b, eps),
    "add_rms_norm": lambda x, w, _, eps: kernels.add_rms_norm(x, x, w, eps),
    "dyt": lambda x, w, b, _: kernels.dyt(x, ALPHA, w, b),
    "group_norm": lambda x, w, b, eps: kernels.group_norm(x, 2, w, b, eps),
}
SHIFTED = [name for name in AFFINE if "rms" not in name]
DIVIDING = [name for name in AFFINE if name != "dyt"]


@pytest.fixture(params=["fused", "plain"])
def x(request: pytest.FixtureRequest) -> Tensor:
    """Eight features that a kernel takes, or that plain torch takes since they are on no device a kernel serves."""
    return X if request.param == "fused" else X.to("meta")


@pytest.mark.parametrize("name", AFFINE)
@pytest.mark.parametrize("wrong", [NARROW, WIDE, torch.ones(1), torch.ones(()), torch.ones(1, 8)])
def test_a_weight_of_another_shape_is_refused(name: str, x: Tensor, wrong: Tensor) -> None:
    with pytest.raises(ValueError, match=rf"^{name} got a weight of .* 8 features: make it \(8,\)\.$"):
        AFFINE[name](x, wrong.to(x.device), None, 1e-5)


@pytest.mark.parametrize("name", SHIFTED)
@pytest.mark.parametrize("wrong", [NARROW, WIDE])
def test_a_bias_of_another_width_is_refused(name: str, x: Tensor, wrong: Tensor) -> None:
    with pytest.raises(ValueError, match=rf"^{name} got a bias of .* 8 features: make it \(8,\)\.$"):
        AFFINE[name](x, W.to(x.device), wrong.to(x.device), 1e-5)


@pytest.mark.parametrize("name", AFFINE)
@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_numbers_that_are_not_floating_point_are_refused(name: str, x: Tensor, dtype: torch.dtype) -> None:
    with pytest.raises(TypeError, match=rf"^{name} got {dtype}, .*use x\.float\(\)"):
        AFFINE[name](x.to(dtype), None, None, 1e-5)


@pytest.mark.parametrize("name", AFFINE)
def test_an_input_without_features_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} got x of .*no axis of features"):
        AFFINE[name](torch.ones(()), None, None, 1e-5)


@pytest.mark.parametrize("name", AFFINE)
@pytest.mark.parametrize("dtype", [torch.int64, torch.complex64])
def test_a_weight_that_is_not_floating_point_is_refused(name: str, x: Tensor, dtype: torch.dtype) -> None:
    with pytest.raises(TypeError, match=rf"^{name} got a weight of {dtype}: use weight\.float\(\)"):
        AFFINE[name](x, W.to(x.device, dtype), None, 1e-5)


@pytest.mark.parametrize("name", DIVIDING)
@pytest.mark.parametrize("eps", [None, "small"])
def test_an_epsilon_that_is_no_number_is_refused(name: str, x: Tensor, eps: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: eps is {eps!r}, but must be a number of at least 0"):
        AFFINE[name](x, None, None, eps)


@pytest.mark.parametrize("name", DIVIDING)
@pytest.mark.parametrize("eps", [-1.0, float("nan"), float("inf")])
def test_an_epsilon_below_zero_is_refused(name: str, x: Tensor, eps: float) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: eps is {eps}, but must be a number of at least 0"):
        AFFINE[name](x, None, None, eps)


@pytest.mark.parametrize("wrong", [torch.ones(8), torch.ones(4, 4), X.double(), X.to(torch.int64)])
def test_a_residual_of_another_shape_or_type_is_refused(x: Tensor, wrong: Tensor) -> None:
    wrong = wrong.to(x.device)
    with pytest.raises(ValueError, match=r"^add_rms_norm got a residual of .*make them alike, or add them first"):
        kernels.add_rms_norm(x, wrong, None, 1e-5)
    with pytest.raises(ValueError, match=r"^add_layer_norm got a residual of .*make them alike, or add them first"):
        kernels.add_layer_norm(x, wrong, None, None, 1e-5)


@pytest.mark.parametrize("groups", [3, 5, 16])
def test_groups_that_do_not_divide_the_channels_are_refused_with_some_that_would(x: Tensor, groups: int) -> None:
    with pytest.raises(ValueError, match=rf"{groups} groups don't divide a width of 8; \[.*4.*\] would"):
        kernels.group_norm(x, groups, None, None, 1e-5)


@pytest.mark.parametrize("groups", [0, -2, 2.0, True])
def test_a_number_of_groups_that_is_none_is_refused(x: Tensor, groups: int) -> None:
    with pytest.raises(ValueError, match="a whole number of at least 1"):
        kernels.group_norm(x, groups, None, None, 1e-5)


@pytest.mark.parametrize("alpha", [torch.ones(8), torch.ones(1, 1), torch.ones(0)])
def test_a_slope_that_is_not_one_number_is_refused(x: Tensor, alpha: Tensor) -> None:
    with pytest.raises(ValueError, match="make it one number"):
        kernels.dyt(x, alpha.to(x.device), None, None)


def test_a_slope_that_is_no_tensor_is_refused(x: Tensor) -> None:
    with pytest.raises(TypeError, match=r"alpha of type float: make it a tensor"):
        kernels.dyt(x, 0.5, None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
def test_a_layer_adds_a_residual_of_another_type_before_it_normalizes(name: str) -> None:
    """As under autocast, where a branch answers in bfloat16 and the residual path stays float32."""
    change, kept = inputs((4, 8), dtype=torch.bfloat16), inputs((4, 8), 2)
    layer = make(name)
    y, h = layer.add_and_normalize(change, kept)
    assert torch.equal(h, change + kept)
    assert torch.equal(y, layer(h))
