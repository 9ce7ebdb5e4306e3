"""Accuracy against float64: large offsets, large and small scales, and statistics in half precision."""

import pytest
import torch
from torch import nn

from lncore import plain, reference
from lncore.moments import moments
from tests.lncore.variants import SHAPES, WITHOUT_EPSILON, inputs, make

OFFSETS = [0.0, 1e2, 1e4, 1e6]


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("width", [7, 256, 1000, 4096])
def test_layer_norm_is_within_2e6_of_float64_at_any_offset(width: int, offset: float) -> None:
    x = (inputs((16, width), dtype=torch.float64) + offset).float()
    y = plain.layer_norm(x, None, None, 1e-5)
    assert (y - reference.layer_norm(x)).abs().max() <= 2e-6


def test_the_naive_mean_would_fail_this_test() -> None:
    """torch's own layer norm is off by 1e-3 at a mean of 1e4: the tests above measure something."""
    x = (inputs((16, 256), dtype=torch.float64) + 1e4).float()
    y = nn.functional.layer_norm(x, (256,))
    assert (y - reference.layer_norm(x)).abs().max() > 1e-4


@pytest.mark.parametrize("value", [0.0, 1.0, 1234.567, 1e6, -3.7e8])
def test_a_constant_row_has_exactly_no_deviation(value: float) -> None:
    statistics = moments(torch.full((3, 1000), value), -1)
    assert torch.equal(statistics.deviation, torch.zeros(3, 1000))
    assert torch.equal(statistics.variance, torch.zeros(3, 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", list(SHAPES))
@pytest.mark.parametrize("name", WITHOUT_EPSILON)
def test_without_epsilon_a_case_of_zeros_is_finite_and_so_are_all_gradients(
    name: str, kind: str, dtype: torch.dtype
) -> None:
    """As padding: nothing comes in, and no gradient comes back."""
    for training in (True, False):
        layer = make(name, eps=0.0).to(dtype).train(training)
        x, seed = inputs(SHAPES[kind], dtype=dtype), inputs(SHAPES[kind], 2, dtype)
        x[1] = seed[1] = 0
        y = layer(x.requires_grad_())
        y.backward(seed)
        assert y.isfinite().all()
        assert all(leaf.grad is not None and leaf.grad.isfinite().all() for leaf in (x, *layer.parameters()))


@pytest.mark.parametrize("scale", [1e-20, 1e-6, 1.0, 1e6, 1e17])
def test_layer_and_rms_norm_keep_their_digits_at_any_scale(scale: float) -> None:
    x = inputs((8, 64)).mul(scale)
    torch.testing.assert_close(
        plain.layer_norm(x, None, None, 1e-5).double(), reference.layer_norm(x), rtol=1e-5, atol=1e-30
    )
    torch.testing.assert_close(plain.rms_norm(x, None, 1e-5).double(), reference.rms_norm(x), rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_bad_row_does_not_leak_into_others(bad: float) -> None:
    x = inputs((4, 8))
    x[1, 3] = bad
    for name in ("layer_norm", "rms_norm", "group_norm"):
        y = make(name)(x)
        assert y[[0, 2, 3]].isfinite().all()
        assert y[1].isnan().any()


def test_float16_near_its_limit_is_normalized_correctly() -> None:
    x = inputs((4, 256)).clamp(-2, 2).mul(30000).half()
    torch.testing.assert_close(make("layer_norm", 256)(x).double(), reference.layer_norm(x), rtol=1e-3, atol=1e-3)


def test_weights_may_be_wider_than_the_input() -> None:
    x, weight = inputs((4, 8), dtype=torch.bfloat16), inputs((8,), 2)
    y = plain.layer_norm(x, weight, None, 1e-5)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.double(), reference.layer_norm(x, weight), rtol=2**-8, atol=1e-6)
