"""Recurrent batch normalization keeps statistics of its own for every time step."""

import copy
from typing import Any

import pytest
import torch

from lncore.moments import moments, moments_of_rows
from lncore.recurrent import GRU, LSTM, RecurrentBatchNorm, recurrent_batch_norm
from tests.lncore.variants import inputs


def test_each_step_is_normalized_by_its_own_batch_in_training() -> None:
    norm = RecurrentBatchNorm(4, max_steps=3)
    for step in range(3):
        x = torch.randn(50, 4) * (step + 1) + 10 * step
        y = norm(x, step, None)
        torch.testing.assert_close(y.mean(0), torch.zeros(4), atol=1e-6, rtol=0)
        torch.testing.assert_close(y.std(0, correction=0), torch.full((4,), 0.1), atol=1e-4, rtol=0)
    assert norm.running_mean.mean(1).tolist() == pytest.approx([0, 10, 20], abs=1)


def test_evaluation_uses_the_running_statistics_of_the_step_and_of_the_last_one_beyond() -> None:
    norm = RecurrentBatchNorm(4, max_steps=2, gain_init=1.0)
    x = torch.randn(500, 4) * 3 + 5
    for step in range(2):
        norm(x + step, step, None)
    norm.eval()
    torch.testing.assert_close(norm(x + 1, 1, None).mean(0), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(norm(x + 1, 7, None), norm(x + 1, 1, None))


def test_padding_takes_no_part_in_the_statistics() -> None:
    norm = RecurrentBatchNorm(4, max_steps=1)
    x, valid = torch.randn(6, 4), torch.tensor([True, True, True, False, True, False])
    y = norm(x, 0, valid)
    x[~valid] = 1e6
    torch.testing.assert_close(norm(x, 0, valid)[valid], y[valid])
    torch.testing.assert_close(norm.running_mean[0], x[valid].mean(0))


def test_the_rows_of_a_mask_have_the_statistics_they_have_alone() -> None:
    x = inputs((9, 4)) * 3 + 1e4
    among = torch.tensor([True, False, True, True, False, True, True, False, True])
    alone, masked = moments(x[among], 0), moments_of_rows(x, among)
    torch.testing.assert_close(masked.mean, alone.mean)
    torch.testing.assert_close(masked.variance, alone.variance)
    torch.testing.assert_close(masked.deviation[among], alone.deviation)
    assert not masked.deviation[~among].any()


@pytest.mark.parametrize("left", [0, 1])
def test_a_step_with_fewer_than_two_sequences_left_takes_the_running_statistics_and_leaves_them(left: int) -> None:
    norm, x = RecurrentBatchNorm(4, max_steps=1), torch.randn(5, 4)
    for seen in range(2):  # none kept yet, then those of one batch
        before = {name: value.clone() for name, value in norm.state_dict().items()}
        y = norm(x, 0, torch.arange(5) < left)
        assert all(torch.equal(before[name], value) for name, value in norm.state_dict().items()), seen
        torch.testing.assert_close(y, copy.deepcopy(norm).eval()(x, 0, None))
        norm(x * 2 + 1, 0, None)


@pytest.mark.parametrize("training", [True, False])
def test_it_compiles_without_a_break_over_sequences_of_different_lengths(training: bool) -> None:
    torch._dynamo.reset()
    plain: Any = LSTM(3, 4, **recurrent_batch_norm(max_steps=2)).train(training)
    layer = copy.deepcopy(plain)
    x, lengths = torch.randn(2, 4, 3), torch.tensor([2, 1, 1, 2])
    compiled = torch.compile(lambda x, lengths: layer(x, lengths=lengths)[0], fullgraph=True, backend="aot_eager")
    y, expected = compiled(x, lengths), plain(x, lengths=lengths)[0]
    torch.testing.assert_close(y, expected)
    y.square().sum().backward()
    expected.square().sum().backward()
    for mine, right in zip(layer.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, right.grad, rtol=1e-4, atol=1e-6)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(layer.state_dict()[name], value)


def test_the_gain_starts_at_a_tenth_and_only_the_cell_is_shifted() -> None:
    layer: Any = LSTM(3, 4, **recurrent_batch_norm(max_steps=9))
    assert layer.recurrent_norm_l0.weight.unique().tolist() == pytest.approx([0.1])
    assert layer.recurrent_norm_l0.bias is None
    assert layer.cell_norm_l0.bias is not None


@pytest.mark.parametrize(
    "layer",
    [
        LSTM(3, 4, bidirectional=True, **recurrent_batch_norm(max_steps=5)),
        GRU(3, 4, norm=lambda width: RecurrentBatchNorm(width, max_steps=5)),
    ],
)
def test_a_layer_trains_with_it_and_evaluates_one_sequence(layer: torch.nn.Module) -> None:
    x = torch.randn(7, 6, 3)
    y, _ = layer(x, lengths=torch.tensor([7, 7, 3, 2, 1, 5]))
    y.square().mean().backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())
    layer.eval()
    assert layer(x[:, :1])[0].isfinite().all()


def test_a_batch_of_one_cannot_be_trained_on() -> None:
    with pytest.raises(ValueError, match="at least two sequences"):
        RecurrentBatchNorm(4, max_steps=1)(torch.randn(1, 4), 0, None)


@pytest.mark.parametrize("shape", [(6, 3), (6, 1), (4,), (2, 6, 4)])
def test_another_width_is_told_with_the_right_one(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"of width 4 got .* but takes one step, \(batch, 4\)"):
        RecurrentBatchNorm(4, max_steps=1)(torch.randn(shape), 0, None)


def test_integers_are_refused() -> None:
    with pytest.raises(TypeError, match=r"torch.int64, .* use x.float\(\)"):
        RecurrentBatchNorm(4, max_steps=1)(torch.ones(6, 4, dtype=torch.long), 0, None)
    with pytest.raises(ValueError, match=r"max_steps is 2\.5, but must be a whole number"):
        RecurrentBatchNorm(4, max_steps=2.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="eps is nan, but must be finite"):
        RecurrentBatchNorm(4, max_steps=1, eps=float("nan"))
    with pytest.raises(ValueError, match=r"width is 4\.0, but must be a whole number"):
        RecurrentBatchNorm(4.0, max_steps=1)  # type: ignore[arg-type]
