"""Reading a series as a curve: at most so many points, in which no spike is lost and no NaN looks smooth.

The range asked for is cut into buckets; each gives its minimum, maximum and last value at their true places, in order,
repeats dropped. Values that are not finite are marks beside the line.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from sqlalchemy import Connection, func, select

from domain.run import Record
from domain.store import points as stored
from domain.store.metrics import WORDS
from domain.store.rollups import FINITE, LEVELS, WIDTH, Bucket, join, join_points, rolled
from domain.tables import point, series

Axis = Literal["step", "epoch", "wall", "relative", "samples"]
MAX_POINTS = 1000
PER_BUCKET = 3
COARSEST = 3
"""A level of roll-ups is coarse enough when it has at least a third of the buckets asked for."""


class Mark(Record):
    """Values that are not finite, in one bucket."""

    x: float
    step: int
    kind: Literal["NaN", "Infinity", "-Infinity"]
    """The first of them."""
    count: int


class Curve(Record):
    """One run's series, ready to draw. `x`, `y` and `step` have equal lengths."""

    run_id: str
    name: str
    axis: Axis
    x: list[float]
    """Steps, epochs, samples, seconds of training (`relative`) or seconds since 1970 (`wall`)."""
    y: list[float]
    step: list[int]
    marks: list[Mark]
    count: int
    """How many points it stands for."""
    complete: bool
    """Whether every one of them is there."""


def curves(
    c: Connection,
    run_ids: Sequence[str],
    name: str,
    *,
    axis: Axis = "step",
    start: float | None = None,
    stop: float | None = None,
    max_points: int = MAX_POINTS,
) -> list[Curve]:
    """The series `name` of each run that has it, from `start` to `stop` of the axis (both included), in run order."""
    limit = max(PER_BUCKET, min(max_points, MAX_POINTS))
    query = select(series).where(series.c.run_id.in_(run_ids), series.c.name == name, series.c.n > 0)
    found = {row.run_id: row for row in c.execute(query)}
    return [_curve(c, found[run_id], axis, start, stop, limit) for run_id in run_ids if run_id in found]


