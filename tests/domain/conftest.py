"""A broker for the tests of this folder."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.valkey import server_binary as server_program
from tests.waiting import wait_until


@pytest.fixture
def socket() -> Iterator[Path]:
    """The socket of a Valkey of its own."""
    directory = Path(tempfile.mkdtemp(prefix="nl-vk-", dir="/tmp"))  # Short: a socket's path has 107 bytes at most.
    path = directory / "s"
    server = subprocess.Popen(
        [str(server_program()), "--port", "0", "--unixsocket", str(path), "--dir", str(directory)],
        stdout=subprocess.DEVNULL,
    )
    wait_until(path.exists)
    yield path
    server.terminate()
    server.wait()
    shutil.rmtree(directory)
