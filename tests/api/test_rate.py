"""How often one may ask: buckets by key and by address, what the headers say, and what is never counted."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from api.limits import MOST_NAMES, Buckets
from domain.database import Database
from domain.settings import Settings
from domain.store import keys
from tests.api import specs
from tests.api.conftest import client_of


@pytest.fixture
def strict(settings: Settings, token: str) -> Iterator[TestClient]:
    """A client of an installation that hardly fills its buckets: 10 reads, 5 writes, 3 wrong keys."""
    rates = {"read_rate": 1e-6, "write_rate": 1e-6, "failure_rate": 1e-6}
    with client_of(settings.model_copy(update=rates), token) as client:
        limits = client.app.state.context.limits  # type: ignore[attr-defined]
        limits.reads.size, limits.writes.size, limits.failures.size = 10.0, 5.0, 3.0
        yield client


def test_a_bucket_holds_ten_seconds_and_fills_up_steadily() -> None:
    now = [0.0]
    buckets = Buckets("reads", 2.0, clock=lambda: now[0])
    assert [buckets.take("a").granted for _ in range(21)] == [True] * 20 + [False]
    assert buckets.take("a").until_next == 0.5
    assert buckets.take("b").left == 19
    now[0] = 0.5
    assert [buckets.take("a").granted for _ in range(2)] == [True, False]
    now[0] = 1000.0
    assert buckets.take("a") == (True, 19, 0.0, 0.5)


def test_looking_takes_nothing_and_no_rate_is_no_limit() -> None:
    buckets = Buckets("reads", 0.1, clock=lambda: 0.0)
    assert [buckets.take("a", 0).granted for _ in range(3)] == [True] * 3
    assert [buckets.take("a").granted, buckets.take("a", 0).granted] == [True, False]
    assert all(Buckets("reads", 0).take("a").granted for _ in range(1000))


def test_names_without_end_need_no_memory_without_end() -> None:
    buckets = Buckets("failures", 1.0)
    for number in range(MOST_NAMES + 100):
        buckets.take(str(number))
    assert len(buckets._levels) == MOST_NAMES


def test_the_headers_say_what_is_left(api: TestClient) -> None:
    read = api.get("/v1/jobs")
    assert read.headers["ratelimit-policy"] == '"reads";q=5000;w=10'
    assert read.headers["ratelimit"].startswith('"reads";r=49')
    made = api.post("/v1/jobs", json=specs.job())
    assert made.headers["ratelimit-policy"] == '"writes";q=1000;w=10'


def test_who_reads_too_fast_is_told_when_to_come_back_and_may_still_write(strict: TestClient) -> None:
    answers = [strict.get("/v1/jobs") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    refused = answers[-1]
    assert refused.json()["type"] == "/problems/too-many-requests"
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["ratelimit"].startswith('"reads";r=0;t=')
    assert strict.post("/v1/jobs", json=specs.job()).status_code == 201


def test_a_refused_write_does_nothing(strict: TestClient) -> None:
    answers = [strict.post("/v1/jobs", json=specs.job()).status_code for _ in range(6)]
    assert answers == [201] * 5 + [429]
    assert len(strict.get("/v1/jobs").json()["data"]) == 5


def test_another_key_has_buckets_of_its_own(strict: TestClient, store: Database) -> None:
    for _ in range(11):
        strict.get("/v1/jobs")
    with store.write() as c:
        _, token = keys.create(c, owner="ann", name="notebook")
    assert strict.get("/v1/jobs", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_files_of_the_pages_and_open_addresses_are_not_counted(strict: TestClient) -> None:
    for _ in range(20):
        assert strict.get("/healthz").status_code == 200
        assert strict.get("/problems/not-found").status_code == 200
    assert "ratelimit" not in strict.get("/healthz").headers
    assert strict.get("/v1/jobs").status_code == 200


def test_wrong_keys_are_bounded_by_address_and_lock_out_nobody_who_was_right(
    strict: TestClient, store: Database
) -> None:
    assert strict.get("/v1/jobs").status_code == 200
    stranger = TestClient(strict.app, raise_server_exceptions=False)
    wrong = [{"Authorization": f"Bearer {keys.make_token()}"} for _ in range(5)]
    answers = [stranger.get("/v1/jobs", headers=headers) for headers in wrong]
    assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 2
    assert answers[-1].json()["type"] == "/problems/too-many-failures"
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert stranger.get("/v1/jobs", headers={"Cookie": "normlab_session=x"}).status_code == 429
    assert stranger.get("/login", params={"code": "x"}).status_code == 429
    ours = {"Origin": "http://testserver"}
    assert stranger.post("/login", data={"key": "x"}, headers=ours).status_code == 429
    assert strict.get("/v1/jobs").status_code == 200


def test_who_shows_nothing_is_asked_for_a_key_however_often(strict: TestClient) -> None:
    stranger = TestClient(strict.app, raise_server_exceptions=False)
    assert {stranger.get("/v1/jobs").status_code for _ in range(20)} == {401}
