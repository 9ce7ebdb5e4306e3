"""The known ports as recurrences of their own, in float64: fused and cell by cell, outputs and every gradient.

Each recurrence is written from the port's source with torch's own layer norm, and knows the layer's parameters only.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from lncore.norms.layer_norm import LayerNorm
from lncore.recurrent import GRU, LSTM, recurrent_batch_norm
from tests.lncore.recurrent.gradients import assert_equal, shaken

HIDDEN = 4
States = tuple[Tensor, ...]
Recurrence = Callable[[Any, Tensor, States], tuple[list[Tensor], States]]


def ln(x: Tensor, norm: Any) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, 1e-5)


def hastes_lstm(layer: Any, x: Tensor, states: States) -> tuple[list[Tensor], States]:
    """LayerNormLSTM of lmnt-com/haste: no β on the gates, one bias behind both norms, the raw cell carried on."""
    (h, c), outputs = states, []
    for step in x:
        v = ln(step @ layer.weight_ih_l0.T, layer.input_norm_l0) + ln(h @ layer.weight_hh_l0.T, layer.recurrent_norm_l0)
        i, f, g, o = (v + layer.bias_ih_l0).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * ln(c, layer.cell_norm_l0).tanh()
        outputs.append(h)
    return outputs, (h, c)


def authors_gru(layer: Any, x: Tensor, states: States) -> tuple[list[Tensor], States]:
    """lngru_layer of ryankiros/layer-norm: b and bx inside the input norms only, u·h + (1 − u)·h̃.

    The layer adds them behind its norms too, which is what a norm's own bias does: theirs is the sum of the two.
    """
    (h,), outputs, cut = states, [], 2 * HIDDEN
    for step in x:
        below, before = step @ layer.weight_ih_l0.T + layer.bias_ih_l0, h @ layer.weight_hh_l0.T
        x_ = ln(below[:, :cut], layer.input_norm_l0.gates) + layer.bias_ih_l0[:cut]
        xx_ = ln(below[:, cut:], layer.input_norm_l0.candidate) + layer.bias_ih_l0[cut:]
        r, u = (ln(before[:, :cut], layer.recurrent_norm_l0.gates) + x_).sigmoid().chunk(2, -1)
        candidate = (ln(before[:, cut:], layer.recurrent_norm_l0.candidate) * r + xx_).tanh()
        h = u * h + (1 - u) * candidate
        outputs.append(h)
    return outputs, (h,)


def bn(x: Tensor, norm: Any) -> Tensor:
    centred = x - x.mean(0)
    y = centred / (centred.square().mean(0) + 1e-5).sqrt() * norm.weight
    return y if norm.bias is None else y + norm.bias


def batch_normalized_lstm(layer: Any, x: Tensor, states: States) -> tuple[list[Tensor], States]:
    """Cooijmans et al. 2017, eq. 6 to 8: BN(W_h h) + BN(W_x x) + b, each step by its own batch; BN of the cell."""
    (h, c), outputs = states, []
    for step in x:
        v = bn(h @ layer.weight_hh_l0.T, layer.recurrent_norm_l0) + bn(step @ layer.weight_ih_l0.T, layer.input_norm_l0)
        i, f, g, o = (v + layer.bias_ih_l0).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * bn(c, layer.cell_norm_l0).tanh()
        outputs.append(h)
    return outputs, (h, c)


PLAIN_GAIN = partial(LayerNorm, bias=False)
PORTS: dict[str, tuple[Callable[..., Any], Recurrence]] = {
    "haste's LSTM": (
        partial(LSTM, input_norm=PLAIN_GAIN, recurrent_norm=PLAIN_GAIN, cell_norm=LayerNorm, forget_bias=1.0),
        hastes_lstm,
    ),
    "the authors' GRU": (partial(GRU, inner_bias=True), authors_gru),
    "the batch-normalized LSTM": (partial(LSTM, **recurrent_batch_norm(max_steps=6)), batch_normalized_lstm),
}


def found(
    run: Callable[[Tensor, States], tuple[Tensor, States]], layer: Any, x: Tensor, states: States
) -> list[Tensor]:
    """Outputs, last states, and the gradients of a fixed sum of them in input, states and parameters."""
    leaves = [tensor.clone().requires_grad_() for tensor in (x, *states)]
    y, last = run(leaves[0], tuple(leaves[1:]))
    generator = torch.Generator().manual_seed(3)
    outputs = [y, *last]
    upper = [torch.randn(out.shape, generator=generator, dtype=torch.float64).to(out) for out in outputs]
    wanted = [*leaves, *layer.parameters()]
    return [*outputs, *torch.autograd.grad(outputs, wanted, upper, materialize_grads=True)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("port", list(PORTS))
def test_a_port_gives_its_recurrences_numbers_and_gradients(port: str, fused: bool, dtype: torch.dtype) -> None:
    make, recurrence = PORTS[port]
    layer: Any = shaken(make(3, HIDDEN, fused=fused)).double()
    with torch.no_grad():
        layer.bias_hh_l0.zero_()  # each of them has one bias
    x = torch.randn(6, 5, 3, dtype=torch.float64)
    states = tuple(torch.randn(5, HIDDEN, dtype=torch.float64) for _ in range(layer.states))

    def independent(x: Tensor, states: States) -> tuple[Tensor, States]:
        outputs, last = recurrence(layer, x, states)
        return torch.stack(outputs), last

    def ours(x: Tensor, states: States) -> tuple[Tensor, States]:
        given = tuple(state.unsqueeze(0) for state in states)
        y, last = layer(x, given if len(given) > 1 else given[0])
        return y, tuple(state.squeeze(0) for state in (last if isinstance(last, tuple) else (last,)))

    exact = found(independent, layer, x, states)
    behind = _place_of_second_bias(layer, len(exact))
    layer.to(dtype)
    got = found(ours, layer, x.to(dtype), tuple(state.to(dtype) for state in states))
    kept = [place for place in range(len(exact)) if place != behind]
    tolerance = 1e-10 if dtype == torch.float64 else 2e-5
    assert_equal([got[place].double() for place in kept], [exact[place] for place in kept], tolerance)


def _place_of_second_bias(layer: Any, count: int) -> int:
    """Where the gradient of b_hh stands, which the recurrences don't have."""
    labels = [label for label, _ in layer.named_parameters()]
    return count - len(labels) + labels.index("bias_hh_l0")


def test_running_statistics_of_the_batch_normalized_lstm_follow_each_steps_batch() -> None:
    """After the first batch they are its moments, step by step, on all three paths."""
    layer: Any = LSTM(3, HIDDEN, **recurrent_batch_norm(max_steps=6)).double()
    x = torch.randn(6, 5, 3, dtype=torch.float64)
    layer(x)
    shares = x @ layer.weight_ih_l0.T
    torch.testing.assert_close(layer.input_norm_l0.running_mean.double(), shares.mean(1))
    torch.testing.assert_close(layer.input_norm_l0.running_var.double(), shares.var(1, unbiased=False))
    h = torch.zeros(5, HIDDEN, dtype=torch.float64)
    outputs, _ = batch_normalized_lstm(layer, x, (h, h))
    products = torch.stack([h, *outputs[:-1]]) @ layer.weight_hh_l0.T
    torch.testing.assert_close(layer.recurrent_norm_l0.running_mean.double(), products.mean(1))
    torch.testing.assert_close(layer.recurrent_norm_l0.running_var.double(), products.var(1, unbiased=False))
