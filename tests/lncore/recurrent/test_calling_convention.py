"""LSTM and GRU are called as torch.nn's, and without norms they are torch.nn's."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from lncore.recurrent import GRU, LSTM
from tests.lncore.recurrent.gradients import assert_equal, outputs_and_gradients

PAIRS = [(LSTM, nn.LSTM), (GRU, nn.GRU)]


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(("ours", "torchs"), PAIRS)
def test_without_norms_outputs_and_gradients_are_torchs(ours: type, torchs: type, fused: bool) -> None:
    torch.manual_seed(0)
    theirs = torchs(5, 7, 2, bidirectional=True)
    layer = ours(5, 7, 2, bidirectional=True, norm=None, fused=fused)
    layer.load_state_dict(theirs.state_dict())
    states = [torch.randn(4, 3, 7) for _ in range(layer.states)]
    x = torch.randn(11, 3, 5)
    assert_equal(outputs_and_gradients(layer, x, states), outputs_and_gradients(theirs, x, states), 1e-5)


@pytest.mark.parametrize(("ours", "torchs"), PAIRS)
def test_batch_first_one_sequence_and_no_initial_state_are_as_in_torch(ours: type, torchs: type) -> None:
    torch.manual_seed(0)
    theirs = torchs(5, 7, batch_first=True)
    layer = ours(5, 7, batch_first=True, norm=None)
    layer.load_state_dict(theirs.state_dict())
    for x in (torch.randn(3, 6, 5), torch.randn(6, 5)):
        y, last = layer(x)
        expected, expected_last = theirs(x)
        torch.testing.assert_close(y, expected)
        torch.testing.assert_close(last, expected_last)


@pytest.mark.parametrize("sorted_by_length", [True, False])
@pytest.mark.parametrize(("ours", "torchs"), PAIRS)
def test_packed_sequences_come_back_packed_as_torch_packs_them(
    ours: type, torchs: type, sorted_by_length: bool
) -> None:
    torch.manual_seed(0)
    theirs = torchs(5, 7, bidirectional=True)
    layer = ours(5, 7, bidirectional=True, norm=None)
    layer.load_state_dict(theirs.state_dict())
    lengths = [6, 4, 1] if sorted_by_length else [1, 6, 4]
    packed = pack_sequence([torch.randn(n, 5) for n in lengths], enforce_sorted=sorted_by_length)
    y, last = layer(packed)
    expected, expected_last = theirs(packed)
    torch.testing.assert_close(y.data, expected.data)
    torch.testing.assert_close(pad_packed_sequence(y), pad_packed_sequence(expected))
    torch.testing.assert_close(last, expected_last)


@pytest.mark.parametrize("layer", [LSTM(5, 7, bidirectional=True), GRU(5, 7, bidirectional=True)])
def test_lengths_a_mask_and_single_sequences_agree(layer: Any) -> None:
    x, lengths = torch.randn(6, 3, 5), torch.tensor([6, 2, 4])
    y, last = layer(x, lengths=lengths)
    mask = torch.arange(6)[:, None] < lengths
    torch.testing.assert_close(layer(x, mask=mask), (y, last))
    for b, n in enumerate(lengths.tolist()):
        alone, alone_last = layer(x[:n, b])
        torch.testing.assert_close(y[:n, b], alone)
        assert not y[n:, b].any()
        torch.testing.assert_close(_of_sequence(last, b), alone_last)


@pytest.mark.parametrize("layer", [LSTM(5, 7, 2), GRU(5, 7, 2)])
def test_the_state_carries_a_sequence_across_chunks(layer: Any) -> None:
    x = torch.randn(9, 3, 5)
    y, last = layer(x)
    head, state = layer(x[:4])
    tail, end = layer(x[4:], state)
    torch.testing.assert_close(torch.cat((head, tail)), y)
    torch.testing.assert_close(end, last)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_a_sequence_without_steps_returns_its_initial_state(kind: type, fused: bool) -> None:
    layer = kind(5, 7, fused=fused)
    states = tuple(torch.randn(1, 3, 7) for _ in range(layer.states))
    y, last = layer(torch.randn(0, 3, 5), states if len(states) > 1 else states[0])
    assert y.shape == (0, 3, 7)
    torch.testing.assert_close(last, states if len(states) > 1 else states[0])


def test_dropout_acts_between_layers_in_training_only() -> None:
    layer = LSTM(5, 7, 2, dropout=0.9)
    x = torch.randn(6, 3, 5)
    assert not torch.equal(layer(x)[0], layer(x)[0])
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_half_precision_is_computed_in_float32_and_returned_in_its_type(kind: type, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    wide = kind(5, 7)
    half = kind(5, 7).to(dtype)
    half.load_state_dict(wide.state_dict())
    x = torch.randn(6, 3, 5)
    y, _ = half(x.to(dtype))
    assert y.dtype == dtype
    torch.testing.assert_close(y.float(), wide(x)[0], rtol=0, atol=0.1)
    y.float().sum().backward()
    assert half.weight_hh_l0.grad.dtype == dtype


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_autocast_trains(kind: type) -> None:
    layer = kind(5, 7)
    with torch.autocast("cpu", torch.bfloat16):
        y, _ = layer(torch.randn(6, 3, 5))
        y.float().square().mean().backward()
    assert layer.weight_hh_l0.grad.isfinite().all()


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_under_autocast_states_of_either_precision_are_taken_and_come_back_in_that_of_the_outputs(
    kind: Any, fused: bool
) -> None:
    """As torch's own: the states a chunk returns in bfloat16 start the next one."""
    layer, x = kind(5, 7, fused=fused), torch.randn(6, 3, 5)
    with torch.autocast("cpu", torch.bfloat16):
        y, last = layer(x, _states(layer, torch.float32))
        again, _ = layer(x, last)
    assert {y.dtype, again.dtype, *(state.dtype for state in _several(last))} == {torch.bfloat16}


