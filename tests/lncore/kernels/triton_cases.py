"""The Triton kernels against float64: run on a GPU by test_gpu, and on the CPU by Triton's interpreter.

Not collected by itself: under the interpreter it needs a process in which TRITON_INTERPRET was set before Triton was
imported (test_triton_interpreted).
"""

import os
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from lncore import plain
from lncore.kernels.autograd import DynamicTanh, GroupNorm, row_norm
from lncore.kernels.gpu import backend, sequences
from lncore.kernels.plan import Plan
from lncore.recurrent.sequence import _plain_gru, _plain_lstm, gru_sequence, lstm_sequence

DEVICE = "cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda"
SHAPES = [(1, 1), (3, 7), (5, 33), (37, 130), (4, 1000), (2, 5003)]


def _tensors(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float32, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).to(dtype).to(DEVICE).requires_grad_() for shape in shapes]


def _outputs_and_gradients(function: Any, inputs: Sequence[Tensor | None]) -> list[Tensor]:
    found = function(*inputs)
    outputs = found if isinstance(found, tuple) else (found,)
    generator = torch.Generator().manual_seed(1)
    upper = [torch.randn(y.shape, generator=generator).to(y) for y in outputs]
    wanted = [tensor for tensor in inputs if tensor is not None and tensor.requires_grad]
    return [*(y.detach() for y in outputs), *torch.autograd.grad(outputs, wanted, upper)]


def _compare(fast: Any, slow: Any, inputs: Sequence[Tensor | None], tolerance: float) -> None:
    exact = [None if tensor is None else tensor.detach().double().requires_grad_() for tensor in inputs]
    got, expected = _outputs_and_gradients(fast, inputs), _outputs_and_gradients(slow, exact)
    for a, b in zip(got, expected, strict=True):
        assert float((a.double() - b).abs().max()) <= tolerance * float(b.abs().max().clamp(min=1))


