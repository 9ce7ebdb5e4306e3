"""Runs attempts in forks of one process, each of which dies where it is told to.

Run as `python -m tests.worker.training.forks`. It reads lines `{"assignment": …, "die_at_step": …, "die_at_sync": …}`
and answers each with the exit status of the fork that carried it out. Torch is warmed up once, without a GPU and with
one thread: then it has started no thread of its own, so a fork of it is sound, and takes milliseconds.
"""

import json
import math
import os
import signal
import sys
from pathlib import Path
from typing import Any

from domain.settings import Settings
from worker.protocol.assignment import Assignment
from worker.training.attempt import carry_out
from worker.training.desk import RunnerDesk, Standing
from worker.training.warmup import warm_up


def main() -> None:
    settings = Settings()
    warm_up("cpu", 1)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(_attempt(json.loads(line), settings))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _attempt(asked: dict[str, Any], settings: Settings) -> int:
    os.dup2(2, 1)  # What an attempt says goes into its log; standard output here carries exit statuses.
    _die_at_step(asked["die_at_step"])
    _die_at_sync(asked["die_at_sync"])
    assignment = Assignment.from_message(asked["assignment"])
    assignment.attempt_directory.mkdir(parents=True, exist_ok=True)
    return 0 if carry_out(assignment, settings, Standing(math.inf), lambda: None) else 1


def _die_at_step(wanted: int) -> None:
    original = RunnerDesk.pulse

    def pulse(self: RunnerDesk, step: int) -> None:
        original(self, step)
        if step == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    RunnerDesk.pulse = pulse  # type: ignore[method-assign]


def _die_at_sync(wanted: int) -> None:
    """Die before the n-th time that something is made durable: a file synced, or a directory renamed."""
    count = 0
    originals: dict[str, Any] = {"fsync": os.fsync, "rename": Path.rename}

    def counted(name: str) -> Any:
        def durable(*args: Any) -> Any:
            nonlocal count
            count += 1
            if count == wanted:
                os.kill(os.getpid(), signal.SIGKILL)
            return originals[name](*args)

        return durable

    os.fsync = counted("fsync")
    Path.rename = counted("rename")  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
