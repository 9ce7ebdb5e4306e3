"""Weight normalization and weight standardization on linear layers and convolutions."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lncore import menu, reference
from lncore.norms.weight_norm import WeightNorm
from lncore.norms.weight_standardization import WeightStandardization
from lncore.options import OptionError
from tests.lncore.variants import inputs, randomized

LAYERS: dict[str, Callable[[], tuple[Any, Tensor]]] = {
    "linear": lambda: (nn.Linear(5, 7), inputs((16, 5))),
    "convolution": lambda: (nn.Conv2d(3, 7, 3), inputs((4, 3, 6, 6))),
}


@pytest.mark.parametrize("kind", list(LAYERS))
class TestWeights:
    def test_weight_norm_from_the_weights_keeps_the_layer(self, kind: str) -> None:
        layer, x = LAYERS[kind]()
        before, weight = layer(x), layer.weight.detach().clone()
        wrapped = menu.normalization("weight_norm", init="weight").reparametrize(layer)
        torch.testing.assert_close(wrapped(x), before)
        gain = weight.flatten(1).norm(dim=1)
        torch.testing.assert_close(wrapped.weight.double(), reference.weight_norm(weight, gain))

    def test_weight_norm_from_data_standardizes_the_first_batch_once(self, kind: str) -> None:
        layer, x = LAYERS[kind]()
        wrapped = menu.normalization("weight_norm").reparametrize(layer)
        y = wrapped(x).movedim(1, -1).flatten(0, -2) if kind == "convolution" else wrapped(x)
        torch.testing.assert_close(y.mean(0), torch.zeros(7), atol=1e-5, rtol=0)
        torch.testing.assert_close(y.var(0, unbiased=False), torch.ones(7), atol=1e-4, rtol=0)
        again = wrapped(x * 3)
        assert not torch.allclose(again, wrapped(x))

    def test_a_restored_layer_is_not_initialized_again(self, kind: str) -> None:
        layer, x = LAYERS[kind]()
        trained = menu.normalization("weight_norm").reparametrize(layer)
        trained(x)
        restored = menu.normalization("weight_norm").reparametrize(LAYERS[kind]()[0])
        restored.load_state_dict(trained.state_dict())
        assert torch.equal(restored(x * 2), trained(x * 2))

    def test_weight_standardization_centres_and_scales_each_output(self, kind: str) -> None:
        layer, x = LAYERS[kind]()
        weight = layer.weight.detach().clone()
        wrapped = menu.normalization("weight_standardization", gamma=1.7).reparametrize(layer)
        wanted = reference.weight_standardization(weight, gamma=1.7, eps=1e-6)
        torch.testing.assert_close(wrapped.weight.double(), wanted, rtol=1e-5, atol=1e-6)
        wrapped(x).square().sum().backward()
        assert all(parameter.grad is not None for parameter in wrapped.parameters())

    def test_weight_norm_from_data_compiles_without_a_break_before_its_first_batch(self, kind: str) -> None:
        layer, x = LAYERS[kind]()
        wrapped = menu.normalization("weight_norm").reparametrize(layer)
        twin = copy.deepcopy(wrapped)
        torch._dynamo.reset()
        compiled = torch.compile(wrapped, backend="aot_eager", fullgraph=True)
        for batch in (x, x * 2):
            torch.testing.assert_close(compiled(batch), twin(batch))
        for name, value in twin.state_dict().items():
            torch.testing.assert_close(wrapped.state_dict()[name], value)

    @pytest.mark.parametrize("name", ["weight_norm", "weight_standardization"])
    def test_it_can_be_copied_compiled_and_saved(self, kind: str, name: str) -> None:
        layer, x = LAYERS[kind]()
        wrapped = menu.normalization(name).reparametrize(layer)
        wrapped(x)
        twin = copy.deepcopy(wrapped)
        twin.load_state_dict(wrapped.state_dict())
        torch.testing.assert_close(twin(x), wrapped(x))
        torch._dynamo.reset()
        compiled = torch.compile(wrapped, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(compiled(x), wrapped(x))


WRAPPED: list[tuple[str, dict[str, Any]]] = [
    ("weight_norm", {"init": "data"}),
    ("weight_norm", {"init": "weight"}),
    ("weight_standardization", {}),
    ("weight_standardization", {"scaled": False, "gain": False, "eps": 0.0}),
]


@pytest.mark.parametrize("kind", list(LAYERS))
@pytest.mark.parametrize(("name", "options"), WRAPPED, ids=str)
class TestContractOfWeights:
    """What a layer's contract asks of the function of input, computed weights and bias."""

    def wrapped(self, kind: str, name: str, options: dict[str, Any], seed: int = 7) -> tuple[nn.Module, Tensor]:
        """A small layer away from its start, its first batch behind it, in float64, with an input for it."""
        layer = nn.Linear(3, 2) if kind == "linear" else nn.Conv2d(2, 2, 2)
        x = inputs((4, 3) if kind == "linear" else (3, 2, 3, 3), dtype=torch.float64)
        wrapped = menu.normalization(name, **options).reparametrize(layer).double()
        wrapped(x)
        return randomized(wrapped, seed), x

    def test_gradients_and_their_gradients_are_those_of_finite_differences(
        self, kind: str, name: str, options: dict[str, Any]
    ) -> None:
        layer, x = self.wrapped(kind, name, options)
        labels, parameters = zip(*layer.named_parameters(), strict=True)

        def function(x: Tensor, *parameters: Tensor) -> Tensor:
            return torch.func.functional_call(layer, dict(zip(labels, parameters, strict=True)), (x,))

        assert torch.autograd.gradcheck(function, (x.requires_grad_(), *parameters), fast_mode=True)
        assert torch.autograd.gradgradcheck(function, (x, *parameters), fast_mode=True)

    def test_an_ensemble_of_layers_is_one_call_of_vmap(self, kind: str, name: str, options: dict[str, Any]) -> None:
        layer, x = self.wrapped(kind, name, options)
        layers = [randomized(copy.deepcopy(layer), seed) for seed in (1, 2)]
        parameters, buffers = torch.func.stack_module_state(layers)

        def outputs(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
            return torch.func.functional_call(layers[0], (parameters, buffers), (x,))

        together = torch.func.vmap(outputs)(parameters, buffers)
        torch.testing.assert_close(together, torch.stack([layer(x) for layer in layers]))

    def test_a_copy_and_a_restored_layer_are_equal_and_independent(
        self, kind: str, name: str, options: dict[str, Any]
    ) -> None:
        layer, x = self.wrapped(kind, name, options)
        fresh, _ = self.wrapped(kind, name, options, seed=9)
        fresh.load_state_dict(layer.state_dict())
        for twin in (copy.deepcopy(layer), fresh):
            assert torch.equal(twin(x), layer(x))
            assert not {id(parameter) for parameter in twin.parameters()} & {id(one) for one in layer.parameters()}

    def test_half_precision_rounds_the_weights_once(self, kind: str, name: str, options: dict[str, Any]) -> None:
        layer, _ = self.wrapped(kind, name, options)
        half: Any = copy.deepcopy(layer).to(torch.bfloat16)
        exact = copy.deepcopy(half).double().weight
        unit = torch.finfo(torch.bfloat16).eps
        assert (half.weight.double() - exact).abs().le(unit * exact.abs() + 1e-6).all()


def test_without_epsilon_weights_that_are_all_the_same_are_standardized_to_zero() -> None:
    layer = nn.Linear(5, 7)
    nn.init.constant_(layer.weight, 0.3)
    wrapped: Any = menu.normalization("weight_standardization", eps=0.0).reparametrize(layer)
    wrapped(inputs((4, 5))).sum().backward()
    assert not wrapped.weight.any()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in wrapped.parameters())


