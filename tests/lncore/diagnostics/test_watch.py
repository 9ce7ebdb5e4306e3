"""Watching layers: right numbers while on, no hooks while off."""

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from lncore import menu
from lncore.diagnostics import LayerWatch
from lncore.recurrent import LSTM
from tests.lncore.variants import inputs


def network() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), menu.normalization("layer_norm")(8), nn.ReLU(), nn.Linear(8, 3))


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._backward_hooks) for module in model.modules())


def test_outside_the_block_the_model_carries_no_hook() -> None:
    model = network()
    watch = LayerWatch(model)
    assert hooks(model) == 0
    with watch:
        assert hooks(model) == 3
    assert hooks(model) == 0


def test_hooks_go_when_the_step_fails() -> None:
    model = network()
    with pytest.raises(RuntimeError), LayerWatch(model):
        model(inputs((4, 7)))
    assert hooks(model) == 0


def test_the_numbers_are_those_of_the_step() -> None:
    model, x = network(), inputs((16, 6))
    with LayerWatch(model) as watch:
        hidden = model[0](x)
        normalized = model[1](hidden)
        normalized.retain_grad()
        model[3](model[2](normalized)).square().sum().backward()
    seen = watch.read()
    assert set(seen) == {"0", "1", "3"}
    norm = seen["1"]
    assert norm.input_mean == pytest.approx(float(hidden.detach().mean()), rel=1e-5)
    assert norm.input_deviation == pytest.approx(float(hidden.detach().std(unbiased=False)), rel=1e-5)
    assert norm.output_deviation == pytest.approx(float(normalized.detach().std(unbiased=False)), rel=1e-5)
    assert norm.output_largest == pytest.approx(float(normalized.detach().abs().max()))
    assert normalized.grad is not None
    assert norm.output_gradient == pytest.approx(float(normalized.grad.square().mean().sqrt()), rel=1e-5)
    assert seen["3"].input_mean == pytest.approx(float(normalized.detach().relu().mean()), rel=1e-5)
    weight, bias = model[3].weight, model[3].bias
    length = math.sqrt(float((weight.square().sum() + bias.square().sum()).detach()))
    assert seen["3"].parameter_norm == pytest.approx(length, rel=1e-5)
    gradients = torch.cat([weight.grad.flatten(), bias.grad.flatten()])
    assert seen["3"].parameter_gradient == pytest.approx(float(gradients.square().mean().sqrt()), rel=1e-5)


def test_watching_changes_neither_outputs_nor_gradients() -> None:
    results = []
    for watched in (False, True):
        model = network()
        watch = LayerWatch(model)
        if watched:
            watch.__enter__()
        model(inputs((16, 6))).square().sum().backward()
        if watched:
            watch.__exit__(None, None, None)
        results.append([parameter.grad for parameter in model.parameters()])
    for plain, watched_gradient in zip(*results, strict=True):
        assert plain is not None
        assert watched_gradient is not None
        assert torch.equal(plain, watched_gradient)


def test_a_norm_narrows_what_the_next_layer_sees() -> None:
    """The spread of a layer's inputs over training is what the paper's motivation is about."""
    model = network()
    with torch.no_grad():
        model[0].weight.mul_(50)
    with LayerWatch(model, ["0", "1"]) as watch:
        model(inputs((16, 6)))
    seen = watch.read()
    assert seen["0"].output_deviation > 5
    assert seen["1"].output_deviation == pytest.approx(1, abs=0.05)
    assert math.isnan(seen["1"].output_gradient)


def test_dead_units_are_counted() -> None:
    model = nn.Sequential(nn.ReLU())
    with LayerWatch(model, ["0"]) as watch:
        model(torch.tensor([[-1.0, 2.0, -3.0, 4.0]]))
    assert watch.read()["0"].output_dead == 0.5


def test_a_layer_that_is_not_there_is_an_error_that_lists_those_that_are() -> None:
    with pytest.raises(KeyError, match="no layer 'head'"):
        LayerWatch(network(), ["head"])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", ["weight_norm", "weight_standardization"])
def test_a_layer_with_a_computed_weight_is_one_layer_with_what_it_is_computed_from(name: str, bias: bool) -> None:
    model = nn.Sequential(menu.normalization(name).reparametrize(nn.Linear(6, 8, bias=bias)), nn.ReLU())
    with LayerWatch(model) as watch:
        model(inputs((16, 6))).sum().backward()
    seen = watch.read()
    assert set(seen) == {"0"}
    length = torch.cat([parameter.detach().flatten() for parameter in model.parameters()]).norm()
    assert seen["0"].parameter_norm == pytest.approx(float(length), rel=1e-5)
    assert seen["0"].parameter_gradient > 0


def test_a_layer_with_parameters_and_layers_inside_is_watched_beside_them() -> None:
    model = nn.Sequential(LSTM(6, 8))
    with LayerWatch(model) as watch:
        y, _ = model(inputs((5, 3, 6)))
    seen = watch.read()
    assert {"0", "0.input_norm_l0", "0.recurrent_norm_l0", "0.cell_norm_l0"} == set(seen)
    assert seen["0"].output_mean == pytest.approx(float(y.detach().mean()), rel=1e-4)


@pytest.mark.parametrize("kind", [LSTM, nn.LSTM])
def test_of_a_packed_sequence_the_steps_are_watched(kind: type) -> None:
    layer = kind(6, 8)
    packed = pack_sequence([inputs((n, 6)) for n in (5, 3)])
    with LayerWatch(layer, [""]) as watch:
        y, _ = layer(packed)
        y.data.sum().backward()
    seen = watch.read()[""]
    assert seen.input_mean == pytest.approx(float(packed.data.mean()), rel=1e-4)
    assert seen.output_mean == pytest.approx(float(y.data.detach().mean()), rel=1e-4)
    assert seen.output_gradient == pytest.approx(1)


def test_a_layer_that_returns_no_floating_point_tensor_has_no_numbers() -> None:
    model = nn.Sequential(nn.Flatten(0), nn.Threshold(0, 0))
    with LayerWatch(model, ["1"]) as watch:
        model(torch.arange(4))
    assert math.isnan(watch.read()["1"].output_mean)
