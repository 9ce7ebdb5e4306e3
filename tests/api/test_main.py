"""The API process: a taken port, wrong settings, an empty database, and its imports."""

import socket
import subprocess
import sys

import pytest
from fastapi.sse import _PING_INTERVAL

from api.main import GONE_SECONDS, bind
from domain.settings import Settings
from tests.api.server import ROOT, running, start


def test_a_port_in_use_is_said_in_one_line(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start(settings.model_copy(update={"port": port}))
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.strip().splitlines() == [
        f"Cannot listen on 127.0.0.1:{port}: Address already in use. Choose another port with NORMLAB_PORT."
    ]


def test_authentication_off_on_an_open_address_is_refused(settings: Settings) -> None:
    process = start(settings, NORMLAB_AUTH="false", NORMLAB_HOST="0.0.0.0")
    _, said = process.communicate(timeout=60)
    assert (process.returncode, len(said.strip().splitlines())) == (1, 1)
    assert "loopback" in said


def test_an_empty_database_is_said_by_readyz_and_the_process_lives(settings: Settings) -> None:
    with running(settings, "") as api, api.client() as client:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["database"]["ok"]) == (503, False)
        assert "python -m migrations" in answer.json()["database"]["detail"]
        assert client.get("/v1/jobs").status_code in {401, 503}
        assert api.stop() == 0


def test_the_api_never_loads_torch_or_what_only_workers_need() -> None:
    code = (
        "import sys; from api.application import create_app; from domain.settings import Settings;"
        "create_app(Settings()).openapi(); print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()).isdisjoint({"torch", "celery", "numba", "sklearn", "worker", "lncore"})


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_USER_TIMEOUT is Linux's")
def test_a_follower_whose_machine_vanished_is_dropped_within_half_a_minute() -> None:
    """The kernel does it, for every connection, once a ping has not been acknowledged for so long."""
    with bind("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            waits = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) / 1000
    assert waits == GONE_SECONDS
    assert GONE_SECONDS + _PING_INTERVAL < 30
