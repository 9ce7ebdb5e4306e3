"""Several processes at once over one database: nothing is claimed twice, and no client ever sees a lock."""

import multiprocessing
import random
import threading
from collections import Counter
from multiprocessing.queues import Queue  # noqa: TC003 - the type of an argument
from typing import Any

from sqlalchemy import select

from domain.database import Database
from domain.errors import NormLabError
from domain.report import Ending, Report
from domain.run import Claim, Outcome
from domain.store import events, metrics, runs, workers
from domain.tables import attempt
from tests.domain.made import checkpoint, claim, make_worker, points, submit_job, submit_study

PROCESSES = 4
RUNS = 60
SOME = {"train_loss": points(2.0, 1.0)}


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


def meddle(database: Database, study_id: str, failures: list[Exception], seed: int) -> None:
    """Do what workers and people do at once, at random; being refused is an answer, anything else a failure."""
    choose = random.Random(seed)
    with database.write() as c:
        worker = make_worker(c, f"w{seed}")
    held: list[Claim] = []
    actions = [
        lambda c: held.append(claim(c, worker)),
        lambda c: runs.report(
            c, held[0].run.id, held[0].token, Report(number=choose.randrange(99), step=1, points=SOME)
        ),
        lambda c: runs.finish(c, held[0].run.id, held.pop(0).token, Ending.cancelled()),
        lambda c: runs.lose(c, held[0].run.id, held.pop(0).token, message="gone", backoff=0),
        lambda c: runs.request_study(c, study_id, choose.choice(["pause", "resume", "resume", "retry"])),
        lambda c: runs.request(c, choose.choice(runs.ids(c, study_id=study_id)), choose.choice(["pause", "resume"])),
        lambda c: workers.beat(c, worker.id),
        lambda c: workers.lose(c, worker.id, backoff=0),
    ]
    for _ in range(40):
        try:
            with database.write() as c:
                choose.choice(actions)(c)
        except (NormLabError, AssertionError, IndexError):
            continue  # Nothing to claim, nothing held, or refused with a sentence.
        except Exception as error:  # noqa: BLE001
            failures.append(error)


def test_workers_and_people_at_once_never_end_in_a_deadlock(database: Database) -> None:
    with database.write() as c:
        study = submit_study(c, seeds=range(4))
    failures: list[Exception] = []
    meddlers = [threading.Thread(target=meddle, args=(database, study.id, failures, seed)) for seed in range(4)]
    for meddler in meddlers:
        meddler.start()
    for meddler in meddlers:
        meddler.join()
    assert failures == []
    with database.read() as c:
        seqs = [event.seq for event in events.after(c, 0, limit=100_000)]
    assert seqs == list(range(1, len(seqs) + 1))


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
