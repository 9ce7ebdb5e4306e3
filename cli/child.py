"""One supervised process: how it is started, what its log says, how it is ended."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from cli.directory import start_of
from cli.guard import guarded

LOG_LIMIT_BYTES = 8 << 20
TAIL_LINES = 15


@dataclass(frozen=True)
class Program:
    """What is to be kept running.

    `ready` says whether it serves; the next program is started only then. `grace` is the time in seconds between the
    request to stop and the end by force.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    grace: float = 10.0
    ready: Callable[[], bool] = field(default=lambda: True)


class Child:
    """A program's present process, if any. A session of its own keeps the terminal's Ctrl-C away from it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    def start(self) -> None:
        """Start the process. Call from the main thread only: the guard's death signal follows the starting thread."""
        self._keep_log_small()
        with self.program.log.open("ab") as log:
            self.process = subprocess.Popen(
                guarded(list(self.program.command)),
                env=dict(self.program.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def exit_status(self) -> int | None:
        """None while it runs; otherwise its exit status, negative for a signal. What it left in its group is ended."""
        if self.process is None:
            return None
        status = self.process.poll()
        if status is not None:
            self._signal_group(signal.SIGKILL)
        return status

    def ask_to_stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        if self.process is not None:
            self._signal_group(signal.SIGKILL)
            self.process.wait()

    def start_mark(self) -> str | None:
        """What with the pid names this process for good (directory.start_of)."""
        with suppress(psutil.Error):
            return start_of(self.pid) if self.pid else None
        return None

    def last_lines(self, count: int = TAIL_LINES) -> list[str]:
        with suppress(OSError):
            return self.program.log.read_text(errors="replace").rstrip().splitlines()[-count:]
        return []

    def _signal_group(self, number: int) -> None:
        # The session's leader gave its pid to the group, so pool children of a killed leader are reached too.
        with suppress(ProcessLookupError, PermissionError):
            if self.process is not None:
                os.killpg(self.process.pid, number)

    def _keep_log_small(self) -> None:
        log = self.program.log
        with suppress(FileNotFoundError):
            if log.stat().st_size > LOG_LIMIT_BYTES:
                log.replace(log.with_suffix(".log.1"))


def describe_exit(status: int) -> str:
    """An exit status in words: "ended with code 3", "was killed by SIGKILL"."""
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with code {status}"
