"""Adaptive layer and RMS norm, and query-key normalization."""

import math

import pytest
import torch
from torch import nn

from lncore import reference
from lncore.adaptive import AdaptiveLayerNorm, AdaptiveRMSNorm
from lncore.options import OptionError
from lncore.qk_norm import QKNorm
from tests.lncore.variants import SHAPES, inputs, randomized

KINDS = list(SHAPES)
QK_KINDS = ["l2", "layer_norm", "rms_norm"]
ADAPTIVE = [AdaptiveLayerNorm, AdaptiveRMSNorm]


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_adaptive_norm_is_the_plain_norm(kind: str) -> None:
    x, condition = inputs(SHAPES[kind]), inputs((SHAPES[kind][0], 5))
    axes = (1,) if kind == "image" else (-1,)
    y = AdaptiveLayerNorm(8, 5)(x, condition)
    assert isinstance(y, torch.Tensor)
    torch.testing.assert_close(y.double(), reference.layer_norm(x, axes=axes), rtol=1e-5, atol=2e-6)
    y = AdaptiveRMSNorm(8, 5)(x, condition)
    assert isinstance(y, torch.Tensor)
    torch.testing.assert_close(y.double(), reference.rms_norm(x, axes=axes), rtol=1e-5, atol=2e-6)


def test_gain_and_bias_follow_the_condition() -> None:
    layer = randomized(AdaptiveLayerNorm(8, 5))
    x, condition = inputs((4, 3, 8)), inputs((4, 5), 2)
    gain, bias = layer.modulation(condition).unsqueeze(1).chunk(2, -1)
    torch.testing.assert_close(layer(x, condition), nn.functional.layer_norm(x, (8,)) * (1 + gain) + bias)


def test_a_condition_of_each_position_is_taken() -> None:
    layer = randomized(AdaptiveRMSNorm(8, 5))
    x, condition = inputs((4, 3, 8)), inputs((4, 3, 5), 2)
    wanted = torch.stack([layer(x[:, step], condition[:, step]) for step in range(3)], 1)
    torch.testing.assert_close(layer(x, condition), wanted)


def test_the_gate_of_adaln_zero_starts_closed() -> None:
    y, gate = AdaptiveLayerNorm(8, 5, gate=True)(inputs((4, 8)), inputs((4, 5)))
    assert y.shape == (4, 8)
    assert torch.equal(gate, torch.zeros(4, 8))


@pytest.mark.parametrize("kind", QK_KINDS)
def test_logits_stay_bounded_however_large_queries_grow(kind: str) -> None:
    layer = QKNorm(16, kind=kind, length=64)  # type: ignore[arg-type]
    query, key = inputs((2, 3, 5, 16)) * 1e4, inputs((2, 3, 5, 16), 2) * 1e4
    q, k = layer(query, key)
    bound = math.log2(64**2 - 64) if kind == "l2" else 16 * 16**-0.5
    assert (q @ k.transpose(-1, -2)).abs().max() <= bound * 1.001
    small, _ = layer(query * 1e-4, key)
    torch.testing.assert_close(small, q, rtol=1e-4, atol=1e-5)


def test_rms_queries_and_keys_are_scaled_for_a_plain_softmax() -> None:
    query, key, value = (inputs((2, 3, 5, 16), seed) for seed in (1, 2, 3))
    q, k = QKNorm(16)(query, key)
    mine = nn.functional.scaled_dot_product_attention(q, k, value, scale=1.0)
    norm = nn.RMSNorm(16, eps=1e-6)
    torch.testing.assert_close(mine, nn.functional.scaled_dot_product_attention(norm(query), norm(key), value))


@pytest.mark.parametrize("layer", ADAPTIVE)
@pytest.mark.parametrize(
    ("shape", "condition", "right"),
    [
        ((4, 8), (4, 6), r"give it \(4, 5\)\.$"),
        ((4, 8), (3, 5), r"give it \(4, 5\)\.$"),
        ((1, 8), (4, 5), r"give it \(1, 5\)\.$"),
        ((4, 3, 8), (4, 2, 5), r"give it \(4, 5\) or \(4, 3, 5\)\.$"),
        ((4, 8, 2, 2), (4, 2, 5), r"give it \(4, 5\)\.$"),
        ((8,), (1, 5), r"give it \(5,\)\.$"),
    ],
)
def test_a_condition_that_does_not_go_with_the_input_is_refused_with_one_that_would(
    layer: type[nn.Module], shape: tuple[int, ...], condition: tuple[int, ...], right: str
) -> None:
    with pytest.raises(ValueError, match=right):
        layer(8, 5)(torch.ones(shape), torch.ones(condition))


