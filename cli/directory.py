"""The data directory as the supervisor sees it: its lock, and the record of what runs over it."""

import fcntl
import json
import os
import signal
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from cli.exits import CommandError

RECORD_NAME = "up.json"
LOCK_NAME = "up.lock"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
STALE_GRACE_SECONDS = 5.0


@dataclass
class DataDirectory:
    """A directory that one stack at a time works over. Two on one database and one broker log would corrupt both."""

    path: Path
    lock: IO[str] | None = None

    def prepare(self) -> None:
        """Make the directory (mode 0700) and prove that files can be written there.

        Raises CommandError, naming what is in the way.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.path / "logs").mkdir(mode=0o700, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path) as probe:
                probe.write(b"NormLab")
        except OSError as error:
            raise CommandError(
                f"The data directory {self.path} cannot be written: {error.strerror}.",
                details=("Choose another with NORMLAB_DATA_DIR or --data-dir.",),
            ) from error

    def take(self) -> None:
        """Hold the directory until this process ends. Raises CommandError when another one holds it."""
        lock = (self.path / LOCK_NAME).open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = self.record().get("pid", "unknown")
            lock.close()
            raise CommandError(
                f"Another `normlab up` (process {holder}) already works over {self.path}.",
                details=("Stop it with Ctrl-C there, or choose another directory with --data-dir.",),
            ) from error
        self.lock = lock

    def release(self) -> None:
        if self.lock is not None:
            self.lock.close()
            self.lock = None

    def record(self) -> dict[str, Any]:
        """What the running (or last, if it was killed) supervisor wrote down; empty when there is none."""
        with suppress(OSError, ValueError):
            record = json.loads((self.path / RECORD_NAME).read_text())
            return record if isinstance(record, dict) else {}
        return {}

    def write_record(self, record: dict[str, Any]) -> None:
        temporary = self.path / f"{RECORD_NAME}.new"
        temporary.write_text(json.dumps(record))
        temporary.replace(self.path / RECORD_NAME)

    def forget(self) -> None:
        (self.path / RECORD_NAME).unlink(missing_ok=True)

    def end_stale_processes(self) -> list[str]:
        """End what a killed supervisor left running; the names of what was ended. Only call while holding the lock."""
        stale = [
            (name, process)
            for name, entry in self.record().get("children", {}).items()
            if (process := _same_process(entry)) is not None
        ]
        for _, process in stale:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGTERM)
        _, alive = psutil.wait_procs([process for _, process in stale], timeout=STALE_GRACE_SECONDS)
        for process in alive:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        psutil.wait_procs(alive, timeout=STALE_GRACE_SECONDS)
        return [name for name, _ in stale]

    def stack(self) -> dict[str, Any] | None:
        """The record of the stack that runs over this directory now, or None."""
        record = self.record()
        return record if _same_process(record) is not None else None


def _same_process(entry: dict[str, Any]) -> psutil.Process | None:
    """The process an entry speaks of, unless it has ended and another one has its pid."""
    with suppress(psutil.Error, KeyError, TypeError, ValueError):
        process = psutil.Process(int(entry["pid"]))
        if start_of(process.pid) == entry["started"] and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def start_of(pid: int) -> str:
    """What tells a process from every other that ever has its pid; setting the clock does not change it.

    Raises psutil.NoSuchProcess.
    """
    if not BOOT_ID.exists():
        return str(psutil.Process(pid).create_time())
    try:
        # The 22nd field, counted from the end of the command's name, which may hold spaces: ticks since the boot.
        ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(pid) from None
    return f"{BOOT_ID.read_text(encoding='ascii').strip()}/{ticks}"


def own_start() -> dict[str, Any]:
    """The pid and start by which others recognise this process."""
    return {"pid": os.getpid(), "started": start_of(os.getpid()), "at": time.time()}