@pytest.mark.parametrize("name", ["weight_norm", "weight_standardization"])
def test_only_weight_layers_can_be_reparametrized(name: str) -> None:
    with pytest.raises(TypeError, match="not on Embedding"):
        menu.normalization(name).reparametrize(nn.Embedding(3, 4))


@pytest.mark.parametrize("name", ["weight_norm", "weight_standardization"])
def test_a_weight_that_is_computed_already_is_not_computed_again(name: str) -> None:
    once = menu.normalization("weight_norm").reparametrize(nn.Linear(3, 4))
    with pytest.raises(TypeError, match=r"that of this ParametrizedLinear is computed already"):
        menu.normalization(name).reparametrize(once)


def test_options_are_checked_where_a_layer_is_wrapped_without_the_menu() -> None:
    layer = nn.Linear(5, 7)
    with pytest.raises(OptionError, match="WeightStandardization: eps is -1, but must be at least 0"):
        WeightStandardization.reparametrize(layer, eps=-1)
    with pytest.raises(OptionError, match=r"WeightStandardization: gamma is 0, but must be .*above 0"):
        WeightStandardization.reparametrize(layer, gamma=0)
    with pytest.raises(OptionError, match="WeightNorm: init is 'foo', but must be one of 'data', 'weight'"):
        WeightNorm.reparametrize(layer, init="foo")  # type: ignore[arg-type]
    assert not nn.utils.parametrize.is_parametrized(layer)
