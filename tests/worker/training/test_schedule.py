"""Learning rates over a run."""

import pytest

from tests.worker.specs import spec_of
from worker.training.schedule import learning_rate

OPTIMIZER = {"kind": "sgd", "lr": 0.5}


def rates(schedule: dict[str, object], steps: int) -> list[float]:
    rate = learning_rate(spec_of(optimizer=OPTIMIZER, schedule=schedule, budget={"steps": steps}).training)
    return [rate(step, step / steps) for step in range(steps)]


def test_constant_stays() -> None:
    assert rates({"kind": "constant"}, 5) == [0.5] * 5


def test_a_warm_up_rises_by_equal_parts_to_the_full_rate() -> None:
    assert rates({"kind": "constant", "warmup": 4}, 6) == pytest.approx([0.125, 0.25, 0.375, 0.5, 0.5, 0.5])


def test_the_cosine_begins_at_the_rate_passes_the_middle_and_ends_at_its_floor() -> None:
    found = rates({"kind": "warmup_cosine", "floor": 0.2}, 100)
    assert found[0] == pytest.approx(0.5)
    assert found[50] == pytest.approx((0.5 + 0.1) / 2)
    assert found[99] == pytest.approx(0.1, abs=1e-3)
    assert found == sorted(found, reverse=True)


def test_the_cosine_begins_where_the_warm_up_ends() -> None:
    found = rates({"kind": "warmup_cosine", "warmup": 20}, 100)
    assert found[19] == pytest.approx(0.5)
    assert found[20] == pytest.approx(0.5)
    assert found[60] == pytest.approx(0.25)


def test_steps_multiply_by_the_factor() -> None:
    found = rates({"kind": "step", "every": 2, "factor": 0.1}, 6)
    assert found == pytest.approx([0.5, 0.5, 0.05, 0.05, 0.005, 0.005])


def test_a_rate_of_a_budget_in_seconds_follows_the_time() -> None:
    spec = spec_of(optimizer=OPTIMIZER, schedule={"kind": "warmup_cosine"}, budget={"seconds": 10.0})
    rate = learning_rate(spec.training)
    assert rate(1000, 0.5) == pytest.approx(0.25)
