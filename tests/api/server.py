"""The API as its own process (`python -m api.main`) over a directory, and a plain reader of event streams."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from cli.client import parse_events
from domain.settings import Settings
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]


@dataclass
class ApiProcess:
    """A running API."""

    process: "subprocess.Popen[str]"
    url: str
    token: str

    def client(self) -> httpx.Client:
        """With the owner's key; never through a proxy."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=20)

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


def start(settings: Settings, **environment: str) -> "subprocess.Popen[str]":
    """The process, not yet ready."""
    return subprocess.Popen(
        [sys.executable, "-m", "api.main"],
        cwd=ROOT,
        env={**os.environ, **settings.environment(), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running(settings: Settings, token: str) -> Iterator[ApiProcess]:
    """The API on a free port until the end of the block."""
    settings = settings.model_copy(update={"port": free_port()})
    process = start(settings)
    api = ApiProcess(process, f"http://127.0.0.1:{settings.port}", token)
    try:
        wait_until(lambda: answers(api))
        yield api
    finally:
        process.kill()
        process.communicate()


def answers(api: ApiProcess) -> bool:
    assert api.process.poll() is None, "the API ended instead of starting"
    try:
        return httpx.get(f"{api.url}/healthz", trust_env=False).is_success
    except httpx.TransportError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def following(api: ApiProcess, *, after: int | None = None, **query: Any) -> Iterator[Iterator[dict[str, Any]]]:
    """The events of a stream as they come, each {"seq", "kind", "data"}."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    with api.client() as client, client.stream("GET", "/v1/events", params=query, headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        yield parse_events(response.iter_lines())
