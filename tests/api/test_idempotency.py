"""Submissions under an Idempotency-Key, on both engines: done once, answered again, told to wait meanwhile."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from domain.settings import Settings
from domain.store import jobs, keys
from tests.api import specs
from tests.api.conftest import client_of, prepare
from tests.conftest import ENGINES, clear
from tests.waiting import wait_until

KEY = {"Idempotency-Key": "k"}


@pytest.fixture(params=ENGINES)
def served(request: pytest.FixtureRequest, settings: Settings) -> tuple[Settings, str]:
    """An installation with tables and an owner's key, on SQLite and again on PostgreSQL."""
    if request.param == "sqlite":
        return settings, prepare(settings)
    database, server = request.getfixturevalue("postgres_database"), request.getfixturevalue("postgres")
    clear(database)
    with database.write() as c:
        _, token = keys.create(c, owner="owner", name="owner")
    return settings.model_copy(update={"database_url": SecretStr(server.url())}), token


@pytest.fixture
def api(served: tuple[Settings, str]) -> Iterator[TestClient]:
    with client_of(*served) as client:
        yield client


def submit(api: TestClient, **changes: Any) -> Any:
    return api.post("/v1/jobs", json=specs.job(**changes), headers=KEY)


@contextmanager
def held_up(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """A first submission under the key, inside its transaction until the block ends; then its answer is in the list."""
    inside, go_on = threading.Event(), threading.Event()
    store = jobs.submit

    def slow(*args: Any, **named: Any) -> Any:
        inside.set()
        assert go_on.wait(20)
        return store(*args, **named)

    monkeypatch.setattr(jobs, "submit", slow)
    answers: list[Any] = []
    first = threading.Thread(target=lambda: answers.append(submit(api)))
    first.start()
    try:
        assert inside.wait(20)
        yield answers
    finally:
        go_on.set()
        first.join()
        monkeypatch.undo()


def refused_for_now(answer: Any) -> bool:
    kind = answer.json()["type"]
    return (answer.status_code, kind, answer.headers["retry-after"]) == (409, "/problems/key-running", "1")


def test_a_repeat_while_the_first_is_running_is_told_when_to_come_back(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held_up(api, monkeypatch) as first:
        assert refused_for_now(submit(api))
        assert refused_for_now(submit(api, seeds=3))
    again = submit(api)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert again.text == first[0].text
    assert len(api.get("/v1/jobs").json()["data"]) == 1


@pytest.mark.parametrize("served", ["postgresql"], indirect=True)
def test_a_repeat_that_another_process_answers_is_told_so_too(
    api: TestClient, served: tuple[Settings, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with client_of(*served) as other:
        with held_up(api, monkeypatch) as first:
            assert refused_for_now(submit(other))
        assert submit(other).text == first[0].text


def test_a_dry_run_takes_no_key_and_waits_for_none(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with held_up(api, monkeypatch):
        planned = api.post("/v1/jobs", params={"dry_run": True}, json=specs.job(), headers=KEY)
        assert planned.status_code == 200


def test_one_key_sent_by_many_threads_at_once_makes_one_job(api: TestClient) -> None:
    answers: list[Any] = []

    def insist() -> None:
        answers.append(wait_until(answered))

    def answered() -> Any:
        answer = submit(api)
        return None if answer.status_code == 409 else answer

    threads = [threading.Thread(target=insist) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum(answer.headers.get("idempotency-replayed") == "true" for answer in answers) == 11
    assert {answer.headers["location"] for answer in answers} == {f"/v1/jobs/{answers[0].json()['id']}"}
    assert len(api.get("/v1/jobs").json()["data"]) == 1


def test_a_key_with_another_body_is_refused(api: TestClient) -> None:
    submit(api)
    answer = submit(api, seeds=3)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/key-reused")


def test_a_refused_request_leaves_its_key_free(api: TestClient) -> None:
    assert submit(api, queue="moon").status_code == 422
    assert submit(api).status_code == 201


def test_a_request_that_met_a_mistake_of_ours_leaves_its_key_free(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "submit", broken)
        assert submit(api).status_code == 500
    assert submit(api).status_code == 201
