"""The runner: a process of its own that trains one run after another. `python -m worker.runner PARENT ORDERS REPORTS`.

It is started ahead by the worker's supervising process and waits warm. Orders come as lines through one pipe, a byte
through the other tells the supervisor to look into the spool, and the end of either means that the other side is gone.
"""

import ctypes
import json
import math
import os
import queue
import select
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from worker.protocol.exits import FENCED, PREEMPTED, STORAGE
from worker.protocol.lifeline import offer_to_oom_killer, tie_to_parent

_LOOK = 0.5
"""Seconds between two looks at the fence while no order comes; a step that hangs is fenced all the same."""


class Post:
    """The runner's end of the two pipes. A thread reads the orders, so that they arrive during a step."""

    def __init__(self, orders: int, reports: int) -> None:
        from domain.run import Orders
        from worker.training.desk import Standing

        self._orders_pipe = orders
        self._reports_pipe = reports
        os.set_blocking(reports, False)
        self.words = Orders
        self.standing = Standing(math.inf)
        self.assignments: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._listen, name="orders", daemon=True).start()

    def nudge(self) -> None:
        """Tell the supervisor that there is something in the spool."""
        try:
            os.write(self._reports_pipe, b"\n")
        except BlockingIOError:
            return  # It has thousands of nudges to read already.

    def say(self, **parts: Any) -> None:
        os.write(self._reports_pipe, json.dumps(parts).encode() + b"\n")

    def _listen(self) -> None:
        buffered = b""
        while True:
            if select.select([self._orders_pipe], [], [], _LOOK)[0]:
                received = os.read(self._orders_pipe, 1 << 16)
                if not received:
                    os._exit(FENCED)  # Nobody is left to give orders or to tell us that the run is still ours.
                *lines, buffered = (buffered + received).split(b"\n")
                for line in lines:
                    self._obey(json.loads(line))
            if self.standing.is_fenced:
                os._exit(FENCED)

    def _obey(self, received: dict[str, Any]) -> None:
        order = received["order"]
        if order in {"begin", "quit"}:
            if order == "begin":
                self.standing.orders = self.words.GO
                self.standing.fence_at = received["fence_at"]
                self.standing.shipped = 0
            self.assignments.put(received)
        elif order == "fence":
            # A beat that was under way when the run ended must not put an end to the idle process.
            if math.isfinite(self.standing.fence_at):
                self.standing.fence_at = received["fence_at"]
                self.standing.shipped = received["shipped"]
        else:
            self.standing.orders = self.words(order)


def main() -> int:
    parent, orders, reports = map(int, sys.argv[1:4])
    tie_to_parent(parent)
    offer_to_oom_killer()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    post = Post(orders, reports)
    preempted = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: _preempt(post, preempted))
    return _serve(post, preempted)


def _preempt(post: Post, preempted: threading.Event) -> None:
    """TERM from outside: stop at the next step, save, and end."""
    preempted.set()
    post.standing.orders = post.words.DRAIN
    post.assignments.put({"order": "quit"})


def _serve(post: Post, preempted: threading.Event) -> int:
    # Torch only now: the lifeline is tied first, and the second this takes belongs to the warm-up.
    from domain.settings import Settings
    from worker.protocol.assignment import Assignment
    from worker.training.attempt import carry_out
    from worker.training.desk import NO_SPACE, FencedError
    from worker.training.warmup import describe_device, warm_up

    settings = Settings()
    device = warm_up(settings.device, settings.threads)
    post.say(ready=True, device=device.type, device_name=describe_device(device))
    while (received := post.assignments.get())["order"] == "begin":
        assignment = Assignment.from_message(received)
        _log_into(assignment.attempt_directory)
        try:
            clean = carry_out(assignment, settings, post.standing, post.nudge)
        except FencedError:
            return FENCED
        except OSError as error:
            # It could not even be said in the spool what went wrong.
            if error.errno not in NO_SPACE:
                raise
            return STORAGE
        post.standing.fence_at = math.inf
        post.nudge()
        if not clean:
            return 1
        if preempted.is_set():
            return PREEMPTED
        _give_back_memory()
    return PREEMPTED if preempted.is_set() else 0


def _log_into(directory: Path) -> None:
    """From here on, whatever this process prints belongs to the run, words of native code included."""
    directory.mkdir(parents=True, exist_ok=True)
    log = os.open(directory / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def _give_back_memory() -> None:
    """Return what the run freed, so that the next one's memory is measured from the same floor (glibc only)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


if __name__ == "__main__":
    sys.exit(main())
