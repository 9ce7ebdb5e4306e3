"""What every option of every variant must do, read from its own description: its choices work, its bounds hold."""

import math
from typing import Any

import pytest
import torch

from lncore import menu
from lncore.options import OptionError
from tests.lncore.variants import ALL, SHAPES, inputs, make

DESCRIBED = {name: menu.describe(menu.load("lncore.norms", name))["options"] for name in ALL}
OPTIONS = [(name, option) for name, options in DESCRIBED.items() for option in options]


def choices(told: dict[str, Any]) -> list[Any]:
    if told["type"] == "bool":
        return [False, True]
    return told["choices"] or [told["default"]]


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_every_choice_trains_on_every_kind_of_input(name: str, option: str) -> None:
    for value in choices(DESCRIBED[name][option]):
        options = {option: value} if option != "groups" else {}
        for shape in SHAPES.values():
            layer = make(name, **options)
            x = inputs(shape).requires_grad_()
            (layer(x) * inputs(shape, 2)).sum().backward()
            assert x.grad is not None
            assert x.grad.isfinite().all(), (value, shape)
            assert all(parameter.grad is not None for parameter in layer.parameters()), (value, shape)


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_a_default_lies_within_its_own_bounds(name: str, option: str) -> None:
    menu.normalization(name, **{option: DESCRIBED[name][option]["default"]})


@pytest.mark.parametrize(("name", "option"), [pair for pair in OPTIONS if DESCRIBED[pair[0]][pair[1]]["bounds"]])
def test_bounds_are_kept_to_the_last_bit(name: str, option: str) -> None:
    told = DESCRIBED[name][option]
    step = (
        (lambda value, way: value + way) if told["type"] == "int" else (lambda v, way: math.nextafter(v, way * 1e300))
    )
    for kind, bound in told["bounds"].items():
        outward = -1 if kind in {"ge", "gt"} else 1
        inside, outside = (bound, step(bound, outward)) if kind in {"ge", "le"} else (step(bound, -outward), bound)
        menu.normalization(name, **{option: inside})
        with pytest.raises(OptionError, match=option):
            menu.normalization(name, **{option: outside})


@pytest.mark.parametrize(("name", "option"), OPTIONS)
@pytest.mark.parametrize("wrong", [math.nan, math.inf, "text", None, [1]])
def test_what_is_no_value_of_the_option_is_refused(name: str, option: str, wrong: object) -> None:
    if wrong is None and DESCRIBED[name][option]["nullable"]:
        pytest.skip("it may be left out")
    with pytest.raises(OptionError, match=option):
        menu.normalization(name, **{option: wrong})


@pytest.mark.parametrize(
    ("name", "option"), [pair for pair in OPTIONS if len(choices(DESCRIBED[pair[0]][pair[1]])) > 1]
)
def test_no_choice_is_accepted_and_ignored(name: str, option: str) -> None:
    """Two values of an option differ in parameters, outputs or gradients, on images with an offset and small scale."""
    if name in {"weight_norm", "weight_standardization"}:
        pytest.skip("its options act on weight layers: test_reparametrize.py")
    seen = [behaviour(make(name, **{option: value})) for value in choices(DESCRIBED[name][option])]
    for position, one in enumerate(seen):
        for other in seen[position + 1 :]:
            assert len(one) != len(other) or any(not torch.equal(a, b) for a, b in zip(one, other, strict=True))


def behaviour(layer: torch.nn.Module) -> list[torch.Tensor]:
    results: list[torch.Tensor] = [*(parameter.detach() for parameter in layer.parameters())]
    for dtype in (torch.float32, torch.bfloat16):
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.fill_(0.3)
        x = (inputs((3, 8, 4, 5)) * 1e-3 + 1e-3).to(dtype).requires_grad_()
        y = layer(x)
        (y.float() * inputs((3, 8, 4, 5), 2)).sum().backward()
        assert x.grad is not None
        results += [y.detach().float(), x.grad.float()]
    return results
