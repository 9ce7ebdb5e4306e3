"""x-transformers: norms without bias, unit offsets, adaptive norms, dynamic tanh from α = 1 and dynamic erf."""

from typing import Any

import pytest
import torch
from torch import Tensor

from lncore.adaptive import AdaptiveLayerNorm, AdaptiveRMSNorm
from tests.lncore.variants import inputs, make, randomized

theirs = pytest.importorskip(
    "x_transformers.x_transformers", reason="x-transformers is not installed (the parity group)", exc_type=ImportError
)

X = inputs((4, 5, 8))


def close(mine: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(mine, wanted, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("offset", [False, True])
def test_layer_norm_and_rms_norm_with_and_without_unit_offset(offset: bool) -> None:
    for name, other in (("layer_norm", theirs.LayerNorm), ("rms_norm", theirs.RMSNorm)):
        options: dict[str, Any] = {"bias": False} if name == "layer_norm" else {"eps": 0.0}
        mine, wanted = make(name, unit_offset=offset, **options), randomized(other(8, unit_offset=offset))
        (gain,) = wanted.parameters()
        mine.load_state_dict({"weight": gain})
        close(mine(X), wanted(X))


def test_scale_norm() -> None:
    """Theirs stores the gain relative to √width, ours the length itself."""
    wanted = randomized(theirs.ScaleNorm(8))
    mine = make("scale_norm")
    mine.load_state_dict({"gain": (wanted.g * 8**0.5).squeeze(0)})
    close(mine(X), wanted(X))


def test_simple_rms_norm() -> None:
    close(make("rms_norm", gain=False, eps=0.0)(X), theirs.SimpleRMSNorm(8)(X))


def test_dynamic_tanh_starts_at_one_there() -> None:
    wanted = randomized(theirs.DynamicTanh(8))
    mine = make("dyt", alpha=1.0)
    close(mine(X), theirs.DynamicTanh(8)(X))
    mine.load_state_dict({"alpha": wanted.pre_tanh_scale, "weight": wanted.gamma, "bias": wanted.beta})
    close(mine(X), wanted(X))


def test_dynamic_erf() -> None:
    wanted = randomized(theirs.Derf(8))
    mine = make("derf")
    close(mine(X), theirs.Derf(8)(X))
    state = {"alpha": wanted.alpha, "shift": wanted.s, "weight": wanted.gamma, "bias": wanted.beta}
    mine.load_state_dict(state)
    close(mine(X), wanted(X))


@pytest.mark.parametrize(
    ("name", "cls"), [("AdaptiveLayerNorm", AdaptiveLayerNorm), ("AdaptiveRMSNorm", AdaptiveRMSNorm)]
)
def test_adaptive_norms_without_a_shift(name: str, cls: Any) -> None:
    wanted = randomized(getattr(theirs, name)(8, dim_condition=6))
    mine = cls(8, 6, shift=False, eps=1e-5 if name == "AdaptiveLayerNorm" else 0.0)
    mine.load_state_dict({"modulation.weight": wanted.to_gamma.weight, "modulation.bias": torch.zeros(8)})
    condition = inputs((4, 6), 2)
    close(mine(X, condition), wanted(X, condition=condition))
