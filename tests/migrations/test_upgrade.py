"""Migrations: they make exactly the tables of the code, at most once, with a copy, and survive being killed."""

import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from domain.database import Database, create_schema
from domain.errors import DatabaseTooNew
from domain.settings import Settings
from domain.store import keys, metrics
from domain.store.packing import pack_finished
from domain.tables import REVISION, metadata
from migrations.upgrade import head, upgrade
from tests.conftest import ENGINES
from tests.postgres import PostgresServer  # noqa: TC001 - a fixture hands it over


@pytest.fixture(params=ENGINES)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A database without tables."""
    if request.param == "sqlite":
        return Database(f"sqlite:///{tmp_path / 'data' / 'normlab.db'}")
    server: PostgresServer = request.getfixturevalue("postgres")
    return Database(server.fresh_database())


def test_the_newest_migration_is_the_one_the_code_was_written_for() -> None:
    assert head() == REVISION


def comparable(thing: object, name: str | None, *_: object) -> bool:
    """All but the index with a descending column, whose reflection is approximate; the next test compares its text."""
    return name != "ix_run_claim"


def test_migrations_make_exactly_the_tables_of_the_code(empty: Database) -> None:
    assert upgrade(empty) is None
    with empty.read() as c:
        options = {"compare_server_default": True, "include_object": comparable}
        assert compare_metadata(MigrationContext.configure(c, opts=options), metadata) == []
    empty.check_schema()
    empty.close()


def test_migrations_and_create_all_make_the_same_indexes_and_checks(tmp_path: Path) -> None:
    """SQLite keeps the text of every definition."""
    migrated, created = (Database(f"sqlite:///{tmp_path / name}.db") for name in ("migrated", "created"))
    upgrade(migrated)
    create_schema(created)
    assert definitions(migrated) == definitions(created)
    migrated.close()
    created.close()


def definitions(database: Database) -> dict[str, list[str]]:
    """The parts of every definition, in an order of their own: Alembic orders constraints differently."""
    query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'"
    with database.read() as c:
        return {row.name: parts(row.sql) for row in c.execute(text(query))}


def parts(sql: str) -> list[str]:
    plain = " ".join(sql.replace('"', "").replace("(false)", "false").replace("(true)", "true").split())
    head, _, rest = plain.partition("(")
    body, _, tail = rest.rpartition(")")
    return [head.strip(), tail.strip(), *sorted(part.strip() for part in body.split(", "))]


def test_upgrading_twice_changes_nothing(empty: Database) -> None:
    upgrade(empty)
    with empty.write() as c:
        made, token = keys.create(c, owner="ada", name="laptop")
    assert upgrade(empty) is None
    with empty.read() as c:
        assert keys.find(c, token) == made
    empty.close()


def test_a_database_of_the_first_release_keeps_what_it_holds_and_is_copied_before(empty: Database) -> None:
    """Its points are readable afterwards, and packed in time like those of new runs."""
    upgrade(empty, to="0001")
    with empty.writer.begin() as c:
        for statement in OLD:
            c.execute(text(statement))
    copy = upgrade(empty)
    empty.check_schema()
    assert (copy is not None) == empty.on_sqlite
    if copy is not None:
        old = Database(f"sqlite:///{copy}")
        assert old.revision() == "0001"
        old.close()
    for _ in range(2):
        with empty.read() as c:
            assert [(row["step"], row["value"]) for row in metrics.rows(c, ["run_1"])] == [
                (n, n / 2) for n in range(90)
            ]
        with empty.write() as c:
            pack_finished(c)
    empty.close()


KINDS = "dataset, architecture, normalization"
JOB = f"id, owner, label, key, spec, spec_hash, seeds, queue, priority, tags, {KINDS}, created_at, updated_at"
REST = "'digits', 'mlp', 'none', 1, 1"
RUN = "id, job_id, seed, seed_rank, status, queue, device, priority, max_attempts, woken_at, created_at, updated_at"
OLD = (
    f"INSERT INTO job ({JOB}) VALUES ('job_1', 'ada', '', '{{}}', '{{}}', '', '[0]', 'default', 0, '{{}}', {REST})",
    f"INSERT INTO run ({RUN}) VALUES ('run_1', 'job_1', 0, 0, 'succeeded', 'default', 'auto', 0, 3, 1, 1, 1)",
    "INSERT INTO series (id, run_id, name, n, first_step, last_step) VALUES (1, 'run_1', 'train_loss', 90, 0, 89)",
    *(
        f"INSERT INTO point (series_id, step, value, at, relative, epoch, samples) VALUES (1, {n}, {n / 2}, 1, 0, 0, 0)"
        for n in range(90)
    ),
)
"""A finished run, as the first release wrote it."""


def test_two_upgrades_at_once_are_one(empty: Database) -> None:
    failures: list[Exception] = []

    def run() -> None:
        database = Database(empty.url.render_as_string(hide_password=False))
        try:
            upgrade(database)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            failures.append(error)
        database.close()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    empty.check_schema()
    empty.close()


def set_revision(c: Connection, revision: str) -> None:
    c.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def test_a_database_of_a_newer_release_is_left_alone(empty: Database) -> None:
    upgrade(empty)
    with empty.writer.begin() as c:
        set_revision(c, "9999")
    with pytest.raises(DatabaseTooNew, match="written by a newer one"):
        upgrade(empty)
    assert empty.revision() == "9999"
    empty.close()


def test_an_upgrade_that_fails_leaves_the_schema_as_it_was(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every statement of a revision is in one transaction, on SQLite too."""
    with empty.writer.begin() as c:
        # The last index of the first migration exists already, under another table.
        c.execute(text("CREATE TABLE in_the_way (id INTEGER)"))
        c.execute(text("CREATE INDEX ix_run_claim ON in_the_way (id)"))
    with pytest.raises(Exception, match="ix_run_claim"):
        upgrade(empty)
    with empty.read() as c:
        assert set(inspect(c).get_table_names()) - {"alembic_version"} == {"in_the_way"}
    with empty.writer.begin() as c:
        c.execute(text("DROP TABLE in_the_way"))
    upgrade(empty)
    empty.check_schema()
    empty.close()


def test_the_command_makes_tables_and_an_owner_key_that_only_the_owner_can_read(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    for _ in range(2):
        done = migrate(settings)
        assert (done.returncode, done.stderr.count("Traceback")) == (0, 0)
    assert stat.S_IMODE(settings.owner_key_file.stat().st_mode) == 0o600
    database = Database.open(settings)
    token = settings.read_owner_key() or ""
    with database.read() as c:
        assert keys.find(c, token).owner == "owner"
    assert token not in done.stdout + done.stderr
    database.close()


def test_the_command_says_in_a_sentence_why_it_cannot(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    assert migrate(settings).returncode == 0
    database = Database.open(settings)
    with database.writer.begin() as c:
        set_revision(c, "9999")
    database.close()
    done = migrate(settings)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "Nothing was changed." in done.stderr


def migrate(settings: Settings) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "migrations"]
    return subprocess.run(
        command, env=settings.environment() | {"PATH": ""}, capture_output=True, text=True, timeout=60, check=False
    )
