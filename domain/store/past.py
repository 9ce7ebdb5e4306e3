"""What past runs took, for estimates of new ones."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, func, select

from domain.run import Record, RunStatus
from domain.tables import job, run, series

NEWEST = 1000
"""How many past runs are looked at."""


class PastRun(Record):
    """The spec of a run that succeeded, and how long one of its steps took."""

    spec: dict[str, Any]
    step_time: float
    """Seconds."""


def runs_of(c: Connection, *, datasets: Collection[str], architectures: Collection[str]) -> list[PastRun]:
    """Runs that succeeded on these data sets with these architectures, newest first."""
    step_time = func.coalesce(series.c.median, series.c.mean).label("step_time")
    query = (
        select(job.c.spec, step_time)
        .join(run, run.c.job_id == job.c.id)
        .join(series, series.c.run_id == run.c.id)
        .where(
            run.c.status == RunStatus.SUCCEEDED,
            job.c.dataset.in_(datasets),
            job.c.architecture.in_(architectures),
            series.c.name == "step_time",
            step_time.is_not(None),
        )
        .order_by(run.c.created_at.desc(), run.c.id.desc())
        .limit(NEWEST)
    )
    return [PastRun.model_validate(row) for row in c.execute(query)]
