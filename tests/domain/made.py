"""Jobs, studies and workers for store tests, made without a catalog."""

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from domain.database import Database
from domain.job import Choice, Job, JobSpec, JobSubmission
from domain.metric import MetricChoice
from domain.report import Point, SavedCheckpoint
from domain.run import Claim, Worker
from domain.store import jobs, runs, studies, workers
from domain.study import Cell, Study, StudySpec
from domain.training import Adam, Budget, TrainingSpec


def make_spec(normalization: str = "layer_norm", **training: Any) -> JobSpec:
    return JobSpec(
        dataset=Choice(kind="digits"),
        architecture=Choice(kind="mlp"),
        normalization=Choice(kind=normalization),
        training=TrainingSpec(**{"batch_size": 4, "budget": Budget(steps=100), "optimizer": Adam(lr=1e-3), **training}),
    )


def submit_job(c: Connection, *, owner: str = "ada", seeds: Sequence[int] = (0,), **given: Any) -> Job:
    training = given.pop("training", {})
    normalization = given.pop("normalization", "layer_norm")
    spec = make_spec(normalization, **training)
    return jobs.submit(c, JobSubmission(spec=spec, seeds=tuple(seeds), **given), owner=owner)


def submit_study(c: Connection, *, name: str = "small-batch", seeds: Sequence[int] = (0, 1)) -> Study:
    kinds = ("none", "layer_norm", "rms_norm")
    cells = [
        Cell(key={"normalization": kind}, label=kind, spec=make_spec(kind), spec_hash=f"{position:064x}")
        for position, kind in enumerate(kinds)
    ]
    spec = StudySpec(
        name=name,
        base={},
        vary={"normalization": [{"kind": kind} for kind in kinds]},
        seeds=tuple(seeds),
        metric=MetricChoice(name="test_error"),
        baseline={"normalization.kind": "layer_norm"},
    )
    return studies.submit(c, spec, cells, owner="ada")


def make_worker(c: Connection, name: str = "w1", **given: Any) -> Worker:
    return workers.register(c, **{"name": name, "host": "here", "pid": 1, "queues": ["default"], **given})


def claim(c: Connection, worker: Worker, **given: Any) -> Claim:
    claimed = runs.claim(c, worker.id, **{"queues": worker.queues, **given})
    assert claimed is not None, "nothing to claim"
    return claimed


def start(database: Database, **given: Any) -> Claim:
    """A job with one run that a worker has claimed."""
    with database.write() as c:
        submit_job(c, **given)
        return claim(c, make_worker(c))


def points(*values: float, first: int = 1) -> list[Point]:
    """A point for each value, at steps counting from `first`."""
    began = time.time()
    return [
        Point(step=step, value=value, at=began + step, relative=step * 0.5, epoch=step / 10, samples=step * 4)
        for step, value in enumerate(values, start=first)
    ]


def checkpoint(step: int, **given: Any) -> SavedCheckpoint:
    return SavedCheckpoint(**{"step": step, "path": f"r/{step}", "size_bytes": 10, "digest": "0" * 64, **given})
