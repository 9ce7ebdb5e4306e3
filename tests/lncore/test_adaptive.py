"""Adaptive layer and RMS norm, and query-key normalization."""

import math

import pytest
import torch
from torch import nn

from lncore import reference
from lncore.adaptive import AdaptiveLayerNorm, AdaptiveRMSNorm
from lncore.qk_norm import QKNorm
from tests.lncore.variants import SHAPES, inputs, randomized

KINDS = list(SHAPES)


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


@pytest.mark.parametrize("kind", ["l2", "layer_norm", "rms_norm"])
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