def _curve(c: Connection, row: Any, axis: Axis, start: float | None, stop: float | None, limit: int) -> Curve:
    first, end = _steps_between(c, row, axis, start, stop)
    parts = list(_cover(c, row.id, first, end, _level(end - first, row, limit)))
    count = sum(part["n"] for part in parts)
    complete = count <= limit
    if complete:
        parts = _points(c, row.id, first, end)
    buckets = parts if complete else list(_merge(parts, first, end, limit // PER_BUCKET))
    places = [place for bucket in buckets for place in _places(bucket)]
    odd = [bucket for bucket in buckets if bucket["odd"]]
    where = _positions(c, row.id, axis, [step for step, _ in places] + [bucket["odd_step"] for bucket in odd])
    return Curve(
        run_id=row.run_id,
        name=row.name,
        axis=axis,
        x=[where[step] for step, _ in places],
        y=[value for _, value in places],
        step=[step for step, _ in places],
        marks=[_mark(bucket, where) for bucket in odd],
        count=count,
        complete=complete,
    )


def _mark(bucket: Bucket, where: dict[int, float]) -> Mark:
    step = bucket["odd_step"]
    return Mark(x=where[step], step=step, kind=WORDS[bucket["odd_kind"]], count=bucket["odd"])


def _places(bucket: Bucket) -> list[tuple[int, float]]:
    """Minimum, maximum and last of a bucket as (step, value), in order of steps, none twice."""
    found = {bucket["min_step"]: bucket["min"], bucket["max_step"]: bucket["max"]}
    if bucket["last_kind"] == FINITE:
        found[bucket["last_step"]] = bucket["last"]
    found.pop(None, None)
    return sorted(found.items())


def _level(steps: int, row: Any, limit: int) -> int:
    """The coarsest level that still has about as many buckets as can be shown; 0 (raw points) when all may fit."""
    wanted = max(1, limit // PER_BUCKET // COARSEST)
    share = (row.last_step - row.first_step + 1) / row.n
    fitting = [level for level in LEVELS if steps // WIDTH**level >= wanted and share < WIDTH**level]
    return max(fitting, default=0)


def _cover(c: Connection, series_id: int, first: int, end: int, level: int) -> Iterator[Bucket]:
    """Buckets that hold exactly the steps [first, end): of `level` inside, of finer levels at the two edges."""
    width = WIDTH**level
    low, high = -(-first // width) * width, end // width * width
    if level == 0 or low >= high:
        finer = max(0, level - 1)
        yield from (_cover(c, series_id, first, end, finer) if level else _points(c, series_id, first, end))
        return
    if first < low:
        yield from _cover(c, series_id, first, low, level - 1)
    yield from rolled(c, [series_id], level, low, high)
    if high < end:
        yield from _cover(c, series_id, high, end, level - 1)


def _points(c: Connection, series_id: int, first: int, end: int) -> list[Bucket]:
    """Single points, as buckets of one."""
    return [join_points([row]) for row in stored.between(c, [series_id], first, end)]


def _merge(parts: Sequence[Bucket], first: int, end: int, buckets: int) -> Iterator[Bucket]:
    """The parts joined into at most `buckets` equal shares of the steps [first, end)."""
    width = max(1, math.ceil((end - first) / buckets))
    group: list[Bucket] = []
    for part in parts:
        if group and (part["first_step"] - first) // width != (group[0]["first_step"] - first) // width:
            yield join(group)
            group = []
        group.append(part)
    if group:
        yield join(group)


COLUMNS = {"wall": "at", "relative": "relative", "epoch": "epoch", "samples": "samples"}
"""By axis, the column of a point."""


def _steps_between(c: Connection, row: Any, axis: Axis, start: float | None, stop: float | None) -> tuple[int, int]:
    """The half-open range of steps that lies between two places of the axis. Every axis rises with the step."""
    first, end = row.first_step, row.last_step + 1
    if axis == "step":
        first = first if start is None else max(first, math.ceil(start))
        end = end if stop is None else min(end, math.floor(stop) + 1)
    elif start is not None or stop is not None:
        scale = 1e6 if axis == "wall" else 1
        low = -math.inf if start is None else start * scale
        high = math.inf if stop is None else stop * scale
        steps = [*_rows_between(c, row.id, axis, low, high), *_packed_between(c, row.id, axis, low, high)]
        first, end = (min(steps), max(steps) + 1) if steps else (0, 0)
    return first, max(first, end)


def _rows_between(c: Connection, series_id: int, axis: Axis, low: float, high: float) -> list[int]:
    """The first and the last step whose place is from `low` to `high`; nothing when there is none."""
    column = point.c[COLUMNS[axis]]
    query = select(func.min(point.c.step), func.max(point.c.step)).where(point.c.series_id == series_id)
    if low > -math.inf:
        query = query.where(column >= low)
    if high < math.inf:
        query = query.where(column <= high)
    return [step for step in c.execute(query).one() if step is not None]


def _packed_between(c: Connection, series_id: int, axis: Axis, low: float, high: float) -> list[int]:
    """The same of what is packed."""
    name = COLUMNS[axis]
    found: list[int] = []
    for pack in stored.packs(c, [series_id], [name]):
        places = pack.columns[name]
        inside = pack.columns["step"][(places >= low) & (places <= high)]
        found += [int(step) for step in inside[[0, -1]]] if len(inside) else []
    return found


def _positions(c: Connection, series_id: int, axis: Axis, steps: Sequence[int]) -> dict[int, float]:
    """Where on the axis each of the steps lies."""
    if axis == "step" or not steps:
        return {step: float(step) for step in steps}
    name, scale = COLUMNS[axis], 1e-6 if axis == "wall" else 1.0
    query = select(point.c.step, point.c[name]).where(point.c.series_id == series_id, point.c.step.in_(set(steps)))
    found = {step: float(x) * scale for step, x in c.execute(query)}
    wanted = np.unique(np.array(steps))
    for pack in stored.packs(c, [series_id], [name], int(wanted[0]), int(wanted[-1]) + 1):
        there = pack.columns["step"]
        here = wanted[slice(*wanted.searchsorted([there[0], there[-1] + 1]).tolist())]
        places = pack.columns[name][there.searchsorted(here)]
        found |= {step: float(x) * scale for step, x in zip(here.tolist(), places.tolist(), strict=True)}
    return found
