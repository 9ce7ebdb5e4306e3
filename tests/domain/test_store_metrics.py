"""Series: points, roll-ups and summaries agree with a plain computation, resumes cut off exactly, nothing is lost."""

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from sqlalchemy import Connection, select, update

from domain.database import Database
from domain.event import EventKind
from domain.report import Ending, Point, Report
from domain.run import Outcome
from domain.store import events, metrics, runs
from domain.store.rollups import LEVELS, WIDTH
from domain.tables import point, rollup, run, series, truncated
from tests.conftest import ENGINES, clear
from tests.domain.made import checkpoint, claim, make_worker, points, start, submit_job

NAN, INF = float("nan"), float("inf")


def write(database: Database, run_id: str, batch: Sequence[Point], name: str = "train_loss") -> None:
    with database.write() as c:
        metrics.append(c, run_id, {name: batch})


def a_run(c: Connection) -> str:
    return runs.of_jobs(c, [submit_job(c).id])[0].id


def test_a_summary_holds_last_min_max_their_steps_and_the_mean(database: Database) -> None:
    with database.write() as c:
        run_id = a_run(c)
    write(database, run_id, points(3.0, 1.0, 5.0, 2.0))
    with database.read() as c:
        summary = metrics.summaries(c, [run_id])[run_id][0]
    assert (summary.count, summary.first_step, summary.last_step, summary.last) == (4, 1, 4, 2.0)
    assert (summary.min, summary.min_step, summary.max, summary.max_step) == (1.0, 2, 5.0, 3)
    assert summary.mean == pytest.approx(2.75)


def test_values_that_are_not_finite_are_kept_counted_and_left_out_of_the_mean(database: Database) -> None:
    with database.write() as c:
        run_id = a_run(c)
    write(database, run_id, points(1.0, NAN, INF, -INF))
    with database.read() as c:
        summary = metrics.summaries(c, [run_id])[run_id][0]
        values = [row["value"] for row in metrics.rows(c, [run_id])]
    assert (summary.count, summary.odd, summary.last, summary.mean, summary.max) == (4, 3, "-Infinity", 1.0, 1.0)
    assert repr(values) == "[1.0, nan, inf, -inf]"


def test_a_series_of_nothing_but_nan_has_no_minimum_or_mean(database: Database) -> None:
    with database.write() as c:
        run_id = a_run(c)
    write(database, run_id, points(NAN, NAN))
    with database.read() as c:
        summary = metrics.summaries(c, [run_id])[run_id][0]
    assert (summary.odd, summary.min, summary.max, summary.mean, summary.last) == (2, None, None, None, "NaN")


def test_a_point_sent_again_replaces_itself_in_every_roll_up(database: Database) -> None:
    with database.write() as c:
        run_id = a_run(c)
    write(database, run_id, points(*range(200)))
    write(database, run_id, points(-5.0, first=100))
    with database.read() as c:
        summary = metrics.summaries(c, [run_id])[run_id][0]
        assert (summary.count, summary.min, summary.min_step) == (200, -5.0, 100)
        assert summary.mean == pytest.approx((sum(range(200)) - 99 - 5) / 200)
        check_rollups(c)


def test_raw_points_come_back_bit_for_bit(database: Database) -> None:
    values = [0.1, 1e-308, 5e-324, 1.7976931348623157e308, 1 / 3]
    with database.write() as c:
        run_id = a_run(c)
    write(database, run_id, points(*values))
    with database.read() as c:
        stored = [row["value"] for row in metrics.rows(c, [run_id], names=["train_loss"])]
    assert [value.hex() for value in stored] == [value.hex() for value in values]


