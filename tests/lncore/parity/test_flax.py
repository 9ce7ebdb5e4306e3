"""flax: ε of 1e-6, statistics in float32, and the one-pass variance that loses its digits at an offset."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lncore import reference
from tests.lncore.variants import inputs, make, randomized

linen: Any = pytest.importorskip("flax.linen", reason="flax is not installed (the parity group)", exc_type=ImportError)


def theirs(layer: Any, x: Tensor, **parameters: Tensor) -> Tensor:
    arrays = {name: value.detach().numpy() for name, value in parameters.items()}
    return torch.from_numpy(np.array(layer.apply({"params": arrays} if arrays else {}, x.numpy())))


def close(mine: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(mine.detach(), wanted, rtol=1e-5, atol=5e-6)


X = inputs((4, 5, 8))


def test_layer_norm() -> None:
    mine = randomized(make("layer_norm", eps=1e-6))
    close(mine(X), theirs(linen.LayerNorm(), X, scale=mine.weight, bias=mine.bias))


def test_rms_norm() -> None:
    mine = randomized(make("rms_norm", eps=1e-6))
    close(mine(X), theirs(linen.RMSNorm(), X, scale=mine.weight))


def test_group_norm_with_channels_last() -> None:
    mine = randomized(make("group_norm", groups=2, eps=1e-6))
    x = inputs((3, 4, 5, 8))
    wanted = theirs(linen.GroupNorm(num_groups=2), x, scale=mine.weight, bias=mine.bias)
    close(mine(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1), wanted)


def test_instance_norm_with_channels_last() -> None:
    mine = randomized(make("instance_norm", eps=1e-6, affine=True))
    x = inputs((3, 4, 5, 8))
    wanted = theirs(linen.InstanceNorm(), x, scale=mine.weight, bias=mine.bias)
    close(mine(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1), wanted)


def test_its_fast_variance_fails_at_an_offset_where_ours_does_not() -> None:
    x = (inputs((4, 256), dtype=torch.float64) + 1e4).float()
    right = reference.layer_norm(x, eps=1e-6)
    assert (theirs(linen.LayerNorm(use_bias=False, use_scale=False), x).double() - right).abs().max() > 0.1
    assert (make("layer_norm", 256, eps=1e-6)(x).double() - right).abs().max() < 2e-6
