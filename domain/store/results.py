"""What runs contribute to a comparison: the metric's value, and what it cost."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, and_, func, select

from domain.comparison import RunResult
from domain.job import flat
from domain.metric import MEASURED, MetricChoice, seconds_of
from domain.store import pages
from domain.store import points as stored
from domain.store.metrics import value_after, value_at
from domain.store.pages import Page
from domain.store.rollups import FINITE, NUMBERS, WIDTH
from domain.store.runs import IN_ORDER
from domain.tables import job, pack, point, rollup, run, series


def results(
    c: Connection,
    metric: MetricChoice,
    *,
    study_id: str | None = None,
    job_ids: Sequence[str] = (),
    lower_is_better: bool = True,
    threshold: float | None = None,
) -> list[RunResult]:
    """The runs of a study, or of some jobs, by job and seed; of a seed that was retried only the newest.

    `threshold` asks for the first step and time at which the metric was at or beyond it.
    """
    query = select(run).where(run.c.retried_by.is_(None))
    query = query.where(run.c.study_id == study_id) if study_id else query.where(run.c.job_id.in_(job_ids))
    rows = c.execute(query.order_by(*IN_ORDER)).all()
    return _of_rows(c, rows, metric, lower_is_better=lower_is_better, threshold=threshold)


def results_page(
    c: Connection,
    metric: MetricChoice,
    *,
    study_id: str,
    lower_is_better: bool = True,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[RunResult]:
    """A page of a study's `results`, in the same order."""

    def made(rows: Sequence[Row[Any]]) -> list[RunResult]:
        return _of_rows(c, rows, metric, lower_is_better=lower_is_better, threshold=None)

    query = select(run).where(run.c.retried_by.is_(None), run.c.study_id == study_id)
    return pages.along(c, query, IN_ORDER, made, cursor=cursor, limit=limit)


def _of_rows(
    c: Connection, rows: Sequence[Row[Any]], metric: MetricChoice, *, lower_is_better: bool, threshold: float | None
) -> list[RunResult]:
    ids = [row.id for row in rows]
    summaries = _summaries(c, ids, [metric.name, *MEASURED])
    there = _there(c, ids, metric)
    reached = _reaching(c, ids, metric.name, threshold, lower_is_better=lower_is_better)
    specs = _specs(c, {row.job_id for row in rows})
    made = []
    for row in rows:
        of = summaries.get(row.id, {})
        best = _best(of.get(metric.name), lower_is_better=lower_is_better)
        value = best if metric.at == "best" else _last(of.get(metric.name)) if there is None else there.get(row.id)
        made.append(_result(row, specs[row.job_id], of, value=value, best=best, reached=reached.get(row.id)))
    return made


def _there(c: Connection, run_ids: Sequence[str], metric: MetricChoice) -> Mapping[str, float] | None:
    """The values at the step or the time that is asked for, by run; None where it is the end or the best."""
    seconds = seconds_of(metric.at)
    if seconds is not None:
        return value_after(c, run_ids, metric.name, seconds)
    return value_at(c, run_ids, metric.name, metric.at) if isinstance(metric.at, int) else None


def _result(
    row: Row[Any],
    spec: dict[str, Any],
    of: Mapping[str, Row[Any]],
    *,
    value: float | None,
    best: float | None,
    reached: tuple[int, float] | None,
) -> RunResult:
    step_time = _middle(of.get("step_time"))
    return RunResult(
        run_id=row.id,
        job_id=row.job_id,
        seed=row.seed,
        status=row.status,
        outcome=row.outcome,
        spec=spec,
        value=value,
        best=best,
        step_time_ms=None if step_time is None else step_time * 1000,
        samples_per_second=_middle(of.get("samples_per_second")),
        peak_memory=of["peak_memory"].max if "peak_memory" in of else None,
        seconds=row.seconds or None,
        steps=row.step,
        steps_to=reached[0] if reached else None,
        seconds_to=reached[1] if reached else None,
    )