def _row_norm(centred: bool, residual: bool, offset: float = 0.0) -> Any:
    def function(x: Tensor, *rest: Tensor | None) -> Any:
        other, rest = (rest[0], rest[1:]) if residual else (None, rest)
        weight, bias = (*rest, None)[:2]
        return row_norm(backend, x, other, weight, bias, 1e-5, offset, centred=centred)

    return function


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_layer_norm(shape: tuple[int, int]) -> None:
    tolerance = 2e-6 if shape[1] > 3 else 2e-4
    _compare(
        _row_norm(True, False), partial(plain.layer_norm, eps=1e-5), _tensors(shape, shape[1:], shape[1:]), tolerance
    )


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("centred", [True, False])
def test_rows_longer_than_registers_hold(centred: bool, residual: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter ones here, as long rows: several blocks, the last one not full, and several shares of the rows."""
    for name, value in {
        "LONGEST_FORWARD": 100,
        "LONGEST_BACKWARD": 100,
        "LONG_BLOCK": 128,
        "TANH_COLUMNS": 128,
    }.items():
        monkeypatch.setattr(backend, name, value)
    slow: Any = {
        (True, True): partial(plain.add_layer_norm, bias=None, eps=1e-5),
        (True, False): partial(plain.layer_norm, eps=1e-5),
        (False, True): partial(plain.add_rms_norm, eps=1e-5),
        (False, False): partial(plain.rms_norm, eps=1e-5),
    }[centred, residual]
    parameters = [(300,), (300,)] if centred and not residual else [(300,)]
    x, *rest = _tensors((37, 300), *([(37, 300)] if residual else []), *parameters)
    if centred and not residual:
        x = (x.detach() + 1e4).requires_grad_()
    _compare(_row_norm(centred, residual), slow, [x, *rest], 2e-6)


def test_dyt_of_long_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "TANH_COLUMNS", 128)
    inputs = _tensors((37, 300), (), (300,), (300,))
    _compare(lambda *a: DynamicTanh.apply(backend, *a), plain.dyt, inputs, 2e-6)


@pytest.mark.parametrize("gaps", [lambda w: w.repeat_interleave(2)[::2], lambda w: w[:1].expand(33)])
def test_parameters_of_any_stride(gaps: Any) -> None:
    x, w, b = (tensor.detach() for tensor in _tensors((5, 33), (33,), (33,)))
    y = backend.norm_forward(x, None, gaps(w), gaps(b), 1e-5, centred=True)[0]
    expected = plain.layer_norm(x.double(), gaps(w).double(), gaps(b).double(), 1e-5)
    assert float((y.double() - expected).abs().max()) <= 5e-6


@pytest.mark.parametrize("offset", [1e2, 1e4, 1e6])
def test_layer_norm_far_from_zero(offset: float) -> None:
    x, w, b = _tensors((8, 300), (300,), (300,))
    x = (x.detach() + offset).requires_grad_()
    _compare(_row_norm(True, False), partial(plain.layer_norm, eps=1e-5), [x, w, b], 2e-6)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_rms_norm(shape: tuple[int, int], offset: float) -> None:
    slow = lambda x, w: plain.rms_norm(x, w, 1e-5, offset)  # noqa: E731
    _compare(_row_norm(False, False, offset), slow, _tensors(shape, shape[1:]), 2e-5)


@pytest.mark.parametrize("centred", [True, False])
def test_residual_and_norm(centred: bool) -> None:
    slow = (partial(plain.add_layer_norm, bias=None, eps=1e-5)) if centred else (partial(plain.add_rms_norm, eps=1e-5))
    _compare(_row_norm(centred, True), slow, _tensors((37, 130), (37, 130), (130,)), 2e-6)


@pytest.mark.parametrize("present", [(True, False), (False, True), (False, False)])
def test_weight_and_bias_may_be_absent(present: tuple[bool, bool]) -> None:
    x, w, b = _tensors((5, 33), (33,), (33,))
    inputs = [x, w if present[0] else None, b if present[1] else None]
    _compare(_row_norm(True, False), partial(plain.layer_norm, eps=1e-5), inputs, 2e-6)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_dyt(shape: tuple[int, int]) -> None:
    inputs = _tensors(shape, (), shape[1:], shape[1:])
    _compare(lambda *a: DynamicTanh.apply(backend, *a), plain.dyt, inputs, 2e-6)


def test_dyt_is_exact_near_zero_and_saturated() -> None:
    x = torch.tensor([[1e-20, 1e-4, 0.09, 0.11, 9.0, 100.0, -1e30, float("nan")]], device=DEVICE)
    y = backend.tanh_forward(x, torch.ones((), device=DEVICE), None, None)
    torch.testing.assert_close(y, x.tanh(), rtol=5e-7, atol=0, equal_nan=True)


@pytest.mark.parametrize(("shape", "groups"), [((3, 6, 35), 3), ((2, 4, 1300), 1), ((5, 8, 1), 2)], ids=str)
def test_group_norm(shape: tuple[int, int, int], groups: int) -> None:
    inputs = _tensors(shape, shape[1:2], shape[1:2])
    fast = lambda x, w, b: GroupNorm.apply(backend, x, w, b, groups, 1e-5)  # noqa: E731
    _compare(fast, lambda x, w, b: plain.group_norm(x, groups, w, b, 1e-5), inputs, 5e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_with_float32_weights(dtype: torch.dtype) -> None:
    (x,) = _tensors((37, 130), dtype=dtype)
    # The interpreter truncates where a GPU rounds: one place either way.
    _compare(
        _row_norm(True, False),
        partial(plain.layer_norm, eps=1e-5),
        [x, *_tensors((130,), (130,))],
        2 * torch.finfo(dtype).eps,
    )


def test_a_row_with_nan_does_not_leak() -> None:
    (x,) = _tensors((9, 66))
    clean = backend.norm_forward(x.detach(), None, None, None, 1e-5, centred=True)[0]
    with torch.no_grad():
        x[4, 5] = float("nan")
    spoilt = backend.norm_forward(x.detach(), None, None, None, 1e-5, centred=True)[0]
    others = torch.arange(9) != 4
    assert torch.equal(clean[others], spoilt[others])
    assert spoilt[4].isnan().all()


PLANS: list[tuple[bool, Plan]] = [
    (False, Plan("layer_norm", (1e-5, 0.0), "layer_norm", 1e-5)),
    (False, Plan("rms_norm", (1e-5, 0.0), "none", 0.0, reverse=True)),
    (True, Plan("layer_norm", (1e-5, 0.0), "layer_norm", 1e-3, carry=True)),
    (True, Plan("none", (0.0, 0.0), "rms_norm", 1e-5)),
]


@pytest.mark.parametrize(("masked", "plan"), PLANS, ids=str)
def test_lstm_sequence(masked: bool, plan: Plan) -> None:
    inputs = _tensors((4, 3, 28), (28, 7), (3, 7), (3, 7), (28,), (7,), (7,))
    mask = _mask() if masked else None
    _compare_sequences(lstm_sequence, _plain_lstm(plan, mask), plan, mask, inputs)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("norm", ["layer_norm", "rms_norm", "none"])
def test_gru_sequence(norm: str, joint: bool, masked: bool) -> None:
    plan, mask = Plan(norm, (1e-5, 1e-5), joint=joint, reverse=masked), _mask() if masked else None
    inputs = _tensors((4, 3, 21), (21, 7), (3, 7), (21,), (7,))
    _compare_sequences(gru_sequence, _plain_gru(plan, mask), plan, mask, inputs)


def _mask() -> Tensor:
    return torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 0, 0]], device=DEVICE)


def _compare_sequences(fused: Any, slow: Any, plan: Plan, mask: Tensor | None, inputs: Sequence[Tensor | None]) -> None:
    if plan.norm == "none":
        gain = 4 if len(inputs) == 7 else 3
        inputs = [*inputs[:gain], None, *inputs[gain + 1 :]]
    if len(inputs) == 7 and plan.cell_norm == "none":
        inputs = [*inputs[:5], None, None]
    fast = lambda *a: fused(sequences, plan, mask, *a)  # noqa: E731
    exact = lambda *a: _unwrapped(slow(*[None if x is None else x.double() for x in a]))  # noqa: E731
    _compare(fast, exact, inputs, 5e-6)


def _unwrapped(found: tuple[Tensor, ...]) -> Any:
    return found if len(found) > 1 else found[0]
