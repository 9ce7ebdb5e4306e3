"""The compose stack: what its file promises, and a study over the published port while every service is restarted."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

ROOT = Path(__file__).parents[2]
OURS = ("migrate", "api", "dispatcher", "worker-cpu", "worker-gpu")
SERVICES = ("postgres", "redis", "api", "dispatcher", "worker-cpu")
STUDY: dict[str, Any] = {
    "name": "compose-check",
    "question": "Does the stack train, compare and survive restarts?",
    "base": {
        "dataset": {"kind": "digits"},
        "architecture": {"kind": "mlp", "hidden": [32]},
        "normalization": {"kind": "layer_norm"},
        "training": {"batch_size": 32, "budget": {"steps": 200}, "optimizer": {"kind": "adam", "lr": 1e-3}},
    },
    "vary": {"normalization": [{"kind": "none"}, {"kind": "layer_norm"}]},
    "seeds": 3,
    "metric": {"name": "test_error", "at": "final"},
    "baseline": {"normalization.kind": "layer_norm"},
}


def services() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def test_only_the_api_has_a_port_and_it_is_on_loopback() -> None:
    assert [name for name, service in services().items() if "ports" in service] == ["api"]
    assert services()["api"]["ports"] == ["${NORMLAB_PUBLISH:-127.0.0.1:8787}:8787"]


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_no_root_no_writable_system_and_no_capabilities(name: str) -> None:
    service = services()[name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["init"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]


def test_the_broker_is_reached_from_inside_only_and_its_password_is_on_no_command_line() -> None:
    redis = services()["redis"]
    assert redis["networks"] == ["inside"]
    assert yaml.safe_load((ROOT / "docker-compose.yml").read_text())["networks"]["inside"]["internal"] is True
    assert not [word for word in redis["command"] if "requirepass ${" in word]


def test_workers_are_given_longer_to_stop_than_a_runner_is_given_to_end() -> None:
    assert services()["worker-cpu"]["stop_grace_period"] == "60s"


class Compose:
    """A compose project of its own on a free port of 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.project = f"normlab-check-{os.getpid()}"
        self.environment = folder / "env"
        self.environment.write_text(
            f"POSTGRES_PASSWORD=check-postgres\nREDIS_PASSWORD=check-redis\nNORMLAB_PUBLISH=127.0.0.1:{self.port}\n",
        )
        self.url = f"http://127.0.0.1:{self.port}"

    def __call__(self, *words: str, timeout: float = 900) -> str:
        command = ["docker", "compose", "--project-name", self.project, "--env-file", str(self.environment), *words]
        environment = {**os.environ, "NORMLAB_PUBLISH": f"127.0.0.1:{self.port}"}
        environment |= {"POSTGRES_PASSWORD": "check-postgres", "REDIS_PASSWORD": "check-redis"}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
        return done.stdout

    def client(self) -> httpx.Client:
        key = self("exec", "-T", "api", "cat", "/data/owner.key").strip()
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=30)


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.fail("no Docker engine answers: start one, or set DOCKER_HOST")
    stack = Compose(tmp_path_factory.mktemp("compose"))
    stack("build", timeout=1500)
    try:
        stack("up", "--detach", "--wait", "--wait-timeout", "300")
        yield stack
    finally:
        print(stack("logs", "--no-color", "--tail", "150"))
        stack("down", "--volumes", "--timeout", "70")


def finished(client: httpx.Client, study: str, *, within: float) -> dict[str, Any]:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            answer = client.get("/v1/runs", params={"study": study, "limit": 200})
        except httpx.TransportError:
            continue  # the API itself is being restarted
        # 503 is what a client is told to repeat: the database is being restarted. Anything else is a mistake.
        runs = [] if answer.status_code == 503 else answer.raise_for_status().json()["data"]
        if runs and all(run["status"] in {"succeeded", "failed", "cancelled"} for run in runs):
            return {run["id"]: run for run in runs}
        time.sleep(0.5)
    pytest.fail(f"study {study} was not finished within {within:.0f} s: {runs}")


@pytest.mark.compose
def test_a_study_over_the_published_port_is_trained_and_compared(compose: Compose) -> None:
    with compose.client() as client:
        made = client.post("/v1/studies", json=STUDY)
        assert made.status_code == 201, made.text
        runs = finished(client, made.json()["id"], within=240)
        assert [run["status"] for run in runs.values()] == ["succeeded"] * 6
        comparison = client.get("/v1/comparisons", params={"study": made.json()["id"]}).raise_for_status().json()
        assert {group["n"] for group in comparison["groups"]} == {3}
        assert [difference["pairs"] for difference in comparison["differences"]] == [3]


@pytest.mark.compose
def test_the_link_that_opens_the_dashboard_is_made_inside_the_container(compose: Compose) -> None:
    link = compose("exec", "-T", "api", "python", "-m", "cli.main", "login").strip()
    assert link.startswith("http://127.0.0.1:8787/login?code=")


@pytest.mark.compose
@pytest.mark.parametrize("service", SERVICES)
def test_restarting_a_service_in_the_middle_of_a_study_loses_nothing(compose: Compose, service: str) -> None:
    with compose.client() as client:
        name = f"restart-{service}"
        made = client.post("/v1/studies", json={**STUDY, "name": name}, headers={"Idempotency-Key": name})
        assert made.status_code == 201, made.text
        compose("restart", "--timeout", "70", service)
        runs = finished(client, made.json()["id"], within=300)
        assert [run["status"] for run in runs.values()] == ["succeeded"] * 6


@pytest.mark.compose
def test_the_dashboard_answers_on_the_published_port(compose: Compose) -> None:
    assert httpx.get(f"{compose.url}/healthz").status_code == 200
    assert httpx.get(f"{compose.url}/v1/jobs").status_code == 401
