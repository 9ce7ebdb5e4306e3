"""Who may do what: no route without a key, scopes, browser sessions, and what foreign pages can't do."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient

from api.application import create_app
from api.auth import COOKIE
from api.openapi import PUBLIC_PATHS
from domain.database import Database
from domain.settings import Settings
from domain.store import keys
from tests.api import specs
from tests.api.conftest import client_of

APP = create_app(Settings())


def operations() -> Iterator[tuple[str, str]]:
    """Every method and path of the OpenAPI document, and the pages and documents beside it."""
    for path, methods in APP.openapi()["paths"].items():
        if path not in PUBLIC_PATHS:
            yield from ((method.upper(), path) for method in methods)
    yield from (("GET", path) for path in ("/", "/studies", "/jobs", "/docs", "/openapi.json", "/v1/nothing"))
    yield "POST", "/logout"


def filled(path: str) -> str:
    return path.replace("{action}", "cancel").replace("{kind}", "run").replace("{", "").replace("}", "")


@pytest.mark.parametrize("shown", ["nothing", "no key", "another key", "no session", "Basic"])
def test_every_route_asks_for_a_key(stranger: TestClient, token: str, shown: str) -> None:
    headers: dict[str, dict[str, str]] = {
        "nothing": {},
        "no key": {"Authorization": "Bearer x"},
        "another key": {"Authorization": f"Bearer {keys.make_token(token.split('_')[1])}"},
        "no session": {"Cookie": f"{COOKIE}=x"},
        "Basic": {"Authorization": f"Basic {token}"},
    }
    seen = list(operations())
    for method, path in seen:
        answer = stranger.request(method, filled(path), headers=headers[shown])
        assert answer.status_code == 401, (method, path)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert len(seen) > 40


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/login", "/problems/not-found"])
def test_what_is_open_answers_without_a_key(stranger: TestClient, path: str) -> None:
    assert stranger.get(path).status_code in {200, 503}


def test_a_body_is_not_even_read_without_a_key(stranger: TestClient) -> None:
    assert stranger.post("/v1/jobs", content=b"{" * 1000).status_code == 401


def made(store: Database, *scopes: str) -> tuple[str, dict[str, str]]:
    """A new key's id, and the header that shows it."""
    with store.write() as c:
        key, token = keys.create(c, owner="ann", name="test", scopes=scopes)
    return key.id, {"Authorization": f"Bearer {token}"}


def test_a_key_does_what_its_scope_covers_and_no_more(stranger: TestClient, store: Database) -> None:
    _, reads = made(store, "read")
    _, writes = made(store, "write")
    assert stranger.get("/v1/jobs", headers=reads).status_code == 200
    refused = stranger.post("/v1/jobs", json=specs.job(), headers=reads)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/not-allowed")
    assert stranger.post("/v1/jobs", json=specs.job(), headers=writes).status_code == 201
    assert stranger.get("/v1/keys", headers=writes).status_code == 403
    assert stranger.post("/v1/keys", json={"name": "x"}, headers=writes).status_code == 403


def test_a_revoked_key_is_refused_at_once_with_its_sessions(
    api: TestClient, stranger: TestClient, store: Database
) -> None:
    key_id, headers = made(store, "read")
    with store.write() as c:
        secret = keys.open_session(c, key_id)
    assert stranger.get("/v1/jobs", headers={"Cookie": f"{COOKIE}={secret}"}).status_code == 200
    assert api.delete(f"/v1/keys/{key_id}").status_code == 204
    assert stranger.get("/v1/jobs", headers=headers).status_code == 401
    assert stranger.get("/v1/jobs", headers={"Cookie": f"{COOKIE}={secret}"}).status_code == 401
    assert api.get(f"/v1/keys/{key_id}").json()["revoked_at"] is not None


