"""The dispatcher: one is active per database, and a broker that is away costs no message."""

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
from worker.turn import Turn


def second_process(database: Database) -> Database:
    """The same database as another process would see it."""
    return Database(database.url.render_as_string(hide_password=False))


def test_one_dispatcher_is_active_and_the_next_takes_over_when_it_ends(database: Database, settings: Settings) -> None:
    other_database = second_process(database)
    first, second = Turn(settings, database), Turn(settings, other_database)
    assert first.is_mine()
    assert not second.is_mine()
    assert first.is_mine()
    first.give_up()
    assert second.is_mine()
    assert not first.is_mine()
    second.give_up()
    other_database.close()


def test_a_session_that_breaks_gives_its_turn_away(postgres_database: Database, settings: Settings) -> None:
    mine = second_process(postgres_database)
    turn = Turn(settings, mine)
    assert turn.is_mine()
    with postgres_database.write() as c:
        c.exec_driver_sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    assert not turn.is_mine()
    assert turn.is_mine()
    turn.give_up()
    mine.close()


def test_messages_wait_in_the_outbox_while_the_broker_is_away(database: Database, tmp_path: Path) -> None:
    away = Settings(data_dir=tmp_path / "data", broker_url=f"redis+socket://{tmp_path / 'nobody.sock'}")  # type: ignore[arg-type]
    with database.write() as c:
        jobs.submit(c, parse_job(raw_job(seeds=3), load_catalog()), owner="key_test")
    Dispatcher(away, database, make_celery(away)).look()
    with database.read() as c:
        assert len(outbox.due(c)) == 3


@pytest.mark.parametrize("program", ["worker.main", "worker.dispatcher", "worker.slot", "worker.supervise"])
def test_what_supervises_does_not_load_torch(program: str) -> None:
    code = f"import sys, {program}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
