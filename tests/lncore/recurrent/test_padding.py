"""Padding and states of zeros without an ε: neither leaves a NaN anywhere, whatever norm stands on the paths."""

from typing import Any

import pytest
import torch

from lncore import menu
from lncore.recurrent import GRU, LSTM
from tests.lncore.recurrent.gradients import outputs_and_gradients
from tests.lncore.variants import GROUPED, WITHOUT_EPSILON


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("kind", [LSTM, GRU])
@pytest.mark.parametrize("name", WITHOUT_EPSILON)
def test_without_epsilon_neither_padding_nor_zero_states_become_nan(name: str, kind: Any, fused: bool) -> None:
    """Padding is zero behind the input product, and so is the recurrent product of a state of zeros."""
    norm = menu.normalization(name, eps=0.0, **({"groups": 2} if name in GROUPED else {}))
    layer = kind(3, 4, 2, bidirectional=True, norm=norm, fused=fused).eval()
    x, states = torch.randn(5, 3, 3), [torch.zeros(4, 3, 4) for _ in range(layer.states)]
    for tensor in outputs_and_gradients(layer, x, states, lengths=[5, 2, 0]):
        assert tensor.isfinite().all()


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_without_epsilon_a_padded_sequence_still_computes_what_it_computes_alone(kind: Any) -> None:
    layer = kind(3, 4, norm=menu.normalization("layer_norm", eps=0.0))
    x, state = torch.randn(5, 2, 3), [torch.randn(1, 2, 4) for _ in range(layer.states)]
    padded = outputs_and_gradients(layer, x, state, lengths=[5, 2])[0]
    alone = outputs_and_gradients(layer, x[:2, 1:], [part[:, 1:].contiguous() for part in state])[0]
    torch.testing.assert_close(padded[:2, 1:], alone)
