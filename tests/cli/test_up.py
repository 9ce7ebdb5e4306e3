"""Starting and stopping the stack: refusals that change nothing, ends that leave nothing."""

import os
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.stack import RunningStack, end, environment_of, normlab, start_stack


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield int(taken.getsockname()[1])


def test_a_second_stack_over_one_directory_is_refused(stack: RunningStack) -> None:
    done = stack.normlab("up", "--port", "0")
    assert done.returncode == 1
    assert f"Another `normlab up` (process {stack.process.pid}) already works over" in done.stderr
    assert stack.normlab("ls").returncode == 0


def test_a_port_in_use_is_named_before_anything_starts(tmp_path: Path, taken_port: int) -> None:
    done = normlab("up", "--port", str(taken_port), environment=environment_of(tmp_path / "data"))
    assert done.returncode == 1
    assert f"Port {taken_port} on 127.0.0.1 cannot be used" in done.stderr
    assert not (tmp_path / "data" / "normlab.db").exists()


def test_a_directory_that_cannot_be_written_is_named() -> None:
    done = normlab("up", environment=environment_of(Path("/proc/normlab")))
    assert done.returncode == 1
    assert "The data directory /proc/normlab cannot be written" in done.stderr


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "eighty"), ("SELF_FENCE", "100"), ("AUTH", "off"), ("LEASE", "-1")]
)
def test_a_setting_that_cannot_work_is_named(tmp_path: Path, name: str, value: str) -> None:
    environment = {**environment_of(tmp_path / "data"), "NORMLAB_HOST": "0.0.0.0", f"NORMLAB_{name}": value}
    done = normlab("up", environment=environment)
    assert done.returncode == 2
    assert f"NORMLAB_{name}" in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_database_of_a_newer_release_is_left_as_it_is(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    with sqlite3.connect(directory / "normlab.db") as database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        database.execute("INSERT INTO alembic_version VALUES ('from_the_future')")
    before = contents(directory / "normlab.db")
    done = normlab("up", "--port", "0", environment=environment_of(directory))
    assert done.returncode == 1
    assert "The database could not be prepared" in done.stderr
    assert "from_the_future" in done.stderr
    assert contents(directory / "normlab.db") == before


def contents(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as opened:
        return list(opened.iterdump())


def test_a_broker_that_is_named_is_not_embedded(tmp_path: Path) -> None:
    """One that is not there is waited for, and the stack still stops."""
    environment = environment_of(tmp_path / "data", broker_url="redis://127.0.0.1:9/0")
    stack = start_stack(tmp_path / "data", broker_url="redis://127.0.0.1:9/0")
    assert stack.pid("valkey") is None
    assert normlab("ls", environment=environment).returncode == 0
    assert stack.stop() == 0
    end(stack)


def test_interrupts_stop_it_and_the_next_start_goes_on(tmp_path: Path) -> None:
    """Ctrl-C once; then kill -9 of the supervisor and a start at once; then Ctrl-C twice. Nothing is left each time."""
    directory = tmp_path / "data"
    stack = start_stack(directory)
    family = stack.processes()
    assert {stack.pid(name) is not None for name in ("valkey", "dispatcher", "worker", "api")} == {True}
    assert stack.stop(signal.SIGINT) == 0
    gone(family)
    assert not (directory / "up.json").exists()
    end(stack)

    stack = start_stack(directory)
    family = stack.processes()
    os.kill(stack.process.pid, signal.SIGKILL)
    stack.process.wait()
    end(stack)
    stack = start_stack(directory)
    gone(family)
    assert normlab("ls", environment=stack.environment).returncode == 0

    family = stack.processes()
    stack.process.send_signal(signal.SIGINT)
    assert stack.process.stdout is not None
    while not stack.process.stdout.readline().startswith("Stopping"):
        assert stack.process.poll() is None
    assert stack.stop(signal.SIGINT) == 0
    gone(family)
    end(stack)


def gone(family: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