def _specs(c: Connection, job_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """The flat spec of each job, read once however many seeds it has."""
    query = select(job.c.id, job.c.spec).where(job.c.id.in_(job_ids))
    return {row.id: flat(row.spec) for row in c.execute(query)}


def _summaries(c: Connection, run_ids: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, Row[Any]]]:
    found: dict[str, dict[str, Row[Any]]] = {}
    query = select(series).where(series.c.run_id.in_(run_ids), series.c.name.in_(names), series.c.n > 0)
    for row in c.execute(query):
        found.setdefault(row.run_id, {})[row.name] = row
    return found


def _last(row: Row[Any] | None) -> float | None:
    """The last value; NaN and infinity too, so that a comparison counts the run as diverged and doesn't lose it."""
    if row is None:
        return None
    last: float | None = row.last if row.last_kind == FINITE else NUMBERS[row.last_kind]
    return last


def _best(row: Row[Any] | None, *, lower_is_better: bool) -> float | None:
    if row is None:
        return None
    best: float | None = row.min if lower_is_better else row.max
    return best


def _middle(row: Row[Any] | None) -> float | None:
    """The median once the run has ended, the mean while it runs."""
    if row is None:
        return None
    middle: float | None = row.mean if row.median is None else row.median
    return middle


def _reaching(
    c: Connection, run_ids: Sequence[str], name: str, threshold: float | None, *, lower_is_better: bool
) -> dict[str, tuple[int, float]]:
    """The first step at which the metric was at or beyond the threshold, and the seconds of training until then."""
    if threshold is None:
        return {}
    wanted = and_(series.c.run_id.in_(run_ids), series.c.name == name)
    beyond = Beyond(threshold, lower_is_better=lower_is_better)
    # Where a series is packed in part, its packs are the earlier points.
    return _raw_reaching(c, wanted, beyond) | _packed_reaching(c, wanted, beyond)


@dataclass(frozen=True)
class Beyond:
    """Whether a value is at or beyond a threshold; one that isn't finite is not."""

    threshold: float
    lower_is_better: bool

    def __call__(self, values: Any) -> Any:
        """For a column of a table (NULL where it isn't finite) or an array."""
        return values <= self.threshold if self.lower_is_better else values >= self.threshold


def _raw_reaching(c: Connection, wanted: ColumnElement[bool], beyond: Beyond) -> dict[str, tuple[int, float]]:
    first = (
        select(series.c.id, series.c.run_id, func.min(point.c.step).label("step"))
        .join(point, point.c.series_id == series.c.id)
        .where(wanted, beyond(point.c.value))
        .group_by(series.c.id, series.c.run_id)
        .subquery()
    )
    at = select(first.c.run_id, first.c.step, point.c.relative)
    at = at.join(point, and_(point.c.series_id == first.c.id, point.c.step == first.c.step))
    return {row.run_id: (row.step, row.relative) for row in c.execute(at)}


def _packed_reaching(c: Connection, wanted: ColumnElement[bool], beyond: Beyond) -> dict[str, tuple[int, float]]:
    """The roll-ups say in which bucket it is, so that one pack of each series is opened, or two."""
    best = rollup.c.min if beyond.lower_is_better else rollup.c.max
    first = (
        select(series.c.id, series.c.run_id, func.min(rollup.c.bucket).label("bucket"))
        .join(rollup, rollup.c.series_id == series.c.id)
        .where(wanted, rollup.c.level == 1, beyond(best))
        .group_by(series.c.id, series.c.run_id)
        .subquery()
    )
    around = and_(
        pack.c.series_id == first.c.id,
        pack.c.last_step >= first.c.bucket * WIDTH,
        pack.c.first_step < (first.c.bucket + 1) * WIDTH,
    )
    query = select(first.c.run_id, *stored.PLACE, pack.c.value, pack.c.relative).join(pack, around)
    found: dict[str, tuple[int, float]] = {}
    for row in c.execute(query.order_by(pack.c.series_id, pack.c.first_step)):
        columns = stored.unpack(row, ["value", "relative"])
        places = np.flatnonzero(np.isfinite(columns["value"]) & beyond(columns["value"]))
        if len(places) and row.run_id not in found:
            found[row.run_id] = int(columns["step"][places[0]]), float(columns["relative"][places[0]])
    return found
