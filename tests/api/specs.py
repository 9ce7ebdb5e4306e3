"""Bodies that are right, and what a worker would do with them."""

from collections.abc import Sequence
from typing import Any

from domain.database import Database
from domain.report import Ending, Point, Report
from domain.run import Outcome
from domain.store import runs, workers


def job(**changes: Any) -> dict[str, Any]:
    """A small job; `changes` replace whole fields."""
    return {
        "dataset": {"kind": "digits"},
        "architecture": {"kind": "mlp", "hidden": [16]},
        "normalization": {"kind": "layer_norm"},
        "training": {"batch_size": 32, "budget": {"steps": 10}},
        "seeds": 2,
        **changes,
    }


def study(**changes: Any) -> dict[str, Any]:
    """Two normalizations at two batch sizes, three seeds: four jobs, twelve runs."""
    return {
        "name": "small-batch",
        "question": "Does it keep working when the batch shrinks?",
        "base": {
            "dataset": {"kind": "digits"},
            "architecture": {"kind": "mlp", "hidden": [16]},
            "training": {"budget": {"steps": 10}},
        },
        "vary": {
            "normalization": [{"kind": "none"}, {"kind": "layer_norm"}],
            "training.batch_size": [4, 128],
        },
        "seeds": 3,
        "metric": {"name": "test_error", "at": "final"},
        "baseline": {"normalization.kind": "layer_norm"},
        **changes,
    }


def train_all(database: Database, values: Sequence[float] = (0.1,), *, steps: int = 10) -> list[str]:
    """Claim and finish every queued run as a worker would; run n ends with test_error `values[n % len(values)]`."""
    with database.write() as c:
        worker = workers.register(c, name="w", host="h", pid=1, queues=["default", "cpu", "gpu"])
    done: list[str] = []
    while True:
        with database.write() as c:
            claim = runs.claim(c, worker.id, queues=["default", "cpu", "gpu"])
            if claim is None:
                return done
            points = series_of(values[len(done) % len(values)], steps)
            runs.report(c, claim.run.id, claim.token, Report(number=1, step=steps, points=points, seconds=1.0))
            runs.finish(c, claim.run.id, claim.token, Ending.succeeded(Outcome.COMPLETED))
        done.append(claim.run.id)


def series_of(error: float, steps: int) -> dict[str, list[Point]]:
    """A falling loss, times per step of 2 ms, and one test error at the end."""
    return {
        "train_loss": [point(step, 2.0 / step) for step in range(1, steps + 1)],
        "step_time": [point(step, 0.002) for step in range(1, steps + 1)],
        "test_error": [point(steps, error)],
    }


def point(step: int, value: float) -> Point:
    return Point(step=step, value=value, at=1e9 + step, relative=step * 0.002, epoch=step / 10, samples=step * 32)
