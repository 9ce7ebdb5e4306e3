"""Hostile requests: each refused with a stable code, nothing stored, and no mistake of ours."""

import json
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from domain.settings import Settings
from tests.api import specs
from tests.api.conftest import client_of, prepare
from tests.api.hostile import HOSTILE


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One application for all of them: what is refused leaves nothing behind."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("hostile") / "data")
    with client_of(settings, prepare(settings)) as client:
        yield client


@pytest.fixture(scope="module")
def stranger(api: TestClient) -> TestClient:
    return TestClient(api.app, raise_server_exceptions=False)


JSON = {"Content-Type": "application/json"}
MEBIBYTE = 1_048_576


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/studies", "/v1/keys"])
def test_every_hostile_body_is_422_with_its_code(api: TestClient, path: str) -> None:
    for name, (raw, code) in HOSTILE.items():
        answer = api.post(path, content=raw, headers=JSON)
        assert answer.status_code == 422, name
        assert answer.json()["errors"][0]["code"] == code, name
    assert api.get("/v1/jobs").json()["data"] == []


def test_the_draft_of_a_study_survives_every_hostile_body(api: TestClient) -> None:
    for name, (raw, _) in HOSTILE.items():
        answer = api.post("/studies/new", content=raw, headers=JSON)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), name
        text = json.dumps({"text": raw.decode("utf-8", "replace")})
        assert api.post("/studies/new", content=text, headers=JSON).status_code in {200, 422}, name


def test_a_body_over_one_mebibyte_is_413(api: TestClient) -> None:
    answer = api.post("/v1/jobs", content=b" " * (MEBIBYTE + 1), headers=JSON)
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")


def test_a_body_that_comes_in_pieces_is_413_as_soon_as_it_is_too_large(api: TestClient) -> None:
    sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        while sent < 64:
            sent += 1
            yield b" " * 65_536

    answer = api.post("/v1/jobs", content=pieces(), headers=JSON)
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")


def test_a_body_of_one_mebibyte_is_read(api: TestClient) -> None:
    assert api.post("/v1/jobs", content=b" " * MEBIBYTE, headers=JSON).json()["errors"][0]["code"] == "json_syntax"


def test_a_forged_content_length_changes_nothing(api: TestClient) -> None:
    answer = api.post("/v1/jobs", content=b"{}", headers={**JSON, "Content-Length": "9" * 400})
    assert answer.status_code == 413


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_bodies_that_are_not_json_are_415(api: TestClient, kind: str) -> None:
    assert api.post("/v1/jobs", content=b"{}", headers={"Content-Type": kind}).status_code == 415


@pytest.mark.parametrize(
    "path",
    [
        "/v1/runs/%00",
        "/v1/jobs/%ff%fe",
        "/v1/studies/a%00b",
        "/v1/runs?job=%00",
        "/v1/jobs?search=%00",
        "/v1/jobs?search=%ed%a0%80",
        "/v1/runs?cursor=%00",
        "/v1/catalog/%00/x",
        "/%00",
        "/static/%00",
        "/docs/%2e%2e%2fmain.py",
        "/static/..%2f..%2fmain.py",
    ],
)
def test_strange_addresses_are_refused(api: TestClient, path: str) -> None:
    assert api.get(path).status_code in {200, 400, 404, 422}


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "limit=1e999", "status=done", "outcome=x", "limit=99999999999999999999999"],
)
def test_wrong_parameters_are_422_and_named(api: TestClient, query: str) -> None:
    answer = api.get(f"/v1/runs?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"?{query.partition('=')[0]}"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("runs?status=succeded", "?status: 'succeded' is not a choice. Did you mean succeeded?"),
        ("runs?limit=x", "?limit: It must be a whole number, not 'x'"),
        ("runs?limit=0", "?limit: It is '0', but must be at least 1."),
        ("comparisons?study=x&at=finl", "?at: It is 'finl', but must be final, best, the number of a step"),
    ],
)
def test_a_wrong_parameter_is_refused_in_the_words_of_the_specs(api: TestClient, query: str, words: str) -> None:
    answer = api.get(f"/v1/{query}").json()
    assert words in f"{answer['errors'][0]['pointer']}: {answer['errors'][0]['detail']}"


def test_a_parameter_that_is_not_there_is_refused_with_the_nearest_name(api: TestClient) -> None:
    for path in ("/v1/runs?statsu=failed", "/v1/runs/x?statsu=1", "/v1/comparisons?studdy=x", "/v1/catalog?x=1"):
        answer = api.get(path)
        name = path.partition("?")[2].partition("=")[0]
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"?{name}"), path
    assert "Did you mean status?" in api.get("/v1/runs?statsu=failed").json()["detail"]
    assert api.get("/v1/events?jbo=x").status_code == 422


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "x"])
def test_numbers_in_an_address_are_finite(api: TestClient, value: str) -> None:
    run = {"runs": "run_x", "key": "train_loss"}
    assert api.get("/v1/metrics/series", params={**run, "from": value}).status_code == 422
    assert api.get("/v1/runs/x", params={"wait": value}).status_code == 422
    assert api.get("/v1/figures/run", params={"run": "x", "name": "y", "from": value, "to": "1"}).status_code == 422


def test_a_foreign_host_is_refused_everywhere(api: TestClient) -> None:
    for path in ("/healthz", "/v1/jobs", "/login", "/"):
        for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", ""):
            answer = api.get(path, headers={"Host": host})
            assert (answer.status_code, answer.json()["type"]) == (400, "/problems/wrong-host"), (path, host)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8787", "127.0.0.1:1", "[::1]:8787", "[::1]"])
def test_our_own_names_are_answered(api: TestClient, host: str) -> None:
    assert api.get("/healthz", headers={"Host": host}).status_code == 200


def test_a_forged_forwarded_host_changes_nothing(api: TestClient) -> None:
    forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https"}
    assert api.post("/v1/login-codes", headers=forged).json()["url"].startswith("http://testserver/login?code=")


def test_every_answer_carries_the_security_headers(api: TestClient, stranger: TestClient) -> None:
    answers = [
        api.get("/v1/jobs"),
        api.get("/v1/jobs/x"),
        api.post("/v1/jobs", content=b"{", headers=JSON),
        stranger.get("/v1/jobs"),
        api.get("/healthz", headers={"Host": "evil.example"}),
        api.get("/nothing"),
    ]
    for answer in answers:
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-request-id"].startswith("req_")
        assert answer.headers["cache-control"] in {"no-store", "private, no-cache"}


def test_a_problem_names_its_request_and_its_type_leads_to_an_explanation(api: TestClient) -> None:
    answer = api.get("/v1/jobs/x")
    problem = answer.json()
    assert (problem["status"], problem["instance"]) == (404, "/v1/jobs/x")
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert api.get(problem["type"]).status_code == 200


def test_a_method_an_address_does_not_know_is_405_with_those_it_knows(api: TestClient) -> None:
    for path, known in (("/v1/jobs", "GET, POST"), ("/v1/jobs/x", "DELETE, GET, PATCH"), ("/healthz", "GET")):
        answer = api.put(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, known)
    assert api.put("/studies").headers["allow"] == "GET"


def test_words_of_strangers_are_not_markup(api: TestClient) -> None:
    answer = api.get("/studies/<script>alert(1)", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "<script>alert" not in answer.text


def test_an_idempotency_key_that_is_too_long_is_refused(api: TestClient) -> None:
    answer = api.post("/v1/jobs", json=specs.job(), headers={"Idempotency-Key": "k" * 300})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "?idempotency-key")
