"""The dispatcher: a broker that is away costs no message, and torch is not loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

from domain.catalog import load_catalog
from domain.database import Database
from domain.job import parse_job
from domain.queue import make_celery
from domain.settings import Settings
from domain.store import jobs, outbox
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


@pytest.mark.parametrize(
    "program", ["worker.main", "worker.dispatcher", "worker.supervising.slot", "worker.supervising.supervision"]
)
def test_what_supervises_does_not_load_torch(program: str) -> None:
    code = f"import sys, {program}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
