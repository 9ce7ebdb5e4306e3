"""What comes in from the broker: our wake-ups and nothing else."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import redis

from domain.intake import is_wake
from domain.queue import make_celery, publish
from domain.settings import Settings


@pytest.fixture
def wake(socket: Path, tmp_path: Path) -> dict[str, Any]:
    """A message as it lies in the broker."""
    publish(make_celery(Settings(data_dir=tmp_path, broker_url=f"redis+socket://{socket}")), "run_1", "gpu")
    with redis.Redis(unix_socket_path=str(socket)) as broker:
        message: dict[str, Any] = json.loads(broker.lpop("gpu") or b"")  # type: ignore[arg-type]
    return message


def body(*parts: Any) -> str:
    return b64encode(json.dumps(parts).encode()).decode()


def test_what_is_published_comes_through(wake: dict[str, Any]) -> None:
    assert is_wake(json.dumps(wake).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"headers": {}},
        {"headers": None},
        {"properties": {}},
        {"body": "no base64"},
        {"body": body([], {"run_id": 1}, {})},
        {"body": body([], {"run_id": "run_1", "more": 1}, {})},
        {"body": body([])},
        {"body": None},
    ],
)
def test_a_message_with_a_part_of_another_shape_does_not(wake: dict[str, Any], change: dict[str, Any]) -> None:
    assert not is_wake(json.dumps({**wake, **change}).encode())


@pytest.mark.parametrize(
    "change", [{"task": "os.system"}, {"task": []}, {"eta": "2030-01-01"}, {"timelimit": 3}, {"id": None}]
)
def test_headers_that_celery_would_act_on_do_not(wake: dict[str, Any], change: dict[str, Any]) -> None:
    assert not is_wake(json.dumps({**wake, "headers": {**wake["headers"], **change}}).encode())


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"\xff", b"null", b"[]", b"[" * 100_000, b"1" * 5000, b'{"__type__": "bytes", "__value__": 1}'],
)
def test_what_is_no_json_or_no_object_does_not(raw: bytes) -> None:
    assert not is_wake(raw)