def _states(layer: Any, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Any:
    states = tuple(torch.zeros(1, 3, 7, dtype=dtype, device=device) for _ in range(layer.states))
    return states if len(states) > 1 else states[0]


def _several(last: Any) -> tuple[torch.Tensor, ...]:
    return last if isinstance(last, tuple) else (last,)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_a_state_of_another_type_or_device_is_refused(kind: Any, fused: bool) -> None:
    layer, x = kind(5, 7, fused=fused), torch.randn(6, 3, 5)
    for dtype in (torch.float64, torch.bfloat16):
        with pytest.raises(
            TypeError, match=rf"state is {dtype}, but the input torch.float32: use hx.to\(torch.float32"
        ):
            layer(x, _states(layer, dtype))
    with pytest.raises(ValueError, match=r"the initial state is on meta, but the input on cpu"):
        layer(x, _states(layer, device="meta"))
    with torch.autocast("cpu", torch.bfloat16):
        with pytest.raises(TypeError, match=r"state is torch.float64, but the input torch.float32"):
            layer(x, _states(layer, torch.float64))
        with pytest.raises(TypeError, match=r"of torch.float32 got torch.float64"):
            layer(x.double())


def _of_sequence(last: Any, b: int) -> Any:
    return tuple(state[:, b] for state in last) if isinstance(last, tuple) else last[:, b]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: LSTM(0, 7), "input_size is 0"),
        (lambda: LSTM(5, 7, dropout=1.5), "probability"),
        (lambda: LSTM(5, 7, normalize_cell_state="both"), '"output" or "carry"'),  # type: ignore[arg-type]
        (lambda: LSTM(5, 7, bias=False, forget_bias=1.0), "needs bias=True"),
        (lambda: GRU(5, 7)(torch.randn(4, 3, 6)), "input size 5 got 6"),
        (lambda: GRU(5, 7)(torch.randn(4, 3, 2, 5)), "4 axes"),
        (lambda: GRU(5, 7)(torch.randn(4, 3, 5), torch.randn(1, 2, 7)), r"must be \(1, 3, 7\)"),
        (lambda: GRU(5, 7)(torch.randn(4, 3, 5), lengths=torch.tensor([4, 5, 1])), "between 0 and the 4 steps"),
        (lambda: GRU(5, 7)(torch.randn(4, 3, 5), mask=torch.ones(3, 4)), "got a mask"),
    ],
)
def test_a_wrong_argument_is_told_with_what_would_be_right(call: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()


def _given(kind: type, hx: Any = None, shape: tuple[int, ...] = (4, 3, 5), **options: Any) -> Any:
    return lambda: kind(5, 7)(torch.randn(shape), hx, **options)


def _packed() -> Any:
    return pack_sequence([torch.randn(n, 5) for n in (4, 2)])


@pytest.mark.parametrize("kind", [LSTM, GRU])
@pytest.mark.parametrize(
    "lengths", [[4], torch.tensor([4]), [4, 4], torch.tensor([[4, 4, 4]]), torch.tensor(4)], ids=str
)
def test_lengths_are_one_for_each_sequence(kind: type, lengths: Any) -> None:
    with pytest.raises(ValueError, match=r"lengths is .* but must be \(3,\), one for each sequence"):
        _given(kind, lengths=lengths)()


@pytest.mark.parametrize("lengths", [[4.0, 2.0, 1.0], torch.ones(3), [True, True, False], "432", 3], ids=str)
def test_lengths_are_whole_numbers(lengths: Any) -> None:
    with pytest.raises(TypeError, match="must be a tensor or list of whole numbers"):
        _given(LSTM, lengths=lengths)()


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_lengths_in_a_list_are_those_in_a_tensor(kind: type) -> None:
    layer, x = kind(5, 7, batch_first=True), torch.randn(3, 4, 5)
    y, _ = layer(x, lengths=[4, 0, 2])
    assert torch.equal(y, layer(x, lengths=torch.tensor([4, 0, 2], dtype=torch.int32))[0])


@pytest.mark.parametrize("kind", [LSTM, GRU])
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"lengths": [4, 2, 1], "mask": torch.ones(4, 3, dtype=torch.bool)}, "lengths or a mask, not both"),
        ({"lengths": [4, 2, -1]}, "between 0 and the 4 steps"),
        ({"mask": torch.ones(4, dtype=torch.bool)}, r"make it \(4, 3\)"),
        ({"mask": torch.ones(3, 4, dtype=torch.bool)}, r"make it \(4, 3\)"),
    ],
)
def test_masks_and_lengths_fit_the_input(kind: type, options: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        _given(kind, **options)()


@pytest.mark.parametrize("options", [{"lengths": [4, 2]}, {"mask": torch.ones(4, 2, dtype=torch.bool)}], ids=str)
@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_a_packed_sequence_takes_neither_lengths_nor_a_mask(kind: type, options: Any) -> None:
    with pytest.raises(ValueError, match="leave out lengths and mask"):
        kind(5, 7)(_packed(), **options)


_H = torch.zeros(1, 3, 7)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (_given(LSTM, (_H,)), r"a pair \(h, c\) of floating point tensors, but is a tuple of 1"),
        (_given(LSTM, _H), r"a pair \(h, c\) of floating point tensors, but is a tensor"),
        (_given(LSTM, (_H, None)), "a pair"),
        (_given(LSTM, (_H, _H.long())), "a pair"),
        (_given(GRU, (_H, _H)), "one floating point tensor, but is a tuple of 2"),
        (_given(GRU, _H.long()), "one floating point tensor, but is a tensor of torch.int64"),
        (lambda: GRU(5, 7)(torch.ones(4, 3, 5, dtype=torch.long)), r"torch.int64, .* use x.float\(\)"),
        (
            lambda: GRU(5, 7)(torch.ones(4, 3, 5).double()),
            r"of torch.float32 got torch.float64: .* dtype=torch.float64",
        ),
        (lambda: LSTM(5, 7)([[1.0]]), "takes a tensor or a PackedSequence"),
        (_given(GRU, mask=torch.ones(4, 3)), r"boolean tensor, .* use mask.bool\(\)"),
        (_given(GRU, mask=[[True] * 3] * 4), "boolean tensor"),
    ],
)
def test_a_wrong_type_is_told_with_the_right_one(call: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        call()


@pytest.mark.parametrize("kind", [LSTM, GRU])
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"dropout": "half"}, "dropout is 'half', but must be a number"),
        ({"gain_init": "small"}, "gain_init is 'small', but must be a number"),
        ({"bidirectional": "no"}, "bidirectional is 'no', but must be True or False"),
        ({"inner_bias": 1}, "inner_bias is 1, but must be True or False"),
    ],
)
def test_an_option_of_another_type_is_told_with_the_right_one(kind: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(TypeError, match=says):
        kind(5, 7, **options)


def test_the_state_of_one_sequence_is_told_without_a_batch() -> None:
    with pytest.raises(ValueError, match=r"\(1, 1, 7\), but must be \(1, 7\) \(layers · directions, hidden\)"):
        _given(GRU, torch.zeros(1, 1, 7), (4, 5))()


@pytest.mark.parametrize(("ours", "torchs"), PAIRS)
def test_device_and_type_are_chosen_as_in_torch(ours: type, torchs: type) -> None:
    for layer in (ours(5, 7, device="meta", dtype=torch.float64), torchs(5, 7, device="meta", dtype=torch.float64)):
        assert {(parameter.device.type, parameter.dtype) for parameter in layer.parameters()} == {
            ("meta", torch.float64)
        }


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_flattening_the_parameters_changes_nothing(kind: type) -> None:
    layer, x = kind(5, 7), torch.randn(4, 3, 5)
    before = layer(x)[0]
    layer.flatten_parameters()
    assert torch.equal(layer(x)[0], before)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_what_the_padding_holds_reaches_neither_outputs_nor_gradients(kind: type, fused: bool, value: float) -> None:
    layer: Any = kind(5, 7, 2, bidirectional=True, fused=fused)
    x, lengths = torch.randn(6, 3, 5), torch.tensor([6, 2, 0])
    mask = torch.arange(6)[:, None] < lengths
    spoiled = x.masked_fill(~mask[..., None], value)
    states = [torch.randn(4, 3, 7) for _ in range(layer.states)]
    expected = outputs_and_gradients(layer, x, states, lengths=lengths)
    expected = [tensor.clone() for tensor in expected]
    for given in ({"lengths": lengths}, {"mask": mask}):
        got = outputs_and_gradients(layer, spoiled, states, **given)
        assert all(torch.equal(left, right) for left, right in zip(got, expected, strict=True))
