"""What packing the points of finished runs gains: bytes a point, and what readers take before and after.

`python -m tests.benchmarks.packing [RUNS [POINTS]]` makes a SQLite database with so many runs of so many points, packs
it and prints both as ratios. A run's series are like the trainer's: its loss at each step, the rest in blocks.
"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import text

from domain.database import Database, create_schema
from domain.report import Ending, Point, Report
from domain.run import Outcome
from domain.store import metrics, runs
from domain.store.curves import curves
from domain.store.packing import pack_finished
from domain.tables import pack
from tests.domain.made import claim, make_worker, submit_job

BLOCK = 50
REPEATS = 5
PRAGMAS = ("page_count", "freelist_count", "page_size")


def fill(database: Database, run_count: int, points: int) -> list[str]:
    """Finished runs; losses fall and are noisy, and several points share a moment, as they are reported in blocks."""
    dice = random.Random(1)
    with database.write() as c:
        submit_job(c, seeds=range(run_count))
        worker = make_worker(c)
    made = []
    for _ in range(run_count):
        with database.write() as c:
            claimed = claim(c, worker)
            for first in range(1, points + 1, 10_000):
                steps = range(first, min(first + 10_000, points + 1))
                loss = [a_point(step, 2.3 / step**0.3 + dice.gauss(0, 0.02)) for step in steps]
                blocks = [a_point(step, 0.0011 + abs(dice.gauss(0, 1e-4))) for step in steps if step % BLOCK == 0]
                told = {"train_loss": loss, "step_time": blocks, "samples_per_second": blocks, "peak_memory": blocks}
                runs.report(c, claimed.run.id, claimed.token, Report(number=first, step=steps[-1], points=told))
            runs.finish(c, claimed.run.id, claimed.token, Ending.succeeded(Outcome.COMPLETED))
        made.append(claimed.run.id)
    return made


def a_point(step: int, value: float) -> Point:
    block = -(-step // BLOCK) * BLOCK
    return Point(step, value, 1.7e9 + block * 0.00137, block * 0.00113, step / 468, step * 128)


def used_bytes(database: Database) -> int:
    """Bytes of the pages that hold anything."""
    with database.read() as c:
        pages, free, size = (c.execute(text(f"PRAGMA {name}")).scalar_one() for name in PRAGMAS)
    return int((pages - free) * size)


def seconds(act: Callable[[], object]) -> float:
    """The median of some repeats, after one to warm up."""
    act()
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        act()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def read_curves(database: Database, run_ids: list[str], axis: Any) -> None:
    with database.read() as c:
        curves(c, run_ids, "train_loss", axis=axis)


def export(database: Database, run_ids: list[str]) -> None:
    with database.read() as c:
        for _ in metrics.rows(c, run_ids[:1]):
            pass


def readings(database: Database, run_ids: list[str]) -> dict[str, float]:
    """Milliseconds of what is read most: curves of every run by step and by time, the export of one run."""
    acts = {
        "curves by step": partial(read_curves, database, run_ids, "step"),
        "curves by time": partial(read_curves, database, run_ids, "relative"),
        "export of one run": partial(export, database, run_ids),
    }
    return {name: 1000 * seconds(act) for name, act in acts.items()}


def pack_all(database: Database) -> list[float]:
    """Seconds of each transaction."""
    taken = []
    more = True
    while more:
        began = time.perf_counter()
        with database.write() as c:
            more = bool(pack_finished(c))
        taken.append(time.perf_counter() - began)
    return taken


def main() -> None:
    run_count, points = [*map(int, sys.argv[1:]), *(20, 100_000)[len(sys.argv) - 1 :]]
    with tempfile.TemporaryDirectory() as directory:
        database = Database(f"sqlite:///{Path(directory) / 'packing.db'}")
        create_schema(database)
        began = time.perf_counter()
        run_ids = fill(database, run_count, points)
        wrote = time.perf_counter() - began
        with database.read() as c:
            count, _ = metrics.counts(c)
        with_rows = used_bytes(database)
        before = readings(database, run_ids)
        taken = pack_all(database)
        with_packs = used_bytes(database)
        after = readings(database, run_ids)
        with database.write() as c:
            c.execute(pack.delete())
        rest = used_bytes(database)
        database.close()
    rows, packs = with_rows - rest, with_packs - rest
    print(f"{count:,} points of {run_count} runs; written with roll-ups at {count / wrote:,.0f} points/s")
    print(f"packed at {count / sum(taken):,.0f} points/s, {1000 * max(taken):.0f} ms the longest transaction")
    print(f"bytes a point: {rows / count:.1f} as rows, {packs / count:.1f} packed, {rows / packs:.1f} times fewer")
    for name, was in before.items():
        print(f"{name}: {was:.0f} ms from rows, {after[name]:.0f} ms packed, {was / after[name]:.2f} times as fast")


if __name__ == "__main__":
    main()
