"""Fixtures of the HTTP tests: the application over an empty database, and clients with and without a key."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.application import create_app
from domain.database import Database, create_schema
from domain.settings import Settings
from domain.store import keys


def prepare(settings: Settings) -> str:
    """Make the tables and the owner's key; returns its token."""
    database = Database.open(settings)
    create_schema(database)
    with database.write() as c:
        _, token = keys.create(c, owner="owner", name="owner")
    database.close()
    return token


def app_of(settings: Settings) -> FastAPI:
    """The application, which answers to the name that Starlette's client calls it by."""
    return create_app(settings.model_copy(update={"allowed_hosts": (*settings.allowed_hosts, "testserver")}))


@contextmanager
def client_of(settings: Settings, token: str | None) -> Iterator[TestClient]:
    """The application, started, and a client that shows the token. A mistake of ours is an answer here: 500."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with TestClient(app_of(settings), headers=headers, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def token(settings: Settings) -> str:
    """The owner's token of an installation that is ready to serve."""
    return prepare(settings)


@pytest.fixture
def api(settings: Settings, token: str) -> Iterator[TestClient]:
    """A client with the owner's key."""
    with client_of(settings, token) as client:
        yield client


@pytest.fixture
def stranger(api: TestClient) -> TestClient:
    """A client of the same application that shows nothing."""
    return TestClient(api.app, raise_server_exceptions=False)


@pytest.fixture
def store(settings: Settings, token: str) -> Iterator[Database]:
    """The database behind `api`, for what workers would write."""
    database = Database.open(settings)
    yield database
    database.close()
