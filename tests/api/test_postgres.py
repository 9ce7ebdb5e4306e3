"""The same service over PostgreSQL: what differs there is texts it refuses, locks, and transactions side by side."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from domain.database import Database
from domain.settings import Settings
from domain.store import keys
from tests.api import specs
from tests.api.conftest import client_of
from tests.conftest import clear
from tests.postgres import PostgresServer


@pytest.fixture
def store(postgres_database: Database) -> Database:
    clear(postgres_database)
    return postgres_database


@pytest.fixture
def api(settings: Settings, postgres: PostgresServer, store: Database) -> Iterator[TestClient]:
    with store.write() as c:
        _, token = keys.create(c, owner="owner", name="owner")
    settings = settings.model_copy(update={"database_url": SecretStr(postgres.url())})
    with client_of(settings, token) as client:
        yield client


def test_a_study_goes_from_submission_to_verdicts(api: TestClient, store: Database) -> None:
    study = api.post("/v1/studies", json=specs.study()).json()["id"]
    specs.train_all(store, [0.3, 0.31, 0.2, 0.21])
    comparison = api.get("/v1/comparisons", params={"study": study}).json()
    assert {group["n"] for group in comparison["groups"]} == {3}
    run = api.get("/v1/runs", params={"study": study, "limit": 1}).json()["data"][0]["id"]
    assert api.get("/v1/metrics/series", params={"runs": run, "key": "train_loss"}).json()["curves"][0]["count"] == 10
    assert len(api.get("/v1/metrics/export", params={"study": study}).text.splitlines()) == 1 + 12 * 21


@pytest.mark.parametrize(
    "path",
    [
        "/v1/runs/%00",
        "/v1/studies/a%00b",
        "/v1/jobs?search=%00",
        "/v1/jobs?search=%25_%5C",
        "/v1/runs?job=%ed%a0%80",
        "/v1/runs?cursor=MSAA",
        "/v1/runs/x/logs?cursor=999999999999999999.999999999",
        "/v1/runs/x/events?cursor=9223372036854775807",
        "/v1/metrics/series?runs=x&key=%F0%9F%98%80",
    ],
)
def test_strange_addresses_are_refused_or_answered(api: TestClient, path: str) -> None:
    assert api.get(path).status_code in {200, 404, 422}


def test_names_with_every_kind_of_letter_are_kept(api: TestClient) -> None:
    name = "größe 测试 \N{GRINNING FACE} \"'\\%_"
    job = api.post("/v1/jobs", json=specs.job(name=name, tags={"é": "ü"})).json()
    assert api.get(f"/v1/jobs/{job['id']}").json()["name"] == name
    assert [found["id"] for found in api.get("/v1/jobs", params={"search": "\"'\\%_"}).json()["data"]] == [job["id"]]
