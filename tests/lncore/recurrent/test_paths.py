"""The norms on a recurrent layer's paths: what can make them, and where their gains start."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from lncore import menu
from lncore.norms.layer_norm import LayerNorm
from lncore.norms.rms_norm import RMSNorm
from lncore.recurrent import GRU, LSTM
from lncore.recurrent.paths import make
from tests.lncore.variants import ALL, GROUPED, WEIGHT_VARIANTS

WITHOUT_GAIN = {"none", "ada_norm", "detach_norm", "layer_norm_simple"}
OPTIONS: dict[str, dict[str, Any]] = {"instance_norm": {"affine": True}} | {name: {"groups": 2} for name in GROUPED}
WITH_GAIN: list[Callable[[int], nn.Module]] = [
    *(menu.normalization(name, **OPTIONS.get(name, {})) for name in ALL if name not in WEIGHT_VARIANTS | WITHOUT_GAIN),
    partial(LayerNorm, unit_offset=True),
    partial(RMSNorm, unit_offset=True),
    nn.LayerNorm,
]


@pytest.mark.parametrize("factory", WITH_GAIN, ids=lambda factory: getattr(factory, "name", str(factory)))
def test_a_gain_started_at_a_tenth_gives_a_tenth_of_the_outputs(factory: Callable[[int], nn.Module]) -> None:
    x = torch.randn(16, 8)
    torch.testing.assert_close(make(factory, 8, 0.1)(x), 0.1 * factory(8)(x))


@pytest.mark.parametrize("name", sorted(WEIGHT_VARIANTS))
@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_a_norm_that_acts_on_weights_is_refused(kind: Any, name: str) -> None:
    with pytest.raises(ValueError, match=r"acts on weights .* elementwise norm, such as LayerNorm"):
        kind(3, 4, norm=menu.normalization(name))


@pytest.mark.parametrize(
    "given",
    ["layer_norm", 3, LayerNorm(4), lambda _: None],
    ids=["a name", "a number", "a layer", "a function of nothing"],
)
@pytest.mark.parametrize("path", ["norm", "input_norm", "recurrent_norm"])
@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_what_makes_no_norm_is_told_what_would(kind: Any, path: str, given: Any) -> None:
    with pytest.raises(TypeError, match=r'such as the class LayerNorm or lncore.menu.normalization\("layer_norm"\)'):
        kind(3, 4, **{path: given})
