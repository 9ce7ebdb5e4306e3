"""The training loop on real digits."""

import math
from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest
import torch

from domain.job import JobSpec
from domain.run import Orders, Outcome, Phase
from tests.worker.specs import spec_of
from worker import menus
from worker.loading.data import Data
from worker.loading.sources import Sources
from worker.training.learner import Learner, make_learner, prepare
from worker.training.ledger import BLOCK, Row
from worker.training.trainer import Ending, OneStep, train

CPU = torch.device("cpu")


class Notebook:
    """A desk that keeps everything, and gives an order at a chosen step."""

    def __init__(self, orders_at: tuple[int, Orders] | None = None, save_every: int = 0) -> None:
        self.rows: list[Row] = []
        self.phases: list[Phase] = []
        self.handed_in = 0
        self.step = 0
        self.saved: list[tuple[int, dict[str, Any], bool]] = []
        self._orders_at = orders_at
        self._save_every = save_every

    def record(self, rows: Iterable[Row]) -> None:
        self.rows += list(rows)
        self.handed_in += 1

    def phase(self, phase: Phase) -> None:
        self.phases.append(phase)

    def pulse(self, step: int) -> None:
        self.step = step

    def expect(self, progress: float, seconds: float, seconds_left: float | None) -> None:
        assert 0 <= progress <= 1
        assert seconds >= 0
        assert seconds_left is None or seconds_left >= 0

    def orders(self) -> Orders:
        due = self._orders_at is not None and self.step >= self._orders_at[0]
        return self._orders_at[1] if due and self._orders_at else Orders.GO

    def save_is_due(self, step: int) -> bool:
        return bool(self._save_every) and step % self._save_every == 0

    def save(self, learner: Learner, progress: dict[str, Any], results: dict[str, float], *, best: bool) -> None:
        assert results or learner.step < 20
        self.saved.append((learner.step, progress, best))

    def series(self, name: str) -> dict[int, float]:
        return {step: value for series, step, value in self.rows if series == name}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Data:
    torch.set_num_threads(1)
    return menus.make_dataset(spec_of().dataset).load(Sources(tmp_path_factory.mktemp("datasets")))


def trained(spec: JobSpec, data: Data, desk: Notebook, seed: int = 0) -> tuple[Ending, Learner]:
    prepare(spec.training, seed)
    learner = make_learner(spec, data.shape, data.classes, CPU)
    return train(spec, seed, learner, data, desk, {}), learner


def test_it_learns_digits_and_reports_every_step(digits: Data) -> None:
    desk = Notebook()
    ending, _ = trained(spec_of(), digits, desk)
    assert ending == Ending(60, Outcome.COMPLETED)
    assert list(desk.series("train_loss")) == list(range(1, 61))
    assert list(desk.series("test_error")) == [20, 40, 60]
    assert desk.series("test_error")[60] < 0.2
    assert desk.series("train_loss")[60] < desk.series("train_loss")[1] / 3


def test_accuracy_and_error_of_a_split_add_up_to_one(digits: Data) -> None:
    desk = Notebook()
    trained(spec_of(), digits, desk)
    for step, error in desk.series("validation_error").items():
        assert error + desk.series("validation_accuracy")[step] == pytest.approx(1, abs=1e-12)


def test_what_it_costs_is_measured_at_the_end_of_every_block(digits: Data) -> None:
    desk = Notebook()
    trained(spec_of(), digits, desk)
    for name in ("step_time", "samples_per_second", "peak_memory"):
        assert list(desk.series(name)) == [20, 40, BLOCK, 60]
        assert all(value > 0 for value in desk.series(name).values())
    assert desk.series("samples_per_second")[20] == pytest.approx(64 / desk.series("step_time")[20])


def test_it_says_what_it_does_from_the_first_step_to_the_last(digits: Data) -> None:
    desk = Notebook()
    trained(spec_of(budget={"steps": 40}), digits, desk)
    evaluated = [Phase.EVALUATING, Phase.TRAINING]
    assert desk.phases == [Phase.WARMING_UP, Phase.TRAINING, *evaluated, *evaluated]


