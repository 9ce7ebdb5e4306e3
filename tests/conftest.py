"""Fixtures that every test may use: an empty database on both engines, and settings over an empty directory."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from domain.database import Database, create_schema
from domain.settings import Settings
from domain.tables import event_counter, metadata
from tests.postgres import PostgresServer

# The same examples every time, and no verdict that depends on how busy the machine is.
hypothesis_settings.register_profile(
    "normlab", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
# For a night: pytest --hypothesis-profile=nightly
hypothesis_settings.register_profile(
    "nightly", hypothesis_settings.get_profile("normlab"), derandomize=False, max_examples=5000
)
hypothesis_settings.load_profile("normlab")

ENGINES = ("sqlite", "postgresql")
FIRST = (
    # Two files that make numba compile the CPU kernels, each of them others; later ones find them compiled.
    "tests/lncore/kernels/test_against_float64.py",
    "tests/lncore/recurrent/test_fused_sequences.py",
    # Whole systems, minutes a file: started late they would leave one process at work and the others idle.
    "tests/chaos/",
    "tests/worker/supervising/",
    "tests/cli/",
    "tests/browser/",
)
"""How the paths of the tests begin that run before all others, in this order."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what others wait for and what takes long first; see that every item has an id of its own.

    schemathesis gives all operations of a test one id, and of several tests with one id pytest-xdist runs one.
    """
    for item in items:
        if not item.nodeid.endswith(item.name):
            item._id = item.id.with_params(item.name.partition("[")[2].removesuffix("]"))
    if len({item.nodeid for item in items}) < len(items):
        raise pytest.UsageError("Two tests have one id: pytest-xdist would run one of them.")
    items.sort(key=lambda item: next((n for n, path in enumerate(FIRST) if item.nodeid.startswith(path)), len(FIRST)))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings over an empty data directory."""
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL server for the whole session."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres_database(postgres: PostgresServer) -> Iterator[Database]:
    """One database with the tables, shared; `clear` empties it between tests."""
    database = Database(postgres.url())
    create_schema(database)
    yield database
    database.close()


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    """An empty database in a file of its own."""
    database = Database(f"sqlite:///{tmp_path / 'data' / 'normlab.db'}")
    create_schema(database)
    yield database
    database.close()


@pytest.fixture(params=ENGINES)
def database(request: pytest.FixtureRequest) -> Database:
    """An empty database, on SQLite and again on PostgreSQL."""
    if request.param == "sqlite":
        made: Database = request.getfixturevalue("sqlite_database")
        return made
    shared: Database = request.getfixturevalue("postgres_database")
    clear(shared)
    return shared


def clear(database: Database) -> None:
    """Empty every table, and begin events at 1 again."""
    with database.writer.begin() as c:
        for table in reversed(metadata.sorted_tables):
            c.execute(table.delete())
        c.execute(event_counter.insert().values(id=1, last=0))
