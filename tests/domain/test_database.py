"""The door to the database: transactions, pragmas, a read-only reader, refusals that say what to do."""

import logging
import sys
import threading
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from domain.clock import now
from domain.database import Database, create_schema, finite_json, refuse_remote_directory, wal_is_safe
from domain.errors import DatabaseNotReady, UnsuitableStorage
from domain.event import EventKind
from domain.settings import Settings
from domain.store import events
from domain.tables import Moment, from_micros, to_micros, worker
from tests.domain.made import make_worker
from tests.postgres import PostgresServer


def write_and_fail(c: Connection) -> None:
    make_worker(c)
    events.append(c, EventKind.WARNING, "of the failed one")
    c.execute(text("INSERT INTO nowhere VALUES (1)"))


def test_a_transaction_commits_whole_or_not_at_all(database: Database) -> None:
    with database.write() as c:
        make_worker(c)
    with pytest.raises(DBAPIError), database.write() as c:
        write_and_fail(c)
    with database.read() as c:
        assert c.execute(select(func.count()).select_from(worker)).scalar_one() == 1


def test_reading_cannot_write(database: Database) -> None:
    with pytest.raises(DBAPIError, match=r"read-?only"), database.read() as c:
        make_worker(c)


def test_events_of_a_failed_transaction_do_not_leak_into_the_next(database: Database) -> None:
    with pytest.raises(DBAPIError), database.write() as c:
        write_and_fail(c)
    with database.write() as c:
        events.append(c, EventKind.WARNING, "of the next")
    with database.read() as c:
        assert [event.message for event in events.after(c, 0)] == ["of the next"]


def test_the_database_keeps_time_in_utc_and_to_the_millisecond_or_better(database: Database) -> None:
    with database.write() as c:
        first, second = now(c), now(c)
        made = make_worker(c)
    assert made.started_at.tzname() == "UTC"
    assert first <= second <= made.started_at
    assert from_micros(to_micros(made.started_at)) == made.started_at
    assert Moment().cache_ok


def test_many_threads_that_read_and_then_write_never_meet_a_lock(database: Database) -> None:
    """The pattern that fails at once with a deferred BEGIN: read, then write what was read."""
    with database.write() as c:
        made = make_worker(c)
    failures: list[Exception] = []

    def count_up() -> None:
        for _ in range(25):
            try:
                with database.write() as c:
                    query = select(worker.c.pid).where(worker.c.id == made.id)
                    pid = c.execute(query.with_for_update()).scalar_one()
                    c.execute(worker.update().values(pid=pid + 1))
            except DBAPIError as error:
                failures.append(error)

    threads = [threading.Thread(target=count_up) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.read() as c:
        assert c.execute(select(worker.c.pid)).scalar_one() == 1 + 6 * 25


def test_sqlite_is_set_up_for_several_processes_and_power_cuts(sqlite_database: Database) -> None:
    with sqlite_database.writer.connect() as c:
        pragmas = {
            name: c.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_a_read_gives_up_on_a_full_pool_long_before_a_write_does(sqlite_database: Database) -> None:
    """A request that only reads is refused after seconds; writes queue one behind another."""
    reader, writer = sqlite_database.reader.pool, sqlite_database.writer.pool
    assert isinstance(reader, QueuePool)
    assert isinstance(writer, QueuePool)
    assert (reader.timeout(), writer.timeout()) == (5, 30)


def test_the_write_ahead_log_is_folded_back_and_gives_way_to_a_reader(sqlite_database: Database) -> None:
    log = Path(f"{sqlite_database.url.database}-wal")
    with sqlite_database.write() as c:
        make_worker(c)
    with sqlite_database.read() as c:
        now(c)
        assert c.execute(select(func.count()).select_from(worker)).scalar_one() == 1
        with sqlite_database.write() as other:
            make_worker(other)
        sqlite_database.checkpoint_wal()
        assert log.stat().st_size > 0
    sqlite_database.checkpoint_wal()
    assert log.stat().st_size == 0


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
    ],
)
def test_a_write_ahead_log_is_used_only_where_it_cannot_be_corrupted(version: tuple[int, ...], *, safe: bool) -> None:
    assert wal_is_safe(version) is safe


def test_an_old_sqlite_works_with_a_rollback_journal_and_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("domain.database.sqlite.sqlite_version_info", (3, 40, 1))
    with caplog.at_level(logging.WARNING):
        database = Database(f"sqlite:///{tmp_path / 'old.db'}")
    create_schema(database)
    with database.writer.connect() as c:
        assert c.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "delete"
    assert "using the slower DELETE journal instead" in caplog.text
    database.close()


@pytest.mark.skipif(sys.platform != "linux", reason="mount points of Linux")
@pytest.mark.parametrize("filesystem", ["nfs4", "cifs", "9p", "virtiofs"])
def test_a_data_directory_on_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filesystem: str
) -> None:
    def mounts(*, all: bool) -> list[object]:  # noqa: A002 - the name psutil gives it
        return [*real(all=all), type(real(all=True)[0])("server:/home", str(tmp_path), filesystem, "rw")]

    real = psutil.disk_partitions
    refuse_remote_directory(tmp_path)
    monkeypatch.setattr(psutil, "disk_partitions", mounts)
    with pytest.raises(UnsuitableStorage, match=rf"on {filesystem}.*NORMLAB_DATA_DIR.*PostgreSQL"):
        Database(f"sqlite:///{tmp_path / 'deeper' / 'normlab.db'}")


def test_a_database_without_tables_names_the_command_that_makes_them(settings: Settings) -> None:
    database = Database.open(settings)
    with pytest.raises(DatabaseNotReady, match=r"is empty.*run `python -m migrations`"):
        database.check_schema()
    create_schema(database)
    database.check_schema()
    with database.writer.begin() as c:
        c.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(DatabaseNotReady, match=r"at revision 0000.*run `python -m migrations`"):
        database.check_schema()
    database.close()


def test_a_database_outlives_a_restart_of_its_server(postgres: PostgresServer, postgres_database: Database) -> None:
    with postgres_database.read() as c:
        now(c)
    postgres.restart()
    with postgres_database.read() as c:
        now(c)
    with postgres_database.write() as c:
        now(c)


def test_numbers_that_json_cannot_carry_become_words() -> None:
    value = {"a": [float("nan"), 1.5], 2: (float("inf"), -float("inf"))}
    assert finite_json(value) == {"a": ["NaN", 1.5], "2": ["Infinity", "-Infinity"]}
