"""Curves: within the limit, no spike lost, true places, marks for what is not finite, every axis."""

import pytest

from domain.database import Database
from domain.report import Point
from domain.store import metrics, runs
from domain.store.curves import Curve, curves
from tests.domain.made import points, submit_job

NAN, INF = float("nan"), float("inf")
LONG = 20_000
SPIKES = {137: 99.0, 4097: -99.0, 19_998: 77.0}


def value(step: int) -> float:
    return SPIKES.get(step, 1.0 + (step * 7919 % 1000) / 1e4)


@pytest.fixture
def run_id(database: Database) -> str:
    """A run with 20,000 points and three spikes."""
    with database.write() as c:
        made = runs.of_jobs(c, [submit_job(c).id])[0].id
        steps = range(1, LONG + 1)
        batch = [Point(step, value(step), 1e9 + step / 10, step / 10, step / 100, step * 4) for step in steps]
        metrics.append(c, made, {"train_loss": batch})
    return made


def read(database: Database, run_id: str, **given: object) -> Curve:
    with database.read() as c:
        return curves(c, [run_id], "train_loss", **given)[0]  # type: ignore[arg-type]


def test_a_short_series_is_complete(database: Database, run_id: str) -> None:
    curve = read(database, run_id, start=100, stop=300)
    assert curve.complete
    assert curve.step == list(range(100, 301))
    assert curve.y == [value(step) for step in range(100, 301)]
    assert curve.x == [float(step) for step in curve.step]


@pytest.mark.parametrize("max_points", [1000, 300, 30, 3])
def test_a_long_series_stays_within_the_limit_and_loses_no_spike(
    database: Database, run_id: str, max_points: int
) -> None:
    curve = read(database, run_id, max_points=max_points)
    assert not curve.complete
    assert curve.count == LONG
    assert max_points / 5 < len(curve.x) <= max_points
    assert curve.step == sorted(set(curve.step))
    assert curve.y == [value(step) for step in curve.step]
    assert curve.step[-1] == LONG
    kept = {137, 4097} if max_points > 3 else {137}
    assert kept | {4097} <= set(curve.step)


@pytest.mark.parametrize(("first", "last"), [(1, 5000), (63, 12_345), (4096, 8191), (8000, 9800), (19_000, 90_000)])
def test_a_zoom_stands_for_exactly_the_points_inside(database: Database, run_id: str, first: int, last: int) -> None:
    curve = read(database, run_id, start=first, stop=last, max_points=300)
    last = min(last, LONG)
    inside = [value(step) for step in range(first, last + 1)]
    assert curve.count == last - first + 1
    assert (min(curve.y), max(curve.y)) == (min(inside), max(inside))
    assert first <= curve.step[0] <= curve.step[-1] == last


@pytest.mark.parametrize(
    ("axis", "scale", "offset"),
    [("step", 1, 0), ("epoch", 1 / 100, 0), ("relative", 1 / 10, 0), ("wall", 1 / 10, 1e9), ("samples", 4, 0)],
)
def test_every_axis_places_the_points_and_bounds_the_range(
    database: Database, run_id: str, axis: str, scale: float, offset: float
) -> None:
    curve = read(database, run_id, axis=axis, start=offset + 5000 * scale, stop=offset + 15_000 * scale)
    assert curve.count == pytest.approx(10_001, abs=1)
    assert curve.x == pytest.approx([offset + step * scale for step in curve.step])


def test_a_range_without_points_is_an_empty_curve(database: Database, run_id: str) -> None:
    assert read(database, run_id, start=50_000, stop=60_000).x == []
    assert read(database, run_id, axis="epoch", start=1e6).x == []
    assert read(database, run_id, start=300, stop=200).count == 0


def test_what_is_not_finite_is_a_mark_and_never_a_value(database: Database) -> None:
    values = [1.0] * 3000
    values[10], values[11], values[2000] = NAN, INF, -INF
    with database.write() as c:
        run_id = runs.of_jobs(c, [submit_job(c).id])[0].id
        metrics.append(c, run_id, {"train_loss": points(*values)})
    short, long = read(database, run_id, stop=100), read(database, run_id, max_points=30)
    assert [(mark.step, mark.kind, mark.count) for mark in short.marks] == [(11, "NaN", 1), (12, "Infinity", 1)]
    assert [(mark.step, mark.kind, mark.count) for mark in long.marks] == [(11, "NaN", 2), (2001, "-Infinity", 1)]
    assert set(short.y) == set(long.y) == {1.0}


def test_runs_come_in_the_order_asked_for_and_those_without_the_series_are_left_out(
    database: Database, run_id: str
) -> None:
    with database.write() as c:
        without, other = (runs.of_jobs(c, [submit_job(c).id])[0].id for _ in range(2))
        metrics.append(c, other, {"train_loss": points(1.0)})
    with database.read() as c:
        found = curves(c, [other, without, run_id], "train_loss")
    assert [curve.run_id for curve in found] == [other, run_id]


def test_a_sparse_series_over_many_steps_is_read_from_its_points(database: Database) -> None:
    with database.write() as c:
        run_id = runs.of_jobs(c, [submit_job(c).id])[0].id
        sparse = [one._replace(step=one.step * 500) for one in points(*range(400))]
        metrics.append(c, run_id, {"train_loss": sparse})
    curve = read(database, run_id)
    assert curve.complete
    assert len(curve.x) == 400
