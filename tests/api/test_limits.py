"""What has an end: queue places, connections, disk; each said with the status that fits, and nothing half done."""

from contextlib import ExitStack
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from api.context import Context
from domain.database import Database
from domain.run import RunStatus
from domain.settings import Settings
from domain.store import workers
from tests.api import specs
from tests.api.conftest import client_of


def context(api: TestClient) -> Context:
    app: Any = api.app
    found: Context = app.state.context
    return found


def test_a_full_queue_is_429_and_nothing_is_stored(settings: Settings, token: str) -> None:
    with client_of(settings.model_copy(update={"max_queued_runs": 12}), token) as api:
        assert api.post("/v1/studies", json=specs.study()).status_code == 201
        answer = api.post("/v1/jobs", json=specs.job())
        assert (answer.status_code, answer.json()["type"]) == (429, "/problems/too-many-runs")
        assert answer.headers["retry-after"]
        assert len(api.get("/v1/jobs").json()["data"]) == 4
        other = api.post("/v1/keys", json={"name": "x", "owner": "ann"}).json()["token"]
        mine = api.post("/v1/jobs", json=specs.job(), headers={"Authorization": f"Bearer {other}"})
        assert mine.status_code == 201, "the limit is of each owner"


def test_a_database_without_a_free_connection_is_503_and_comes_back(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = context(api).database.reader
    monkeypatch.setattr(engine.pool, "_timeout", 0.05)
    with ExitStack() as held:
        for _ in range(engine.pool.size() + 4):  # type: ignore[attr-defined]
            held.enter_context(engine.connect())
        answer = api.get("/v1/jobs")
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/busy")
        assert answer.headers["retry-after"] == "1"
    assert api.get("/v1/jobs").status_code == 200


def test_a_full_disk_is_507_while_reading_goes_on(api: TestClient) -> None:
    writer = context(api).database.writer
    with writer.connect() as c:
        pages = c.execute(text("PRAGMA page_count")).scalar_one()
        c.execute(text(f"PRAGMA max_page_count={pages}"))
    while (answer := api.post("/v1/jobs", json=specs.job(seeds=100))).status_code == 201:
        pass
    assert (answer.status_code, answer.json()["type"]) == (507, "/problems/storage-full")
    runs = api.get("/v1/jobs", params={"limit": 1}).json()["data"]
    assert api.get("/v1/runs", params={"limit": 1}).status_code == 200
    assert sum(sum(job["counts"].values()) for job in runs) in {0, 100}


def test_a_table_that_is_missing_is_not_our_mistake(api: TestClient) -> None:
    with context(api).database.writer.begin() as c:
        c.execute(text("ALTER TABLE idempotency RENAME TO gone"))
    answer = api.post("/v1/jobs", json=specs.job(), headers={"Idempotency-Key": "k"})
    assert answer.status_code == 503
    assert api.get("/v1/jobs").json()["data"] == []


def test_readyz_names_what_is_missing(api: TestClient, store: Database) -> None:
    answer = api.get("/readyz")
    assert (answer.status_code, answer.json()["database"]["ok"], answer.json()["broker"]["ok"]) == (503, True, False)
    with store.writer.begin() as c:
        c.execute(text("UPDATE alembic_version SET version_num = 'older'"))
    assert "python -m migrations" in api.get("/readyz").json()["database"]["detail"]


def test_queues_are_listed_with_what_waits_and_who_serves(api: TestClient, store: Database) -> None:
    api.post("/v1/jobs", json=specs.job(queue="cpu"))
    queues = {queue["name"]: queue for queue in api.get("/v1/queues").json()["data"]}
    assert list(queues) == ["default", "cpu", "gpu"]
    assert (queues["cpu"]["queued"], queues["cpu"]["workers"]) == (2, 0)
    specs.train_all(store)
    assert {queue["workers"] for queue in api.get("/v1/queues").json()["data"]} == {1}


def test_workers_are_listed_in_pages(api: TestClient, store: Database) -> None:
    with store.write() as c:
        for number in range(5):
            workers.register(c, name=f"w{number}", host="h", pid=number, queues=["default"])
    page = api.get("/v1/workers", params={"limit": 2})
    seen = [worker["name"] for worker in page.json()["data"]]
    while page.json()["has_more"]:
        page = api.get(page.headers["link"].removeprefix("<").partition(">")[0])
        seen += [worker["name"] for worker in page.json()["data"]]
    assert seen == ["w4", "w3", "w2", "w1", "w0"]
    assert api.get("/v1/workers").json()["has_more"] is False


def test_a_worker_is_told_to_drain(api: TestClient, store: Database) -> None:
    specs.train_all(store)
    worker = api.get("/v1/workers", params={"live": True}).json()["data"][0]
    token = api.post("/v1/keys", json={"name": "x", "owner": "ann"}).json()["token"]
    refused = api.post(f"/v1/workers/{worker['id']}/drain", headers={"Authorization": f"Bearer {token}"})
    assert refused.status_code == 403, "it stops the runs of everybody"
    assert api.post(f"/v1/workers/{worker['id']}/drain").json()["draining"] is True


def test_hints_to_ask_again_end_with_the_runs(api: TestClient, store: Database) -> None:
    study = api.post("/v1/studies", json=specs.study()).json()["id"]
    job = api.get("/v1/jobs").json()["data"][0]["id"]
    for path in (f"/v1/studies/{study}", f"/v1/jobs/{job}"):
        assert "retry-after" in api.get(path).headers
    specs.train_all(store)
    for path in (f"/v1/studies/{study}", f"/v1/jobs/{job}"):
        answer = api.get(path)
        assert "retry-after" not in answer.headers
        assert answer.json()["counts"][RunStatus.SUCCEEDED] > 0


def test_the_catalog_is_asked_for_once(api: TestClient) -> None:
    first = api.get("/v1/catalog")
    assert {"normalizations", "architectures", "datasets", "metrics"} <= set(first.json()["menus"])
    assert {"adam", "sgd"} <= set(first.json()["optimizers"])
    assert api.get("/v1/catalog", headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    assert api.get("/v1/catalog/normalizations/layer_norm").json()["name"] == "layer_norm"


def test_the_documentation_needs_no_internet(api: TestClient) -> None:
    page = api.get("/docs")
    assert "http" not in page.text
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js", "openapi.json"):
        assert api.get(f"/docs/{name}").status_code == 200
    assert api.get("/docs/swagger-ui-bundle.js.map").status_code == 404
    older = api.get("/docs/openapi.json").json()
    assert older["openapi"].startswith("3.0.")
    assert '"null"' not in api.get("/docs/openapi.json").text


@pytest.mark.parametrize(
    ("address", "pointer", "code", "words"),
    [
        ("/v1/jobs?limit=0", "?limit", "out_of_range", "must be at least 1"),
        ("/v1/jobs?limit=x", "?limit", "wrong_type", "must be a whole number, not 'x'"),
        ("/v1/jobs?status=queued&status=done", "?status", "unknown_choice", "There are: cancelled, failed, paused,"),
        ("/v1/runs?outcome=diverge", "?outcome", "unknown_choice", "Did you mean diverged?"),
        ("/v1/comparisons?study=s&format=markdwn", "?format", "unknown_choice", "Did you mean markdown?"),
        ("/v1/comparisons?study=s&at=0", "?at", "wrong_value", "must be final, best, the number of a step"),
        ("/v1/metrics/series?study=s", "?key", "missing", "key is missing"),
        ("/v1/runs/x/logs?cursor=5", "?cursor", "wrong_text", "next_cursor of lines that were read"),
        ("/v1/figures/curve", "{kind}", "unknown_choice", "Did you mean curves?"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_would_be_right(
    api: TestClient, address: str, pointer: str, code: str, words: str
) -> None:
    answer = api.get(address)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["pointer"], error["code"]) == (422, pointer, code)
    assert words in error["detail"]
