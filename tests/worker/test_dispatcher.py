"""The dispatcher: a broker that is away costs no message, and torch is not loaded."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from domain.catalog import load_catalog
from domain.database import Database
from domain.job import parse_job
from domain.queue import make_celery
from domain.report import Ending, Report
from domain.run import Outcome
from domain.settings import Settings
from domain.store import jobs, metrics, outbox, runs
from domain.tables import pack
from tests.domain.made import points, start
from tests.worker.plant import ROOT
from tests.worker.specs import raw_job
from worker.dispatcher import Dispatcher


def test_messages_wait_in_the_outbox_while_the_broker_is_away(database: Database, tmp_path: Path) -> None:
    away = Settings(data_dir=tmp_path / "data", broker_url=f"redis+socket://{tmp_path / 'nobody.sock'}")  # type: ignore[arg-type]
    with database.write() as c:
        jobs.submit(c, parse_job(raw_job(seeds=3), load_catalog()), owner="key_test")
    Dispatcher(away, database, make_celery(away)).look()
    with database.read() as c:
        assert len(outbox.due(c)) == 3


def test_it_packs_the_points_of_a_run_that_has_ended(database: Database, tmp_path: Path) -> None:
    claimed = start(database)
    with database.write() as c:
        told = Report(number=1, step=200, points={"train_loss": points(*range(200))})
        runs.report(c, claimed.run.id, claimed.token, told)
        runs.finish(c, claimed.run.id, claimed.token, Ending.succeeded(Outcome.COMPLETED))
    settings = Settings(data_dir=tmp_path / "data")
    Dispatcher(settings, database, make_celery(settings)).look()
    with database.read() as c:
        assert c.execute(select(pack.c.n)).scalars().all() == [200]
        assert [row["value"] for row in metrics.rows(c, [claimed.run.id])] == list(range(200))


@pytest.mark.parametrize(
    "program", ["worker.main", "worker.dispatcher", "worker.supervising.slot", "worker.supervising.supervision"]
)
def test_what_supervises_does_not_load_torch(program: str) -> None:
    code = f"import sys, {program}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
