"""Packs: readers can't tell them from rows, they survive being killed half-way, and are deleted with their job."""

import json
import math
import os
import signal
import struct
import threading
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, event, func, select

from domain.database import Database, finite_json
from domain.metric import MetricChoice
from domain.report import Ending, Point, Report
from domain.run import Outcome
from domain.store import jobs, metrics, runs
from domain.store.curves import Axis, curves
from domain.store.packing import COLUMNS, SHORTEST, SIZE, decode, encode, pack_finished
from domain.store.results import results
from domain.tables import pack, point, series
from tests.conftest import clear
from tests.domain.made import claim, make_worker, start, submit_job

LONG = 2 * SIZE + 300
ODD = {5: math.nan, 1500: math.inf, 1501: -math.inf, LONG: math.nan}

SCALES: dict[Axis, float] = {"step": 1.0, "epoch": 1 / 28, "relative": 0.0031, "samples": 64.0, "wall": 0.0031}
"""How far each axis goes with a step."""


def value(step: int) -> float:
    return ODD.get(step, 3.0 / step + (step * 7919 % 1000) / 1e5)


def a_point(step: int, *, every: int = 1) -> Point:
    seconds = step * every * 0.0031
    return Point(step * every, value(step), 1.7e9 + seconds, seconds, step * every / 28, step * every * 64)


LOSS = [a_point(step) for step in range(1, LONG + 1)]
SERIES = {
    "train_loss": LOSS,
    "gaps": [a_point(step, every=50) for step in range(1, 200)],
    "test_error": [a_point(step, every=500) for step in range(1, 5)],
}


def finished_run(database: Database) -> str:
    """A run that has ended, with a long series, one with gaps and a short one."""
    claimed = start(database)
    with database.write() as c:
        runs.report(c, claimed.run.id, claimed.token, Report(number=1, step=LONG, seconds=LONG * 0.0031, points=SERIES))
        runs.finish(c, claimed.run.id, claimed.token, Ending.succeeded(Outcome.COMPLETED))
    return claimed.run.id


def pack_everything(database: Database, **given: int) -> int:
    """How many transactions it took."""
    times = 0
    while True:
        with database.write() as c:
            if not pack_finished(c, **given):
                return times
        times += 1


def answers(database: Database, run_id: str) -> str:
    """What every reader answers, as text."""
    with database.read() as c:
        told: list[Any] = [list(metrics.rows(c, [run_id])), list(metrics.rows(c, [run_id], names=["gaps"]))]
        told.append({run: [one.model_dump() for one in found] for run, found in metrics.summaries(c, [run_id]).items()})
        for step in (1, 5, 63, 64, SIZE, SIZE + 1, 1501, 2000, LONG, LONG + 1):
            told += [metrics.value_at(c, [run_id], name, step) for name in SERIES]
        told.append(metrics.counts(c))
        told += [one.model_dump() for one in read_curves(c, run_id)]
        told += [one.model_dump() for one in read_results(c, run_id)]
    return json.dumps(finite_json(told))


def exported(database: Database, run_id: str) -> str:
    """Every point, and how many."""
    with database.read() as c:
        return repr((list(metrics.rows(c, [run_id])), metrics.counts(c)))


def read_curves(c: Connection, run_id: str) -> list[Any]:
    found = []
    for name in SERIES:
        for axis, scale in SCALES.items():
            begin = 1.7e9 if axis == "wall" else 0.0
            for first, last in ((None, None), (10, 900), (1000, 1100), (1400.5, None), (None, 70), (9000, 9001)):
                low = None if first is None else begin + first * scale
                high = None if last is None else begin + last * scale
                for most in (1000, 40):
                    found += curves(
                        c,
                        [run_id],
                        name,
                        axis=axis,
                        start=low,
                        stop=high,
                        max_points=most,
                    )
    return found


def read_results(c: Connection, run_id: str) -> list[Any]:
    job_id = runs.get(c, run_id).job_id
    found = []
    for name in SERIES:
        for threshold in (None, 2.0, 0.01, 0.0031, -1.0):
            for lower in (True, False):
                for at in (1400, "4.5s"):
                    choice = MetricChoice(name=name, at=at)
                    found += results(c, choice, job_ids=[job_id], threshold=threshold, lower_is_better=lower)
    return found


def stored(c: Connection) -> tuple[int, int]:
    """Points in rows, and in packs."""
    in_rows = c.execute(select(func.count()).select_from(point)).scalar_one()
    return in_rows, int(c.execute(select(func.coalesce(func.sum(pack.c.n), 0))).scalar_one())


def test_every_answer_is_the_same_before_while_and_after_packing(database: Database) -> None:
    run_id = finished_run(database)
    before = answers(database, run_id)
    with database.write() as c:
        assert pack_finished(c, at_once=SIZE)
    with database.read() as c:
        in_rows, packed = stored(c)
    assert packed >= SIZE
    assert in_rows >= SIZE
    assert answers(database, run_id) == before
    pack_everything(database)
    assert answers(database, run_id) == before
    with database.read() as c:
        assert stored(c) == (4, LONG + 199)
        assert c.execute(select(func.count()).select_from(pack)).scalar_one() == 3 + 1


def test_a_long_series_is_packed_in_small_transactions(database: Database) -> None:
    finished_run(database)
    assert pack_everything(database, at_once=SIZE) >= 3
    with database.read() as c:
        packs = c.execute(select(pack.c.n).join(series).where(series.c.name == "train_loss")).scalars().all()
    assert sorted(packs) == [300, SIZE, SIZE]


