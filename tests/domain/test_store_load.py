"""Several processes at once over one database: nothing is claimed twice, and no client ever sees a lock."""

import multiprocessing
from collections import Counter
from multiprocessing.queues import Queue  # noqa: TC003 - the type of an argument
from typing import Any

from sqlalchemy import select

from domain.database import Database
from domain.report import Ending, Report
from domain.run import Outcome
from domain.store import events, metrics, runs
from domain.tables import attempt
from tests.domain.made import checkpoint, make_worker, points, submit_job

PROCESSES = 4
RUNS = 60


def work(url: str, name: str, told: "Queue[tuple[str, Any]]") -> None:
    """A worker process: claim, report, save and finish until nothing is left; every error is told."""
    database = Database(url)
    try:
        with database.write() as c:
            worker = make_worker(c, name)
        while work_once(database, worker.id, told):
            pass
    except Exception as error:  # noqa: BLE001 - whatever a client sees, the test shows it
        told.put(("error", repr(error)))
    finally:
        database.close()
        told.put(("end", name))


def work_once(database: Database, worker_id: str, told: "Queue[tuple[str, Any]]") -> bool:
    with database.write() as c:
        claimed = runs.claim(c, worker_id, queues=["default"])
    if claimed is None:
        return False
    told.put(("claim", claimed.run.id))
    run_id, token = claimed.run.id, claimed.token
    with database.write() as c:
        runs.report(c, run_id, token, Report(number=1, step=5, points={"train_loss": points(*range(5))}))
    with database.write() as c:
        runs.saved_checkpoint(c, run_id, token, checkpoint(5))
    with database.read() as c:
        runs.get(c, run_id)
    with database.write() as c:
        runs.finish(c, run_id, token, Ending.succeeded(Outcome.COMPLETED))
    return True


def test_four_processes_claim_every_run_once_and_meet_no_lock(database: Database) -> None:
    with database.write() as c:
        submit_job(c, seeds=range(RUNS))
    context = multiprocessing.get_context("spawn")
    told: Queue[tuple[str, Any]] = context.Queue()
    url = database.url.render_as_string(hide_password=False)
    processes = [context.Process(target=work, args=(url, f"w{number}", told)) for number in range(PROCESSES)]
    for process in processes:
        process.start()
    heard: list[tuple[str, Any]] = []
    while Counter(word for word, _ in heard)["end"] < PROCESSES:
        heard.append(told.get(timeout=90))
    for process in processes:
        process.join()
    assert [fact for word, fact in heard if word == "error"] == []
    claimed = Counter(fact for word, fact in heard if word == "claim")
    assert (len(claimed), set(claimed.values())) == (RUNS, {1})
    check_what_is_left(database)


def check_what_is_left(database: Database) -> None:
    """Every run once, each series whole, events without gaps."""
    with database.read() as c:
        assert runs.counts(c)["succeeded"] == RUNS
        assert len(c.execute(select(attempt.c.run_id).distinct()).all()) == RUNS
        points_stored, _ = metrics.counts(c)
        assert points_stored == RUNS * 5
        seqs = [event.seq for event in events.after(c, 0, limit=10_000)]
    assert seqs == list(range(1, len(seqs) + 1))
    if database.on_sqlite:
        with database.writer.connect() as c:
            assert c.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
