"""How long new runs may take: the time per step of past runs of the same shape, times the steps of the budget."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import Connection

from domain.catalog import Catalog
from domain.job import JobSpec
from domain.size import size_of, steps_of
from domain.store import past

Shape = tuple[Any, ...]


class Estimate(BaseModel):
    """Training time of all runs together, if one slot ran them one after another."""

    seconds: float | None = Field(description="None when no past run has the shape of any of the jobs.")
    known: int = Field(description="How many of the jobs have past runs of their shape, or a budget in seconds.")
    of: int = Field(description="How many jobs there are.")
    memory: int = Field(description="Bytes of the run that needs most, by arithmetic on its spec.")
    flops: int | None = Field(description="Operations of all runs together; None where a budget is in seconds.")


def estimate(c: Connection, jobs: Iterable[tuple[JobSpec, int]], catalog: Catalog) -> Estimate:
    """The estimate for jobs, each a spec and how many seeds it has.

    The jobs without past runs of their shape count as the mean of those that have some, so that the sum is of all.
    """
    planned = list(jobs)
    times = _step_times(c, [spec for spec, _ in planned])
    runs = sum(seeds for _, seeds in planned)
    found = [(seconds, seeds) for spec, seeds in planned if (seconds := _seconds(spec, times, catalog)) is not None]
    known_runs = sum(seeds for _, seeds in found)
    total = sum(seconds * seeds for seconds, seeds in found) * runs / known_runs if known_runs else None
    sizes = [(size_of(spec.resolved(), catalog), seeds) for spec, seeds in planned]
    return Estimate(
        seconds=total,
        known=len(found),
        of=len(planned),
        memory=max((size.memory.total for size, _ in sizes), default=0),
        flops=_sum(None if size.flops is None else size.flops * seeds for size, seeds in sizes),
    )


def _sum(parts: Iterable[int | None]) -> int | None:
    """The sum, None where a part isn't known."""
    known = list(parts)
    return None if None in known else sum(part for part in known if part is not None)


def _step_times(c: Connection, specs: list[JobSpec]) -> Mapping[Shape, float]:
    datasets = {spec.dataset.kind for spec in specs}
    architectures = {spec.architecture.kind for spec in specs}
    times: dict[Shape, list[float]] = defaultdict(list)
    for run in past.runs_of(c, datasets=datasets, architectures=architectures):
        times[_shape(run.spec)].append(run.step_time)
    return {shape: statistics.median(found) for shape, found in times.items()}


def _shape(spec: Mapping[str, Any]) -> Shape:
    """What the time of a step depends on most."""
    training = spec["training"]
    return (
        repr(spec["dataset"]),
        repr(spec["architecture"]),
        spec["normalization"]["kind"],
        training["batch_size"],
        training["precision"],
        training["device"],
    )


def _seconds(spec: JobSpec, times: Mapping[Shape, float], catalog: Catalog) -> float | None:
    """Seconds of one run, None where nothing is known."""
    budget = spec.training.budget
    if budget.unit == "seconds":
        return budget.amount
    step_time = times.get(_shape(spec.resolved()))
    if step_time is None:
        return None
    steps = steps_of(spec.resolved(), catalog.variant("datasets", spec.dataset.kind))
    return None if steps is None else steps * step_time