def test_a_run_that_may_go_on_keeps_its_rows(database: Database) -> None:
    """Those are replaced and cut off; a finished run's never are."""
    claimed = start(database)
    with database.write() as c:
        runs.report(c, claimed.run.id, claimed.token, Report(number=1, step=100, points={"a": LOSS[:100]}))
    assert pack_everything(database) == 0
    with database.write() as c:
        runs.release(c, claimed.run.id, claimed.token)
    assert pack_everything(database) == 0


def test_a_series_too_short_to_gain_stays_as_rows_and_is_not_looked_at_again(database: Database) -> None:
    claimed = start(database)
    few = {"a": LOSS[: SHORTEST - 1], "b": LOSS[:SHORTEST]}
    with database.write() as c:
        runs.report(c, claimed.run.id, claimed.token, Report(number=1, step=SHORTEST, points=few))
        runs.finish(c, claimed.run.id, claimed.token, Ending.cancelled())
    assert pack_everything(database) == 1
    assert pack_everything(database) == 0
    with database.read() as c:
        assert stored(c) == (SHORTEST - 1, SHORTEST)


def test_packs_go_with_their_job(database: Database) -> None:
    run_id = finished_run(database)
    pack_everything(database)
    with database.write() as c:
        jobs.delete_job(c, runs.get(c, run_id).job_id)
    with database.read() as c:
        assert stored(c) == (0, 0)


def test_a_job_deleted_while_its_points_are_packed_takes_everything_with_it(postgres_database: Database) -> None:
    """On PostgreSQL the two transactions overlap, and the second waits; SQLite has one writer at a time anyhow."""
    database = postgres_database
    clear(database)
    run_id = finished_run(database)
    with database.read() as c:
        job_id = runs.get(c, run_id).job_id
    other = Database(database.url.render_as_string(hide_password=False))

    def delete() -> None:
        with other.write() as c:
            jobs.delete_job(c, job_id)

    deleting = threading.Thread(target=delete)
    with database.write() as c:
        pack_finished(c, at_once=SIZE)
        deleting.start()
        deleting.join(0.3)
    deleting.join(10)
    other.close()
    with database.read() as c:
        assert stored(c) == (0, 0)
    assert pack_everything(database) == 0


def test_killed_at_any_statement_nothing_is_lost_or_doubled(database: Database) -> None:
    """The process that packs is killed with -9 before its n-th statement, for every n, and before the commit."""
    run_id = finished_run(database)
    before = exported(database, run_id)
    url = database.url.render_as_string(hide_password=False)
    # A child must not share connections, and SQLite's locks belong to processes.
    database.close()
    died = 0
    while in_a_child(lambda: kill_at(url, died + 1)) == -signal.SIGKILL:  # noqa: B023
        died += 1
        assert exported(database, run_id) == before
        database.close()
    assert died >= 4
    assert exported(database, run_id) == before
    with database.read() as c:
        assert stored(c) == (4, LONG + 199)


def in_a_child(act: Callable[[], None]) -> int:
    """The exit status of a fork that does it: negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            act()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_at(url: str, wanted: int) -> None:
    """Pack everything in one transaction, killing this process at the n-th statement, or at the commit after them."""
    database = Database(url)
    count = 0

    def die_at(*_: Any) -> None:
        nonlocal count
        count += 1
        if count == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(database.writer, "before_cursor_execute", die_at)
    event.listen(database.writer, "commit", die_at)
    with database.write() as c:
        pack_finished(c)


NUMBERS = st.one_of(st.floats(width=64), st.sampled_from([math.nan, math.inf, -math.inf, 5e-324, -0.0]))


@given(st.lists(NUMBERS, min_size=1, max_size=200))
def test_any_numbers_come_back_bit_for_bit(numbers: list[float]) -> None:
    again = decode("value", encode("value", numbers))
    assert again.tobytes() == np.array(numbers).tobytes()


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=200))
def test_any_integers_come_back(numbers: list[int]) -> None:
    assert decode("step", encode("step", numbers)).tolist() == numbers


def test_a_pack_can_be_read_without_our_code(database: Database) -> None:
    """As its file says, with the standard library alone."""
    finished_run(database)
    pack_everything(database)
    with database.read() as c:
        row = c.execute(select(pack).join(series).where(series.c.name == "gaps")).one()
    for name in COLUMNS:
        planes = zlib.decompress(getattr(row, name))
        pattern, numbers = 0, []
        for place in range(row.n):
            difference = int.from_bytes(bytes(planes[byte * row.n + place] for byte in range(8)), "little")
            pattern = (pattern + difference) % 2**64
            form = "<q" if name in {"step", "at", "samples"} else "<d"
            numbers.append(struct.unpack(form, pattern.to_bytes(8, "little"))[0])
        assert repr(numbers) == repr(decode(name, getattr(row, name)).tolist())


def test_a_retried_run_writes_rows_of_its_own(database: Database) -> None:
    with database.write() as c:
        submit_job(c)
        worker = make_worker(c)
        first = claim(c, worker)
        runs.report(c, first.run.id, first.token, Report(number=1, step=100, points={"a": LOSS[:100]}))
        runs.finish(c, first.run.id, first.token, Ending.cancelled())
        pack_finished(c)
        again = runs.request(c, first.run.id, "retry")
        second = claim(c, worker)
        runs.report(c, second.run.id, second.token, Report(number=1, step=70, points={"a": LOSS[:70]}))
        assert second.run.id == again.id
        assert stored(c) == (70, 100)