def test_a_compiled_model_is_compiled_by_the_first_step_of_every_attempt(digits: Data) -> None:
    """What is compiled here is the model as it is: what matters is when."""
    spec = spec_of(budget={"steps": 10}, compile=True)
    prepare(spec.training, 0)
    learner = make_learner(spec.model_copy(update={"training": spec_of().training}), digits.shape, digits.classes, CPU)
    learner.step = 7
    desk = Notebook()
    train(spec, 0, learner, digits, desk, {})
    assert desk.phases[:2] == [Phase.COMPILING, Phase.TRAINING]


def test_a_warm_process_compiles_the_model_of_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch gives up on a function that it has compiled for eight different models."""
    compiled: list[int] = []

    def backend(graph: Any, _inputs: Any) -> Any:
        compiled.append(1)
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    for width in range(8, 18):
        spec = spec_of(architecture={"kind": "mlp", "hidden": [width]}, compile=True)
        make_learner(spec, (1, 8, 8), 10, CPU).forward(torch.zeros(2, 1, 8, 8))
    assert len(compiled) == 10


def test_losses_are_read_in_blocks(digits: Data) -> None:
    """A read waits for the device: one for each block of steps, not one for each step."""
    desk = Notebook()
    trained(spec_of(budget={"steps": 200}, evaluate_every={"steps": 1000}), digits, desk)
    assert desk.handed_in <= 2 * 200 / BLOCK + 40  # the 40: slow steps are shown twice a second
    assert len(desk.series("train_loss")) == 200


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(digits: Data) -> None:
    first, second, other = Notebook(), Notebook(), Notebook()
    _, one = trained(spec_of(), digits, first)
    _, two = trained(spec_of(), digits, second)
    trained(spec_of(), digits, other, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(one.model.parameters(), two.model.parameters(), strict=True))
    assert first.series("train_loss") == second.series("train_loss")
    assert first.series("train_loss") != other.series("train_loss")


def test_variants_of_one_seed_start_from_the_same_weights(digits: Data) -> None:
    def first_weights(kind: str) -> torch.Tensor:
        spec = spec_of(normalization={"kind": kind})
        prepare(spec.training, 3)
        return next(make_learner(spec, digits.shape, digits.classes, CPU).model.parameters())

    assert torch.equal(first_weights("none"), first_weights("layer_norm"))
    assert torch.equal(first_weights("none"), first_weights("batch_norm"))


def test_a_loss_that_is_not_finite_ends_the_run_as_diverged(digits: Data) -> None:
    desk = Notebook(save_every=1)
    # Such a decay multiplies every weight by −999 at each step, whatever the data.
    optimizer = {"kind": "sgd", "lr": 10.0, "weight_decay": 100.0}
    spec = spec_of(normalization={"kind": "none"}, optimizer=optimizer, budget={"steps": 500})
    ending, _ = trained(spec, digits, desk)
    losses = desk.series("train_loss")
    assert ending.outcome is Outcome.DIVERGED
    assert ending.diverged_at == max(losses)
    assert not math.isfinite(losses[max(losses)])
    assert all(math.isfinite(loss) for step, loss in losses.items() if step < max(losses))
    # It stops at the next reading of the losses, and nothing is saved in between.
    assert max(losses) <= ending.step < max(losses) + BLOCK
    assert max(step for step, _, _ in desk.saved) < max(losses)


def test_it_stops_early_when_the_validation_loss_no_longer_improves(digits: Data) -> None:
    desk = Notebook()
    stopping = {"metric": "validation_loss", "patience": 2, "min_delta": 1.0}
    spec = spec_of(early_stopping=stopping, budget={"steps": 1000}, evaluate_every={"steps": 5})
    ending, _ = trained(spec, digits, desk)
    assert ending.outcome is Outcome.EARLY_STOPPED
    assert ending.step < 100
    assert ending.step == max(desk.series("validation_loss"))


def test_a_budget_in_epochs_drops_the_incomplete_last_batch(digits: Data) -> None:
    ending, _ = trained(spec_of(budget={"epochs": 2}), digits, Notebook())
    assert ending.step == 2 * (1257 // 64)


def test_a_budget_in_seconds_ends(digits: Data) -> None:
    desk = Notebook()
    ending, _ = trained(spec_of(budget={"seconds": 0.2}), digits, desk)
    assert ending.outcome is Outcome.COMPLETED
    assert max(desk.series("test_error")) == ending.step


def test_evaluation_keeps_the_incomplete_last_batch(digits: Data) -> None:
    """360 test cases are no multiple of any batch used: a share of them is a multiple of 1/360 all the same."""
    desk = Notebook()
    trained(spec_of(), digits, desk)
    wrong = desk.series("test_error")[60] * 360
    assert wrong == pytest.approx(round(wrong), abs=1e-9)


@pytest.mark.parametrize("orders", [Orders.CANCEL, Orders.PAUSE, Orders.DRAIN])
def test_an_order_stops_it_at_the_next_step_after_saving(digits: Data, orders: Orders) -> None:
    desk = Notebook(orders_at=(7, orders))
    ending, _ = trained(spec_of(), digits, desk)
    assert ending == Ending(7, None, orders)
    assert [step for step, _, _ in desk.saved] == [7]
    assert max(desk.series("train_loss")) == 7


def test_the_checkpoint_at_the_best_evaluation_says_so(digits: Data) -> None:
    desk = Notebook(save_every=10)
    trained(spec_of(), digits, desk)
    best = {step for step, _, is_best in desk.saved if is_best}
    assert {10, 30, 50}.isdisjoint(best)
    assert 20 in best


def test_accumulated_parts_make_the_gradient_of_the_whole_batch(digits: Data) -> None:
    def gradient_after_one_step(accumulate: int) -> torch.Tensor:
        spec = spec_of(normalization={"kind": "none"}, accumulate=accumulate, optimizer={"kind": "sgd", "lr": 1.0})
        prepare(spec.training, 0)
        learner = make_learner(spec, digits.shape, digits.classes, CPU)
        before = next(learner.model.parameters()).detach().clone()
        OneStep(spec.training, learner)(digits.train, torch.arange(64))
        return before - next(learner.model.parameters()).detach()

    whole, parts = gradient_after_one_step(1), gradient_after_one_step(4)
    torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-7)


def test_a_clipped_step_is_no_longer_than_the_norm_allows(digits: Data) -> None:
    spec = spec_of(clip_norm=0.01, optimizer={"kind": "sgd", "lr": 1.0})
    prepare(spec.training, 0)
    learner = make_learner(spec, digits.shape, digits.classes, CPU)
    before = [parameter.detach().clone() for parameter in learner.model.parameters()]
    OneStep(spec.training, learner)(digits.train, torch.arange(64))
    moved = [after.detach() - start for after, start in zip(learner.model.parameters(), before, strict=True)]
    assert torch.cat([change.flatten() for change in moved]).norm() == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(
    "optimizer",
    [
        {"kind": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True},
        {"kind": "adam", "lr": 0.01},
        {"kind": "adamw", "lr": 0.01},
        {"kind": "rmsprop", "lr": 0.01},
    ],
)
def test_every_optimizer_learns(digits: Data, optimizer: dict[str, Any]) -> None:
    desk = Notebook()
    trained(spec_of(optimizer=optimizer), digits, desk)
    losses = desk.series("train_loss")
    assert losses[60] < losses[1] * 0.8


def test_bfloat16_learns_with_parameters_kept_in_float32(digits: Data) -> None:
    desk = Notebook()
    _, learner = trained(spec_of(precision="bf16", normalization={"kind": "layer_norm"}), digits, desk)
    assert desk.series("train_loss")[60] < desk.series("train_loss")[1] * 0.8
    assert {parameter.dtype for parameter in learner.model.parameters()} == {torch.float32}


def test_the_warm_up_raises_the_rate_from_step_to_step(digits: Data) -> None:
    spec = spec_of(
        budget={"steps": 4}, schedule={"kind": "constant", "warmup": 4}, optimizer={"kind": "sgd", "lr": 1.0}
    )
    _, learner = trained(spec, digits, Notebook())
    assert learner.optimizer.param_groups[0]["lr"] == 1.0
