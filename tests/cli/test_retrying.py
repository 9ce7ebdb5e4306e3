"""A submission is tried again under one key: what the service lost is made once, what it refused is not repeated."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest

from cli.client import Address, Client, retry_after
from cli.exits import CommandError, ExitCode
from cli.submit import send
from tests.cli.test_commands import JOB
from tests.stack import RunningStack


class Between(HTTPServer):
    """Hands requests on to a service, except that the first ones suffer what `mishaps` say."""

    def __init__(self, service: str, mishaps: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.service = service
        self.mishaps = mishaps
        self.keys: list[str | None] = []


class Handler(BaseHTTPRequestHandler):
    """One request: away (503), its key running (409), too fast (429), done but its answer lost, or answered."""

    server: Between

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.keys.append(self.headers["Idempotency-Key"])
        mishap = self.server.mishaps.pop(0) if self.server.mishaps else None
        if mishap == "away":
            self.send_error(503)
            return
        if mishap in {"running", "too fast"}:
            self.send_response(409 if mishap == "running" else 429)
            self.send_header("Retry-After", "0")
            self.end_headers()
            return
        passed = {name: self.headers[name] for name in ("Authorization", "Content-Type", "Idempotency-Key")}
        answer = httpx.post(self.server.service + self.path, content=body, headers=passed, trust_env=False)
        if mishap == "lost":
            return
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers["content-type"])
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def between(stack: RunningStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Between]:
    monkeypatch.setattr("cli.client.RETRY_SECONDS", (0.0, 0.0, 0.0))
    server = Between(stack.url, [])
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def client_of(between: Between, stack: RunningStack) -> Client:
    return Client(Address(f"http://127.0.0.1:{between.server_port}", stack.key, "the test"))


def test_a_job_whose_answer_was_lost_is_made_once(between: Between, stack: RunningStack) -> None:
    between.mishaps = ["away", "lost"]
    job = send(client_of(between, stack), {**JOB, "name": "made once"})
    assert len(between.keys) == 3
    assert len(set(between.keys)) == 1
    made = stack.client().get("/v1/jobs", search="made once")["data"]
    assert [each["id"] for each in made] == [job["id"]]


def test_a_job_whose_key_is_still_running_is_asked_for_again(between: Between, stack: RunningStack) -> None:
    between.mishaps = ["lost", "running", "running"]
    job = send(client_of(between, stack), {**JOB, "name": "asked for again"})
    assert len(set(between.keys)) == 1
    made = stack.client().get("/v1/jobs", search="asked for again")["data"]
    assert [each["id"] for each in made] == [job["id"]]


@pytest.mark.parametrize(
    ("status", "named", "wait"),
    [
        (503, None, 0), (503, "1", 1), (409, "1", 1), (429, "2", 2),
        (409, None, None), (429, None, None), (429, "60", None), (409, "soon", None), (404, "1", None),
    ],
)  # fmt: skip
def test_only_a_refusal_that_says_when_is_worth_another_try(status: int, named: str | None, wait: float | None) -> None:
    headers = {} if named is None else {"Retry-After": named}
    assert retry_after(httpx.Response(status, headers=headers)) == wait


def test_who_asks_too_fast_waits_and_asks_again(between: Between, stack: RunningStack) -> None:
    between.mishaps = ["too fast", "too fast"]
    send(client_of(between, stack), {**JOB, "name": "in its turn"})
    assert (len(between.keys), len(set(between.keys))) == (3, 1)


def test_a_refused_job_is_not_tried_again(between: Between, stack: RunningStack) -> None:
    with pytest.raises(CommandError) as caught:
        send(client_of(between, stack), {**JOB, "seeds": -1})
    assert caught.value.code is ExitCode.BAD_INPUT
    assert len(between.keys) == 1


def test_a_service_that_stays_away_is_given_up(between: Between, stack: RunningStack) -> None:
    between.mishaps = ["away"] * 9
    with pytest.raises(CommandError) as caught:
        send(client_of(between, stack), JOB)
    assert caught.value.code is ExitCode.SERVER_ERROR
    assert len(between.keys) == 4
