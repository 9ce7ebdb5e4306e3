"""A small sample installation, written once, and a client of its pages."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from domain.database import Database, create_schema
from domain.settings import Settings
from tests.api.conftest import app_of
from tests.browser.sample import Sample


@pytest.fixture(scope="session")
def sample_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(data_dir=tmp_path_factory.mktemp("sample"), auth=False)


@pytest.fixture(scope="session")
def ids(sample_settings: Settings) -> dict[str, str]:
    """What the sample holds, by name."""
    database = Database.open(sample_settings)
    create_schema(database)
    written = Sample(database, sample_settings.runs_dir, small=True).write()
    database.close()
    return written


@pytest.fixture(scope="session")
def sample(sample_settings: Settings, ids: dict[str, str]) -> Iterator[Database]:
    """The database of the sample; tests only read it."""
    assert ids
    database = Database.open(sample_settings)
    yield database
    database.close()


@pytest.fixture(scope="session")
def pages(sample_settings: Settings, ids: dict[str, str]) -> Iterator[TestClient]:
    """A client of the sample's pages."""
    assert ids
    with TestClient(app_of(sample_settings)) as client:
        yield client
