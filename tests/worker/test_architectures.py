"""Contract of the architectures: each serves every normalization, on every shape it says it takes."""

import pytest
import torch
from torch import nn

from domain.job import Choice
from lncore.menu import describe, load, norms
from worker import menus

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 5, 7), (1, 1, 1)]


def make(architecture: str, norm: str, shape: tuple[int, ...] = (1, 8, 8), **options: object) -> nn.Module:
    """A model whose widths are 64, which every norm's groups divide, unless `options` say otherwise."""
    described = describe(load("worker.architectures", architecture))["options"]
    widths = getattr(load("worker.architectures", architecture), "widths", ())
    narrow = {name: [64] if described[name]["type"].startswith("list") else 64 for name in widths}
    choice = Choice.model_validate({"kind": architecture, **narrow, **options})
    return menus.make_model(choice, Choice(kind=norm), shape, 10)


@pytest.mark.parametrize("architecture", menus.variants("architectures"))
@pytest.mark.parametrize("norm", norms())
def test_every_architecture_serves_every_norm_and_all_of_it_learns(architecture: str, norm: str) -> None:
    model = make(architecture, norm)
    logits = model(torch.rand(4, 1, 8, 8))
    assert logits.shape == (4, 10)
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("norm", "options", "activated"),
    [
        ("layer_norm", {}, True),
        ("frn", {"threshold": False}, True),
        ("frn", {}, False),
        ("evonorm_s0", {"groups": 4}, False),
    ],
)
@pytest.mark.parametrize(("architecture", "layers"), [("mlp", 2), ("convnet", 3)])
def test_no_activation_follows_a_norm_that_is_one(
    architecture: str, layers: int, norm: str, options: dict[str, object], *, activated: bool
) -> None:
    choice = Choice.model_validate({"kind": norm, **options})
    model = menus.make_model(Choice.model_validate({"kind": architecture, "activation": "tanh"}), choice, (1, 8, 8), 10)
    assert sum(isinstance(module, nn.Tanh) for module in model.modules()) == (layers if activated else 0)


@pytest.mark.parametrize("architecture", menus.variants("architectures"))
@pytest.mark.parametrize("shape", SHAPES)
def test_every_architecture_takes_pictures_of_any_size(architecture: str, shape: tuple[int, ...]) -> None:
    assert make(architecture, "layer_norm", shape)(torch.rand(2, *shape)).shape == (2, 10)


@pytest.mark.parametrize("architecture", menus.variants("architectures"))
def test_the_output_layer_is_not_normalized(architecture: str) -> None:
    model = make(architecture, "layer_norm")
    assert isinstance(list(model.children())[-1], nn.Linear)
    logits = model(torch.rand(64, 1, 8, 8))
    assert logits.mean(-1).abs().max() > 1e-3


@pytest.mark.parametrize("architecture", menus.variants("architectures"))
def test_every_architecture_can_be_built_without_memory(architecture: str) -> None:
    with torch.device("meta"):
        model = make(architecture, "batch_norm")
    assert all(parameter.device.type == "meta" for parameter in model.parameters())


def test_the_papers_mlp_has_the_papers_parameters() -> None:
    model = make("mlp", "none", (1, 28, 28), hidden=[1000, 1000])
    assert sum(parameter.numel() for parameter in model.parameters()) == 785 * 1000 + 1001 * 1000 + 1001 * 10
