"""The supervisor's end of a runner: starts it ahead, hands it runs, tells it orders, notices its death, replaces it."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from domain.settings import Settings
from worker.protocol.assignment import Assignment, message

RUNS_EACH = 50
"""Runs after which a process is replaced, so that nothing small that leaks can grow."""
_SECRETS = ("NORMLAB_DATABASE_URL", "NORMLAB_BROKER_URL", "NORMLAB_OWNER_KEY")
MALLOC = {
    # glibc gives large blocks back to the system at every free, and the page faults of getting them again are the
    # largest cost of memory-bound layers on a CPU: 2.6 times the time of a layer norm, forward and backward.
    "MALLOC_MMAP_THRESHOLD_": str(8 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}
_CUDA = {
    # Deterministic runs need it.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    # So that a number in CUDA_VISIBLE_DEVICES means the GPU it means to nvidia-smi and NVML.
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
}
"""Must be there before CUDA starts."""


class RunnerFailedError(RuntimeError):
    """A runner ended before it was warm: no run can be trained here."""

    def __init__(self, status: int | None) -> None:
        super().__init__(f"The runner ended with status {status} before it was ready; its words are above.")


class KeptRunner:
    """One runner process."""

    def __init__(self, settings: Settings, on_look: Callable[[], None] = lambda: None) -> None:
        """`on_look` is called whenever its supervisor looks after it."""
        self._on_look = on_look
        orders, self._orders = os.pipe()
        self._reports, reports = os.pipe()
        command = [sys.executable, "-m", "worker.runner", str(os.getpid()), str(orders), str(reports)]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a program of our own with a fixed argument list
                command, env=_environment(settings), pass_fds=(orders, reports), stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(orders)
            os.close(reports)
        self._buffered = b""
        self._runs = 0
        self.is_clean = True
        self.facts: dict[str, Any] = {}

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_ready(self) -> bool:
        return bool(self.facts)

    @property
    def may_take_another(self) -> bool:
        return self.is_clean and self._process.poll() is None and self._runs < RUNS_EACH

    def wait_for_news(self, seconds: float) -> None:
        """Return when the runner says something or ends, at the latest after so many seconds."""
        self._on_look()
        if select.select([self._reports], [], [], seconds)[0]:
            received = os.read(self._reports, 1 << 16)
            if not received:
                # The pipe closes a moment before the process can be waited for.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(timeout=seconds)
            *lines, self._buffered = (self._buffered + received).split(b"\n")
            for line in filter(None, lines):
                self.facts = json.loads(line)

    def wait_until_ready(self, seconds: float) -> bool:
        """Whether it became warm within so many seconds. Raises RunnerFailedError when it ended instead."""
        deadline = time.monotonic() + seconds
        while not self.is_ready and time.monotonic() < deadline:
            self.wait_for_news(min(0.2, max(0.0, deadline - time.monotonic())))
            if self.exit_status is not None:
                raise RunnerFailedError(self.exit_status)
        return self.is_ready

    def begin(self, assignment: Assignment) -> None:
        self._runs += 1
        self._send(assignment.to_line())

    def order(self, order: str, **parts: Any) -> None:
        """Tell the runner; one that is gone is noticed by its exit status."""
        self._send(message(order=order, **parts))

    def _send(self, line: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):
            while line:
                line = line[os.write(self._orders, line) :]

    @property
    def exit_status(self) -> int | None:
        """As of subprocess: negative for a signal; None while it lives."""
        return self._process.poll()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def end(self, seconds: float = 5) -> None:
        """Let it go: politely first."""
        self.order("quit")
        os.close(self._orders)
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        os.close(self._reports)


def _environment(settings: Settings) -> dict[str, str]:
    """What a runner gets: the settings without secrets it has no use for, and how glibc and cuBLAS should behave."""
    given = {**os.environ, **settings.environment()}
    kept = {name: value for name, value in given.items() if not name.removesuffix("_FILE").startswith(_SECRETS)}
    return {**kept, **_CUDA, **(MALLOC if sys.platform == "linux" else {})}
