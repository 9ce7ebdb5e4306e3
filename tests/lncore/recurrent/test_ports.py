"""The paper's recurrences and their known ports: published numbers, and independent versions of the formulas."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from lncore.norms.layer_norm import LayerNorm
from lncore.recurrent import GRU, LSTM
from tests.lncore.recurrent.gradients import shaken


def _tensorflow_case(carry: bool) -> tuple[Any, torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """The test of TF-Addons' LayerNormLSTMCell: two units, weights 0.5, bias 0.5 with a forget bias of 1, ε 1e-12.

    TF-Addons normalizes Wx + Uh + b once per path without a bias inside; the bias is added behind as here.
    """
    layer: Any = LSTM(
        2, 2, norm=partial(LayerNorm, eps=1e-12), normalize_cell_state="carry" if carry else "output"
    ).double()
    with torch.no_grad():
        layer.weight_ih_l0.fill_(0.5)
        layer.weight_hh_l0.fill_(0.5)
        layer.bias_ih_l0.fill_(0.5)
        layer.bias_ih_l0[2:4] = 1.0
    state = torch.tensor([[[0.2, 0.3]]], dtype=torch.double), torch.tensor([[[0.0, 0.1]]], dtype=torch.double)
    return layer, torch.ones(1, 1, 2, dtype=torch.double), state


@pytest.mark.parametrize("fused", [True, False])
def test_tensorflow_addons_golden_numbers(fused: bool) -> None:
    layer, x, state = _tensorflow_case(carry=True)
    layer.fused = fused
    _, (h, c) = layer(x, state)
    torch.testing.assert_close(h.flatten(), h.new_tensor([-0.47406167, 0.47406143]), rtol=1e-5, atol=0)
    torch.testing.assert_close(c.flatten(), h.new_tensor([-1.0, 1.0]), rtol=1e-5, atol=0)


@pytest.mark.parametrize("fused", [True, False])
def test_the_papers_form_has_the_same_output_and_carries_the_raw_cell(fused: bool) -> None:
    layer, x, state = _tensorflow_case(carry=False)
    layer.fused = fused
    _, (h, c) = layer(x, state)
    torch.testing.assert_close(h.flatten(), h.new_tensor([-0.47406167, 0.47406143]), rtol=1e-5, atol=0)
    torch.testing.assert_close(c.flatten(), h.new_tensor([0.28765, 0.36075]), rtol=2e-5, atol=0)


def _norm(z: np.ndarray, gain: np.ndarray, bias: np.ndarray, eps: float = 1e-5) -> np.ndarray:
    return (z - z.mean(-1, keepdims=True)) / np.sqrt(z.var(-1, keepdims=True) + eps) * gain + bias


def _logistic(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def _arrays(layer: Any) -> dict[str, np.ndarray]:
    return {name: parameter.detach().numpy() for name, parameter in layer.named_parameters()}


def test_the_authors_lstm_with_its_double_bias() -> None:
    """lnlstm_layer of the authors' layers.py: LN(x·W + b) + LN(h·U) + b, then LN of the cell for the output only."""
    torch.manual_seed(0)
    layer: Any = shaken(LSTM(3, 4, inner_bias=True).double())
    with torch.no_grad():
        layer.bias_hh_l0.zero_()
    p, x = _arrays(layer), np.random.default_rng(0).normal(size=(5, 2, 3))
    h, c, b = np.zeros((2, 4)), np.zeros((2, 4)), p["bias_ih_l0"]
    for step in x:
        inputs = _norm(step @ p["weight_ih_l0"].T + b, p["input_norm_l0.weight"], p["input_norm_l0.bias"])
        before = _norm(h @ p["weight_hh_l0"].T, p["recurrent_norm_l0.weight"], p["recurrent_norm_l0.bias"])
        i, f, g, o = np.split(inputs + before + b, 4, axis=-1)
        c = _logistic(f) * c + _logistic(i) * np.tanh(g)
        h = _logistic(o) * np.tanh(_norm(c, p["cell_norm_l0.weight"], p["cell_norm_l0.bias"]))
    _, (last, cell) = layer(torch.from_numpy(x))
    np.testing.assert_allclose(last[0].detach().numpy(), h, rtol=1e-10)
    np.testing.assert_allclose(cell[0].detach().numpy(), c, rtol=1e-10)


def test_the_papers_gru_normalizes_two_gates_together_and_the_candidate_alone() -> None:
    torch.manual_seed(0)
    layer: Any = shaken(GRU(3, 4, bias=False).double())
    p, x = _arrays(layer), np.random.default_rng(0).normal(size=(5, 2, 3))
    h = np.zeros((2, 4))
    for step in x:
        inputs, before = step @ p["weight_ih_l0"].T, h @ p["weight_hh_l0"].T
        gates = np.sum(
            [
                _norm(z[:, :8], p[f"{path}.gates.weight"], p[f"{path}.gates.bias"])
                for z, path in ((inputs, "input_norm_l0"), (before, "recurrent_norm_l0"))
            ],
            axis=0,
        )
        r, z = np.split(_logistic(gates), 2, axis=-1)
        new, old = (
            _norm(product[:, 8:], p[f"{path}.candidate.weight"], p[f"{path}.candidate.bias"])
            for product, path in ((inputs, "input_norm_l0"), (before, "recurrent_norm_l0"))
        )
        h = (1 - z) * np.tanh(new + r * old) + z * h
    np.testing.assert_allclose(layer(torch.from_numpy(x))[1][0].detach().numpy(), h, rtol=1e-10)


def test_hastes_gru_normalizes_all_three_gates_together() -> None:
    torch.manual_seed(0)
    layer: Any = shaken(GRU(3, 4, joint=True).double())
    p, x = _arrays(layer), np.random.default_rng(0).normal(size=(5, 2, 3))
    h = np.zeros((2, 4))
    for step in x:
        path = "input_norm_l0.joint"
        inputs = _norm(step @ p["weight_ih_l0"].T, p[f"{path}.weight"], p[f"{path}.bias"]) + p["bias_ih_l0"]
        path = "recurrent_norm_l0.joint"
        before = _norm(h @ p["weight_hh_l0"].T, p[f"{path}.weight"], p[f"{path}.bias"]) + p["bias_hh_l0"]
        r, z = _logistic(inputs[:, :4] + before[:, :4]), _logistic(inputs[:, 4:8] + before[:, 4:8])
        h = (1 - z) * np.tanh(inputs[:, 8:] + r * before[:, 8:]) + z * h
    np.testing.assert_allclose(layer(torch.from_numpy(x))[1][0].detach().numpy(), h, rtol=1e-10)


def test_forget_bias_and_gain_start_where_they_are_told_to() -> None:
    layer: Any = LSTM(3, 4, forget_bias=1.0, gain_init=0.1)
    assert layer.bias_ih_l0.tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 8
    for name in ("input_norm_l0", "recurrent_norm_l0", "cell_norm_l0"):
        assert layer.get_submodule(name).weight.unique().tolist() == pytest.approx([0.1])
