"""The fused sequences equal the plain recurrence, cell by cell, in outputs and in every gradient."""

from functools import partial
from typing import Any

import pytest
import torch

from lncore.norms.rms_norm import RMSNorm
from lncore.recurrent import GRU, LSTM
from tests.lncore.recurrent.gradients import assert_equal, outputs_and_gradients, shaken

CHOICES: list[tuple[type, dict[str, Any]]] = [
    (LSTM, {}),
    (LSTM, {"normalize_cell_state": "carry", "gain_init": 0.5, "forget_bias": 1.0}),
    (LSTM, {"norm": RMSNorm, "bias": False}),
    (LSTM, {"recurrent_norm": None, "inner_bias": True}),
    (LSTM, {"norm": None, "cell_norm": partial(RMSNorm, bias=True)}),
    (LSTM, {"num_layers": 2, "bidirectional": True}),
    (GRU, {}),
    (GRU, {"joint": True, "inner_bias": True}),
    (GRU, {"norm": RMSNorm, "bias": False}),
    (GRU, {"norm": None}),
    (GRU, {"input_norm": None, "num_layers": 2, "bidirectional": True}),
]


def _pair(kind: type, options: dict[str, Any], dtype: torch.dtype) -> tuple[Any, Any]:
    torch.manual_seed(0)
    fused = shaken(kind(5, 7, **options)).to(dtype)
    plain = kind(5, 7, fused=False, **options).to(dtype)
    plain.load_state_dict(fused.state_dict())
    return fused, plain


def _inputs(layer: Any, time: int, batch: int, dtype: torch.dtype) -> tuple[torch.Tensor, list[torch.Tensor]]:
    torch.manual_seed(2)
    places = layer.num_layers * layer.directions
    states = [torch.randn(places, batch, 7, dtype=dtype) for _ in range(layer.states)]
    return torch.randn(time, batch, 5, dtype=dtype), states


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("kind", "options"), CHOICES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_the_fused_sequence_equals_the_plain_cells(kind: type, options: dict[str, Any], dtype: torch.dtype) -> None:
    fused, plain = _pair(kind, options, dtype)
    x, states = _inputs(fused, 9, 3, dtype)
    tolerance = 2e-5 if dtype == torch.float32 else 1e-12
    assert_equal(outputs_and_gradients(fused, x, states), outputs_and_gradients(plain, x, states), tolerance)
    lengths = torch.tensor([9, 4, 0])
    masked = outputs_and_gradients(fused, x, states, lengths=lengths)
    assert_equal(masked, outputs_and_gradients(plain, x, states, lengths=lengths), tolerance)


@pytest.mark.parametrize("kind", [LSTM, GRU])
@pytest.mark.parametrize(("time", "batch"), [(1, 1), (1, 3), (5, 1), (3, 40)])
def test_one_step_one_sequence_and_many_sequences_are_ordinary_cases(kind: type, time: int, batch: int) -> None:
    fused, plain = _pair(kind, {}, torch.float64)
    x, states = _inputs(fused, time, batch, torch.float64)
    assert_equal(outputs_and_gradients(fused, x, states), outputs_and_gradients(plain, x, states), 1e-12)


@pytest.mark.parametrize("kind", [LSTM, GRU])
@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_and_their_gradients_are_those_of_finite_differences(kind: type, reverse: bool) -> None:
    torch.manual_seed(0)
    layer: Any = shaken(kind(2, 3, bidirectional=reverse)).double()
    places = 2 if reverse else 1
    inputs = [torch.randn(3, 2, 2, dtype=torch.double, requires_grad=True)]
    inputs += [torch.randn(places, 2, 3, dtype=torch.double, requires_grad=True) for _ in range(layer.states)]
    parameters = [parameter for name, parameter in layer.named_parameters() if "norm" in name or "weight_hh" in name]

    def outputs(x: torch.Tensor, *rest: torch.Tensor) -> Any:
        states = rest[: layer.states]
        y, last = layer(x, states if len(states) > 1 else states[0])
        return (y, *(last if isinstance(last, tuple) else (last,)))

    assert torch.autograd.gradcheck(outputs, (*inputs, *parameters), fast_mode=True)
    assert torch.autograd.gradgradcheck(outputs, inputs, fast_mode=True)


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_the_same_input_gives_the_same_bytes(kind: type) -> None:
    layer: Any = shaken(kind(5, 24))
    x, states = torch.randn(6, 33, 5), [torch.randn(1, 33, 24) for _ in range(layer.states)]
    first, second = (outputs_and_gradients(layer, x, states) for _ in range(2))
    assert all(torch.equal(left, right) for left, right in zip(first, second, strict=True))


def test_a_fused_sequence_is_one_node_of_the_graph_and_the_plain_one_many() -> None:
    layer = LSTM(4, 5)
    names = _node_names(layer(torch.randn(20, 2, 4))[0])
    assert len(names) < 40
    assert sum("LSTMSequence" in name for name in names) == 1


def _node_names(y: torch.Tensor) -> list[str]:
    seen: set[Any] = set()
    waiting = [y.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [parent for parent, _ in node.next_functions]
    return [node.name() for node in seen]
