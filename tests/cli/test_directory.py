"""The data directory: one stack at a time, and clear words when it can't be used."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from cli.directory import DataDirectory, own_start
from cli.exits import CommandError
from cli.up import write_down


def test_a_second_holder_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    first, second = DataDirectory(tmp_path), DataDirectory(tmp_path)
    first.take()
    first.write_record(own_start())
    with pytest.raises(CommandError) as caught:
        second.take()
    assert f"process {os.getpid()}" in caught.value.message
    first.release()
    second.take()
    second.release()


def test_the_lock_ends_with_a_killed_process(tmp_path: Path) -> None:
    script = (
        "import time\nfrom pathlib import Path\nfrom cli.directory import DataDirectory\n"
        f"held = DataDirectory(Path({str(tmp_path)!r})); held.take(); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
    again = DataDirectory(tmp_path)
    again.take()
    again.release()


@pytest.mark.parametrize("where", ["/proc/normlab", "a file"])
def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path, where: str) -> None:
    if where == "a file":
        (tmp_path / "file").write_text("")
        where = str(tmp_path / "file" / "data")
    with pytest.raises(CommandError) as caught:
        DataDirectory(Path(where)).prepare()
    assert where in caught.value.message
    assert "--data-dir" in caught.value.details[0]


def test_a_record_of_a_process_that_ended_speaks_of_no_running_stack(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.write_record({"pid": os.getpid(), "started": "another boot/1", "url": "http://127.0.0.1:1"})
    assert directory.stack() is None
    directory.write_record({**own_start(), "url": "http://127.0.0.1:1"})
    stack = directory.stack()
    assert stack is not None
    assert stack["url"] == "http://127.0.0.1:1"


def test_a_stack_is_found_again_after_the_clock_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = DataDirectory(tmp_path)
    directory.write_record(own_start())
    started = psutil.Process().create_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: started + 3600)
    assert directory.stack() is not None


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"pid": "x"}), json.dumps({"children": {}})])
def test_a_damaged_record_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / "up.json").write_text(text)
    assert DataDirectory(tmp_path).stack() is None


def test_a_record_that_cannot_be_written_is_said_and_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a full disk, for instance: what runs is still watched over."""
    directory = DataDirectory(tmp_path)
    write_down(directory, {**own_start()}, [])
    (tmp_path / "up.json.new").mkdir()
    write_down(directory, {**own_start(), "ready": True}, [])
    assert "could not be brought up to date" in " ".join(capsys.readouterr().out.split())
    assert directory.stack() is not None
