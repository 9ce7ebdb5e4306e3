"""What a submission means before anything trains: the plan that a dry run answers, and what to expect of new runs."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from api.estimates import Estimate, estimate
from api.expectations import warnings
from domain.catalog import Catalog
from domain.job import JobSpec
from domain.size import Size, size_of
from domain.store import runs

DryRun = Annotated[bool, Query(description="Check, and answer what would be submitted; store nothing.")]


class Expected(BaseModel):
    """What to expect of runs that are stored now."""

    warnings: list[str]
    queue_position: int = Field(description="How many queued runs of its queue are taken before the first of its own.")
    estimate: Estimate


class PlannedJob(BaseModel):
    """A job that a dry run would have stored."""

    label: str
    key: dict[str, Any] = Field(description="Of a study's job, its cell by axis.")
    spec: dict[str, Any] = Field(description="Resolved: every default filled in.")
    spec_hash: str
    seeds: list[int]
    size: Size = Field(description="What one run holds, keeps and computes; estimated without building the model.")


class Plan(BaseModel):
    """What a dry run answers; nothing was stored."""

    jobs: list[PlannedJob] = Field(description="In the order in which their first runs start.")
    runs: int
    seconds: float | None = Field(description="As in the estimate.")
    estimate: Estimate
    warnings: list[str]


def expect(
    c: Connection, specs: Sequence[JobSpec], seeds: Sequence[int], *, queue: str, priority: int, catalog: Catalog
) -> Expected:
    """What to expect of jobs that share their seeds and their queue."""
    return Expected(
        warnings=warnings(c, specs, seeds, queue=queue),
        queue_position=runs.ahead(c, queue=queue, priority=priority),
        estimate=estimate(c, [(spec, len(seeds)) for spec in specs], catalog),
    )


def plan_job(
    spec: JobSpec, seeds: Sequence[int], catalog: Catalog, *, label: str, key: dict[str, Any], digest: str
) -> PlannedJob:
    """What a dry run shows of one job."""
    resolved = spec.resolved()
    size = size_of(resolved, catalog)
    return PlannedJob(label=label, key=key, spec=resolved, spec_hash=digest, seeds=list(seeds), size=size)


def plan(planned: list[PlannedJob], expected: Expected) -> Plan:
    return Plan(
        jobs=planned,
        runs=sum(len(job.seeds) for job in planned),
        seconds=expected.estimate.seconds,
        estimate=expected.estimate,
        warnings=expected.warnings,
    )
