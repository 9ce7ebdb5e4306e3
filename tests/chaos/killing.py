"""Random kills of a running stack, by seed: who is killed, when, and the history that a failure prints."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from cli.client import Client, Record, TryAgainError
from cli.exits import CommandError, ExitCode
from domain.database import Database
from domain.settings import Settings
from tests.stack import RunningStack
from tests.waiting import wait_until

VICTIMS = {"runner": 4, "worker": 2, "pool": 2, "valkey": 5, "api": 5, "dispatcher": 4}
"""How often each kind of process is killed: 22 kills. `pool` is the worker's child, which watches over the runner."""
RUNNING = frozenset({"runner", "worker", "pool"})
"""Those whose death ends an attempt."""
TRAINING = frozenset({"training", "evaluating", "saving"})
"""The phases of a run that has something to lose."""
LONGEST_PAUSE = 0.3
AWAY = frozenset({ExitCode.UNREACHABLE, ExitCode.SERVER_ERROR})


@dataclass
class History:
    """What was done, in order; printed when the test fails."""

    seed: int
    started: float = field(default_factory=time.monotonic)
    entries: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)
    """Seconds from each kill that ended an attempt until a run trained again."""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def note(self, text: str) -> None:
        self.entries.append(f"{self.seconds:7.2f} s  {text}")

    def __str__(self) -> str:
        return "\n".join([f"seed {self.seed}", *self.entries])


T = TypeVar("T")


def patiently(call: Callable[[], T], *, seconds: float = 30.0) -> T:
    """The answer of a call to the API, which may have been killed a moment ago and is then asked again."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return call()
        except CommandError as error:
            again = error.code in AWAY or isinstance(error, TryAgainError)
            if not again or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def pid_of(stack: RunningStack, kind: str) -> int | None:
    """The pid of such a process now; None while it is being started."""
    if kind == "runner":
        return stack.runner()
    return stack.pool() if kind == "pool" else stack.pid(kind)


class Killer:
    """Kills one process after another with -9.

    Three attempts in a row without a new checkpoint rightly fail a run, so an attempt is ended only where the run has
    saved one since that happened the last time. `keep_busy` is called while waiting, to have runs to disturb.
    """

    def __init__(self, stack: RunningStack, client: Client, history: History, keep_busy: Callable[[], None]) -> None:
        self.stack = stack
        self.client = client
        self.history = history
        self.keep_busy = keep_busy
        self.random = random.Random(history.seed)
        self.saved: dict[str, int] = {}
        """By run, the step of its newest checkpoint when it was last disturbed."""
        self.disturbed: tuple[Record, float] | None = None
        """The run whose attempt was ended last, and when, until a run trains again."""

    def kill_everything_once_in_a_while(self) -> None:
        order = [kind for kind, count in VICTIMS.items() for _ in range(count)]
        self.random.shuffle(order)
        for kind in order:
            pid = wait_until(partial(self._victim, kind), seconds=60, every=0.05)
            assert pid is not None
            time.sleep(self.random.uniform(0.0, LONGEST_PAUSE))
            self._kill(kind, pid)

    def hold_the_database(self, seconds: float) -> None:
        """Let nobody write for so long while a run trains: beyond the lease, its runner has stopped by itself."""
        wait_until(partial(self._victim, "runner"), seconds=60, every=0.05)
        database = Database.open(Settings(data_dir=self.stack.directory))
        with database.write():
            time.sleep(seconds)
        database.close()
        self.history.note(f"nobody could write for {seconds:g} s")

    def _kill(self, kind: str, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.history.kills[kind] += 1
            self.history.note(f"kill -9 {kind} ({pid})")

    def _victim(self, kind: str) -> int | None:
        """The pid of such a process, once killing it disturbs something; None means ask again."""
        self.keep_busy()
        run = self._training_run()
        if run is None:
            return None
        if kind not in RUNNING:
            return pid_of(self.stack, kind)
        newest = self._newest_checkpoint(run)
        if newest <= self.saved.get(run["id"], -1):
            return None
        pid = pid_of(self.stack, kind)
        if pid is not None:
            self.saved[run["id"]] = newest
            self.disturbed = (run, time.monotonic())
        return pid

    def _training_run(self) -> Record | None:
        runs = patiently(lambda: self.client.get("/v1/runs", status="running")["data"])
        run = next((run for run in runs if run["phase"] in TRAINING and run["step"] > 0), None)
        if run is not None and self.disturbed is not None:
            before, since = self.disturbed
            if run["id"] != before["id"] or run["attempt"] > before["attempt"]:
                self.history.recoveries.append(time.monotonic() - since)
                self.disturbed = None
        return run

    def _newest_checkpoint(self, run: Record) -> int:
        checkpoints = patiently(lambda: self.client.get(f"/v1/runs/{run['id']}/checkpoints")["data"])
        return max((checkpoint["step"] for checkpoint in checkpoints), default=0)
