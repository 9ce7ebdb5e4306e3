"""Starts a program that ends when its parent ends: `python -m cli.guard SIGNAL PARENT_PID PROGRAM ARGUMENT…`.

On Linux the kernel is asked to send SIGNAL at the parent's death (it follows the parent's *thread*, so the parent must
start this from its main thread) and the program then replaces this process. Elsewhere this process stays, looks every
half second whether its parent is still there, and passes signals on.
"""

import ctypes
import os
import platform
import signal
import subprocess
import sys
import time
from types import FrameType

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.5


def main() -> int:
    death_signal, parent, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if platform.system() == "Linux":
        _ask_kernel(death_signal)
        if os.getppid() != parent:  # it ended before the request was in place
            return 1
        os.execv(command[0], command)  # noqa: S606 -- no shell is wanted: the argument list is our own
    return _stay(death_signal, parent, command)


def _ask_kernel(death_signal: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) was refused")


def _stay(death_signal: int, parent: int, command: list[str]) -> int:
    child = subprocess.Popen(command)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, pass_on)
    told = False  # once: a second request would make `normlab up` end everything at once
    while (status := child.poll()) is None:
        if not told and os.getppid() != parent:
            child.send_signal(death_signal)
            told = True
        time.sleep(POLL_SECONDS)
    return status if status >= 0 else 128 - status


def guarded(command: list[str], *, death_signal: int = signal.SIGKILL) -> list[str]:
    """The argument list that runs `command` (its program by absolute path) under this guard, as our child."""
    return [sys.executable, "-m", "cli.guard", str(int(death_signal)), str(os.getpid()), *command]


if __name__ == "__main__":
    sys.exit(main())
