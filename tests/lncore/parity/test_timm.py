"""timm: ε of 1e-6, norms over the channels of each pixel, EvoNorm, filter response norm, standardized convolutions."""

import importlib
import importlib.util
import sys
import types
from typing import Any

import pytest
import torch
from torch import nn

from lncore import menu
from tests.lncore.variants import inputs, make, randomized

if importlib.util.find_spec("timm") is None:
    pytest.skip("timm is not installed (the parity group)", allow_module_level=True)


@pytest.fixture(scope="module", autouse=True)
def _layers_alone() -> Any:
    """timm's layer files without its packages' front doors, which want torchvision."""
    shells = {}
    for name in ("timm", "timm.layers"):
        folder = importlib.util.find_spec("timm").submodule_search_locations[0]  # type: ignore[union-attr, index]
        shell = types.ModuleType(name)
        shell.__path__ = [folder if name == "timm" else f"{folder}/layers"]
        shells[name] = shell
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "timm"}
    sys.modules.update(shells)
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "timm"]:
        del sys.modules[name]
    sys.modules.update(before)


def layer(file: str, name: str) -> Any:
    return getattr(importlib.import_module(f"timm.layers.{file}"), name)


IMAGE = (3, 8, 4, 5)
ROWS = (4, 5, 8)


def same(mine: nn.Module, theirs: nn.Module, shape: tuple[int, ...]) -> None:
    randomized(theirs)
    with torch.no_grad():
        for (_, parameter), (_, other) in zip(mine.named_parameters(), theirs.named_parameters(), strict=True):
            parameter.copy_(other.reshape(parameter.shape))
    x = inputs(shape) + 0.3
    torch.testing.assert_close(mine(x), theirs(x), rtol=1e-5, atol=2e-6)


def test_layer_norm() -> None:
    same(make("layer_norm", eps=1e-6), layer("norm", "LayerNorm")(8), ROWS)


def test_layer_norm_over_the_channels_of_each_pixel() -> None:
    same(make("layer_norm", eps=1e-6, image_axes="c"), layer("norm", "LayerNorm2d")(8), IMAGE)


def test_rms_norm() -> None:
    same(make("rms_norm", eps=1e-6), layer("norm", "RmsNorm")(8), ROWS)
    same(make("rms_norm", eps=1e-6, image_axes="c"), layer("norm", "RmsNorm2d")(8), IMAGE)


def test_group_norm_with_one_group_is_layer_norm_over_the_case() -> None:
    same(make("layer_norm"), layer("norm", "GroupNorm1")(8), IMAGE)


def test_evonorm_s0() -> None:
    mine, theirs = make("evonorm_s0", groups=2), layer("evo_norm", "EvoNorm2dS0")(8, groups=2)
    randomized(theirs)
    mine.load_state_dict(theirs.state_dict())
    x = inputs(IMAGE)
    torch.testing.assert_close(mine(x), theirs(x), rtol=1e-5, atol=2e-6)


def test_filter_response_norm() -> None:
    same(make("frn", eps=1e-5), layer("filter_response_norm", "FilterResponseNormTlu2d")(8), IMAGE)


@pytest.mark.parametrize(
    ("theirs", "options"), [("ScaledStdConv2d", {"gamma": 1.7}), ("StdConv2d", {"scaled": False, "gain": False})]
)
def test_standardized_convolutions(theirs: str, options: dict[str, Any]) -> None:
    gamma = {"gamma": 1.7} if "gamma" in options else {}
    other = layer("std_conv", theirs)(8, 6, 3, padding=0, bias=True, **gamma).double()
    convolution = nn.Conv2d(8, 6, 3).double()
    convolution.load_state_dict(other.state_dict(), strict=False)
    mine = menu.normalization("weight_standardization", **options).reparametrize(convolution)
    x = inputs((2, 8, 6, 6)).double()
    torch.testing.assert_close(mine(x), other(x), rtol=1e-6, atol=1e-9)