@pytest.mark.parametrize("layer", ADAPTIVE)
def test_integers_and_another_width_are_refused_by_adaptive_norms(layer: type[nn.Module]) -> None:
    with pytest.raises(TypeError, match=r"got a condition of torch\.int64"):
        layer(8, 5)(torch.ones(4, 8), torch.ones(4, 5, dtype=torch.int64))
    with pytest.raises(TypeError, match=r"use x\.float\(\)"):
        layer(8, 5)(torch.ones(4, 8, dtype=torch.int64), torch.ones(4, 5))
    with pytest.raises(ValueError, match="width 8 got 9"):
        layer(8, 5)(torch.ones(4, 9), torch.ones(4, 5))


@pytest.mark.parametrize("layer", ADAPTIVE)
def test_an_adaptive_norm_is_refused_a_wrong_width_of_the_condition_and_a_wrong_epsilon(layer: type[nn.Module]) -> None:
    with pytest.raises(ValueError, match=r"width of the condition is 0.*at least 1"):
        layer(8, 0)
    with pytest.raises(OptionError, match=rf"^{layer.__name__}: eps is -1"):
        layer(8, 5, eps=-1)


@pytest.mark.parametrize("layer", ADAPTIVE)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_condition_of_another_precision_is_taken_in_that_of_the_layer(
    layer: type[nn.Module], dtype: torch.dtype
) -> None:
    norm = randomized(layer(8, 5))
    x, condition = inputs((4, 8)), inputs((4, 5), 2, dtype)
    torch.testing.assert_close(norm(x, condition), norm(x, condition.float()))
    assert norm(x.to(dtype), condition).dtype == dtype


@pytest.mark.parametrize("layer", ADAPTIVE)
@pytest.mark.parametrize("kind", KINDS)
def test_adaptive_norms_compile_without_a_break_and_have_the_gradients_of_their_function(
    layer: type[nn.Module], kind: str
) -> None:
    torch._dynamo.reset()
    norm = randomized(layer(8, 5)).double()
    x, condition = inputs(SHAPES[kind], dtype=torch.float64), inputs((SHAPES[kind][0], 5), 2, torch.float64)
    compiled = torch.compile(norm, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, condition), norm(x, condition))
    assert torch.autograd.gradcheck(norm, (x.requires_grad_(), condition.requires_grad_()), fast_mode=True)


@pytest.mark.parametrize("kind", QK_KINDS)
def test_queries_and_keys_that_are_integers_or_of_another_width_are_refused(kind: str) -> None:
    layer = QKNorm(16, kind=kind)  # type: ignore[arg-type]
    good = inputs((2, 3, 5, 16))
    for label, pair in (("queries", (good.long(), good)), ("keys", (good, good.long()))):
        with pytest.raises(TypeError, match=rf"{label} of torch\.int64"):
            layer(*pair)
    for label, pair in (("queries", (good[..., :8], good)), ("keys", (good, good[..., :8]))):
        with pytest.raises(ValueError, match=rf"head width 16 got {label} .*give it \(batch, heads, time, 16\)"):
            layer(*pair)


@pytest.mark.parametrize("kind", QK_KINDS)
@pytest.mark.parametrize("width", [0, -1, 2.5, True])
def test_a_head_width_that_is_none_is_refused(kind: str, width: int) -> None:
    with pytest.raises(ValueError, match=r"head width is .*at least 1"):
        QKNorm(width, kind=kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", QK_KINDS)
def test_query_key_norms_compile_without_a_break_and_have_the_gradients_of_their_function(kind: str) -> None:
    torch._dynamo.reset()
    layer = randomized(QKNorm(16, kind=kind)).double()  # type: ignore[arg-type]
    query, key = (inputs((2, 3, 5, 16), seed, torch.float64) for seed in (1, 2))
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(query, key), layer(query, key))
    assert torch.autograd.gradcheck(layer, (query.requires_grad_(), key.requires_grad_()), fast_mode=True)