def test_a_new_key_shows_its_token_once_and_works(api: TestClient, stranger: TestClient) -> None:
    answer = api.post("/v1/keys", json={"name": "notebook", "scopes": ["read"], "days": 1})
    token = answer.json()["token"]
    assert answer.status_code == 201
    assert stranger.get("/v1/jobs", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert token not in api.get("/v1/keys").text
    assert api.post("/v1/keys", json={"name": "", "scopes": ["root"]}).status_code == 422


def signed_in(api: TestClient, stranger: TestClient) -> Any:
    url = urlsplit(api.post("/v1/login-codes").json()["url"])
    return stranger.get(f"{url.path}?{url.query}", follow_redirects=False)


def test_a_login_code_opens_one_session_and_no_second(api: TestClient, stranger: TestClient) -> None:
    url = urlsplit(api.post("/v1/login-codes").json()["url"])
    first = stranger.get(f"{url.path}?{url.query}", follow_redirects=False)
    cookie = first.headers["set-cookie"]
    assert (first.status_code, first.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
    assert stranger.get("/v1/jobs").status_code == 200
    again = TestClient(api.app).get(f"{url.path}?{url.query}", follow_redirects=False)
    assert (again.status_code, "set-cookie" in again.headers) == (401, False)


def test_a_session_changes_things_only_from_our_own_pages(api: TestClient, stranger: TestClient) -> None:
    signed_in(api, stranger)
    ours = {"Origin": "http://testserver", "X-NormLab": "1"}
    assert stranger.post("/v1/jobs", json=specs.job(), headers=ours).status_code == 201
    for headers in (
        {},
        {"Origin": "http://testserver"},
        {"X-NormLab": "1"},
        {"Origin": "http://evil.example", "X-NormLab": "1"},
        {"Origin": "null", "X-NormLab": "1"},
        {"Origin": "http://testserver.evil.example", "X-NormLab": "1"},
    ):
        answer = stranger.post("/v1/jobs", json=specs.job(), headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/forged-request"), headers
    as_a_form = stranger.post("/v1/jobs", content="{}", headers={**ours, "Content-Type": "text/plain"})
    assert as_a_form.status_code == 415
    assert len(api.get("/v1/jobs").json()["data"]) == 1


def test_signing_out_ends_the_session(api: TestClient, stranger: TestClient) -> None:
    secret = signed_in(api, stranger).cookies[COOKIE]
    ours = {"Origin": "http://testserver", "X-NormLab": "1"}
    assert stranger.post("/logout", headers=ours).status_code == 204
    assert TestClient(api.app).get("/v1/jobs", headers={"Cookie": f"{COOKIE}={secret}"}).status_code == 401


def test_a_key_typed_into_the_form_opens_a_session(stranger: TestClient, token: str) -> None:
    foreign = stranger.post("/login", data={"key": token}, headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 403
    ours = {"Origin": "http://testserver"}
    assert stranger.post("/login", data={"key": token[:-1]}, headers=ours).status_code == 401
    assert stranger.post("/login", data={"key": token}, headers=ours, follow_redirects=False).status_code == 303
    assert stranger.get("/v1/jobs").status_code == 200


def test_a_browser_on_its_way_to_a_page_is_led_to_the_sign_in(stranger: TestClient) -> None:
    answer = stranger.get("/jobs?status=failed", headers={"Accept": "text/html"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fjobs%3Fstatus%3Dfailed")


@pytest.mark.parametrize(
    ("wanted", "then"),
    [
        ("/jobs?status=failed", "/jobs?status=failed"),
        ("//evil.example/jobs", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nSet-Cookie: a=b", "/"),
    ],
)
def test_signing_in_leads_to_the_page_that_was_wanted_and_never_elsewhere(
    stranger: TestClient, token: str, wanted: str, then: str
) -> None:
    ours = {"Origin": "http://testserver"}
    answer = stranger.post("/login", params={"next": wanted}, data={"key": token}, headers=ours, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, then)


def test_without_authentication_everybody_may_do_everything(settings: Settings, token: str) -> None:
    with client_of(settings.model_copy(update={"auth": False}), None) as client:
        assert client.post("/v1/jobs", json=specs.job()).status_code == 201
        assert client.get("/v1/keys").status_code == 200


def test_no_secret_reaches_the_database_as_it_is(api: TestClient, stranger: TestClient, settings: Settings) -> None:
    token = api.post("/v1/keys", json={"name": "x"}).json()["token"]
    secret = signed_in(api, stranger).cookies[COOKIE]
    stored = b"".join(path.read_bytes() for path in settings.data_dir.glob("normlab.db*"))
    assert token.split("_")[2].encode() not in stored
    assert secret.encode() not in stored


def test_everybody_reads_everything_and_changes_what_is_their_own(
    api: TestClient, stranger: TestClient, store: Database
) -> None:
    _, ann = made(store, "read", "write")
    study = api.post("/v1/studies", json=specs.study()).json()["id"]
    job = api.post("/v1/jobs", json=specs.job()).json()["id"]
    run = api.get("/v1/runs", params={"job": job, "limit": 1}).json()["data"][0]["id"]
    for path in (f"studies/{study}", f"jobs/{job}", f"runs/{run}"):
        assert stranger.get(f"/v1/{path}", headers=ann).status_code == 200
        refused = [stranger.post(f"/v1/{path}/cancel", headers=ann)]
        if not path.startswith("runs"):
            refused.append(stranger.patch(f"/v1/{path}", json={"notes": "mine"}, headers=ann))
            refused.append(stranger.delete(f"/v1/{path}", headers=ann))
        assert [(answer.status_code, answer.json()["type"]) for answer in refused] == (
            [(403, "/problems/not-yours")] * len(refused)
        )
        assert "'owner'" in refused[0].json()["detail"]
    own = stranger.post("/v1/jobs", json=specs.job(), headers=ann).json()["id"]
    assert stranger.patch(f"/v1/jobs/{own}", json={"notes": "mine"}, headers=ann).status_code == 200
    assert stranger.post(f"/v1/jobs/{own}/cancel", headers=ann).status_code == 200
    assert api.delete(f"/v1/jobs/{own}").status_code == 204


def test_lists_are_filtered_by_owner(api: TestClient, stranger: TestClient) -> None:
    key = api.post("/v1/keys", json={"name": "notebook", "owner": "bob"}).json()
    assert key["owner"] == "bob"
    bob = {"Authorization": f"Bearer {key['token']}"}
    api.post("/v1/jobs", json=specs.job(seeds=3))
    study = stranger.post("/v1/studies", json=specs.study(), headers=bob).json()["id"]
    for path, of_bob, of_owner in (("studies", 1, 0), ("jobs", 4, 1), ("runs", 12, 3)):
        for owner, count in (("bob", of_bob), ("owner", of_owner), ("nobody", 0)):
            found = api.get(f"/v1/{path}", params={"owner": owner}).json()["data"]
            assert len(found) == count, (path, owner)
    assert api.get("/v1/studies", params={"owner": "bob"}).json()["data"][0]["id"] == study