def check_rollups(c: Connection) -> None:
    """Every level holds exactly what its points say."""
    for level in LEVELS:
        expected: dict[tuple[int, int], list[tuple[int, float | None]]] = {}
        for row in c.execute(select(point).order_by(point.c.series_id, point.c.step)):
            expected.setdefault((row.series_id, row.step // WIDTH**level), []).append((row.step, row.value))
        found = {
            (row["series_id"], row["bucket"]): row
            for row in c.execute(select(rollup).where(rollup.c.level == level)).mappings()
        }
        assert found.keys() == expected.keys()
        for key, held in expected.items():
            check_bucket(found[key], held)


def check_bucket(row: object, held: list[tuple[int, float | None]]) -> None:
    finite = [value for _, value in held if value is not None]
    facts = dict(row)  # type: ignore[call-overload]
    assert (facts["n"], facts["odd"]) == (len(held), len(held) - len(finite))
    assert (facts["first_step"], facts["last_step"]) == (held[0][0], held[-1][0])
    assert (facts["first"], facts["last"]) == (held[0][1], held[-1][1])
    assert (facts["min"], facts["max"]) == (min(finite, default=None), max(finite, default=None))
    assert math.isclose(facts["sum"], math.fsum(finite), rel_tol=1e-9, abs_tol=1e-9)
    if finite:
        assert dict(held)[facts["min_step"]] == facts["min"]
        assert dict(held)[facts["max_step"]] == facts["max"]


BATCHES = st.lists(
    st.tuples(
        st.integers(0, 9000),
        st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(NAN), st.just(INF)), min_size=1, max_size=150),
        st.sampled_from([1, 1, 7, 64]),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("engine", ENGINES)
@limits(max_examples=25)
@given(batches=BATCHES, cut=st.none() | st.integers(0, 9000))
def test_roll_ups_always_say_what_the_points_say(
    engine: str, request: pytest.FixtureRequest, batches: list[tuple[int, list[float], int]], cut: int | None
) -> None:
    """Whatever is written in whatever order, and cut off anywhere."""
    database = request.getfixturevalue(f"{'sqlite' if engine == 'sqlite' else 'postgres'}_database")
    clear(database)
    with database.write() as c:
        run_id = a_run(c)
        for first, values, stride in batches:
            batch = [one._replace(step=first + at * stride) for at, one in enumerate(points(*values))]
            metrics.append(c, run_id, {"a": batch, "b": batch[:3]})
        metrics.truncate_after(c, run_id, cut, token=2)
        check_rollups(c)
        left = c.execute(select(point.c.step)).scalars().all()
        assert all(step <= (-1 if cut is None else cut) for step in left)
        counted = sum(row.n for row in c.execute(select(series.c.n)))
        assert counted == len(left)


def test_an_interrupted_tail_that_is_trained_again_bit_for_bit_is_known_to_match(database: Database) -> None:
    claimed = start(database)
    run_id = claimed.run.id
    values = [random.Random(0).random() for _ in range(8)]
    with database.write() as c:
        told = {"train_loss": points(*values), "step_time": points(*values)}
        runs.report(c, run_id, claimed.token, Report(number=1, points=told))
        runs.saved_checkpoint(c, run_id, claimed.token, checkpoint(3))
        runs.lose(c, run_id, claimed.token, message="gone")
        again = claim(c, make_worker(c, "w2"))
        rest = points(*values[3:6], first=4)
        runs.report(
            c, run_id, again.token, Report(number=1, points={"train_loss": rest, "step_time": points(9.0, first=4)})
        )
        assert matches(c) == {"train_loss": None, "step_time": None}
        runs.report(c, run_id, again.token, Report(number=2, points={"train_loss": points(*values[6:], first=7)}))
        assert matches(c) == {"train_loss": True, "step_time": None}
    with database.read() as c:
        assert events.after(c, 0, kinds=[EventKind.WARNING]) == []


def test_a_tail_that_differs_is_a_warning(database: Database) -> None:
    claimed = start(database)
    with database.write() as c:
        runs.report(c, claimed.run.id, claimed.token, Report(number=1, points={"train_loss": points(2.0, 1.0)}))
        runs.lose(c, claimed.run.id, claimed.token, message="gone")
        again = claim(c, make_worker(c, "w2"))
        different = points(2.0, math.nextafter(1.0, 2.0))
        runs.report(c, again.run.id, again.token, Report(number=1, points={"train_loss": different}))
        assert matches(c) == {"train_loss": False}
    with database.read() as c:
        assert [event.message for event in events.after(c, 0, kinds=[EventKind.WARNING])] == [
            "train_loss differs from the interrupted attempt after step -1"
        ]


def matches(c: Connection) -> dict[str, bool | None]:
    return {row.name: row.matched for row in c.execute(select(truncated.c.name, truncated.c.matched))}


@pytest.mark.parametrize(("values", "median"), [((3.0, 1.0, 2.0), 2.0), ((4.0, 1.0, 2.0, 3.0, NAN), 2.5)])
def test_what_a_run_measures_of_itself_has_a_median_once_it_ended(
    database: Database, values: tuple[float, ...], median: float
) -> None:
    claimed = start(database)
    with database.write() as c:
        told = {"step_time": points(*values), "train_loss": points(*values)}
        runs.report(c, claimed.run.id, claimed.token, Report(number=1, points=told))
        runs.finish(c, claimed.run.id, claimed.token, Ending.succeeded(Outcome.COMPLETED))
        found = metrics.summaries(c, [claimed.run.id])[claimed.run.id]
        assert {summary.name: summary.median for summary in found} == {"step_time": median, "train_loss": None}
        assert metrics.names(c, [claimed.run.id]) == ["step_time", "train_loss"]


def test_the_value_after_some_training_is_that_of_the_last_point_by_then(database: Database) -> None:
    """Points lie 2 ms of training apart; one run trained for 4 ms, the other for 60 ms."""
    with database.write() as c:
        long, short = a_run(c), a_run(c)
        told = [one._replace(step=one.step * 10, relative=one.step * 0.02) for one in points(0.5, 0.4, NAN)]
        metrics.append(c, long, {"test_error": told})
        metrics.append(c, short, {"test_error": points(0.9)})
        for run_id, seconds in ((long, 0.06), (short, 0.004)):
            c.execute(update(run).where(run.c.id == run_id).values(seconds=seconds))
        assert metrics.value_after(c, [long, short], "test_error", 0.05) == {long: 0.4}
        assert math.isnan(metrics.value_after(c, [long], "test_error", 0.06)[long])
        assert metrics.value_after(c, [long, short], "test_error", 0.001) == {}


def test_the_value_at_a_step_is_that_of_the_last_point_before_it(database: Database) -> None:
    with database.write() as c:
        run_id, short = a_run(c), a_run(c)
        metrics.append(c, run_id, {"test_error": [one._replace(step=one.step * 10) for one in points(0.5, 0.4, 0.3)]})
        metrics.append(c, short, {"test_error": points(0.9)})
        assert metrics.value_at(c, [run_id, short], "test_error", 25) == {run_id: 0.4}
        assert metrics.value_at(c, [run_id], "test_error", 30) == {run_id: 0.3}
