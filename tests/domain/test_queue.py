"""The door to the queue: the settings that keep messages harmless, and publishing to a real Valkey."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import redis
from kombu.exceptions import OperationalError

from domain.queue import make_celery, publish
from domain.settings import Settings


def test_a_message_is_json_with_the_id_in_the_queue_of_the_run(socket: Path, tmp_path: Path) -> None:
    app = make_celery(Settings(data_dir=tmp_path, broker_url=f"redis+socket://{socket}"))
    publish(app, "run_1", "gpu")
    with redis.Redis(unix_socket_path=str(socket)) as broker:
        assert broker.llen("gpu") == 1
        message: dict[str, Any] = json.loads(broker.lpop("gpu") or b"")  # type: ignore[arg-type]
    assert message["content-type"] == "application/json"
    assert message["headers"]["task"] == "normlab.wake"
    assert json.loads(base64.b64decode(message["body"]))[:2] == [[], {"run_id": "run_1"}]


def test_a_broker_that_is_not_there_is_an_error_and_not_a_wait(tmp_path: Path) -> None:
    app = make_celery(Settings(data_dir=tmp_path, broker_url="redis://127.0.0.1:1/0"))
    with pytest.raises(OperationalError):
        publish(app, "run_1", "default")


def test_only_json_is_accepted_and_nothing_is_redelivered_kept_or_steered(settings: Settings) -> None:
    conf = make_celery(settings).conf
    assert conf.accept_content == ["json"]
    assert conf.task_acks_late is conf.task_reject_on_worker_lost is False
    assert conf.result_backend is None
    assert conf.task_ignore_result
    assert conf.worker_enable_remote_control is conf.worker_send_task_events is False
    assert conf.worker_disable_prefetch
    assert conf.worker_cancel_long_running_tasks_on_connection_loss is False
    assert [queue.name for queue in conf.task_queues] == ["default", "cpu", "gpu"]
    assert conf.broker_transport_options["socket_timeout"] == 5
