"""Keeps a row of programs running: starts in order, restarts after crashes with back-off, stops in reverse."""

import os
import select
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

from cli.child import Child, Program, describe_exit
from cli.exits import CommandError

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Limits:
    """How many crashes of one program within how many seconds end the stack, and how long a start may take."""

    crashes: int = 5
    window: float = 60.0
    start_seconds: float = 60.0


@dataclass
class Watched:
    """A child with its history of crashes; `restart_at` (monotonic) is set while it waits for its next start."""

    child: Child
    crashes: deque[float] = field(default_factory=deque)
    restart_at: float | None = None


class Supervisor:
    """Owns the processes of a stack. Everything happens in the main thread, which signals may interrupt.

    `on_change` is called after any process was started or ended, with the children as they are now.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        limits: Limits,
        say: Callable[[str], None],
        on_change: Callable[[list[Child]], None],
    ) -> None:
        self.watched = [Watched(Child(program)) for program in programs]
        self.limits = limits
        self.say = say
        self.on_change = on_change
        self.interrupts = 0
        self._wakeup_read, self._wakeup_write = os.pipe()

    @property
    def children(self) -> list[Child]:
        return [watched.child for watched in self.watched]

    def take_signals(self) -> None:
        """From now on Ctrl-C and SIGTERM ask for a stop, and a child's end wakes the loop at once."""
        for descriptor in (self._wakeup_read, self._wakeup_write):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupted)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    def start(self) -> None:
        """Start every program, each when the one before it serves. Raises CommandError when one does not come up."""
        for watched in self.watched:
            if self.interrupts:
                return
            watched.child.start()
            self.on_change(self.children)
            self._wait_until_ready(watched.child)

    def watch(self) -> None:
        """Keep everything running until a stop is asked for. Raises CommandError when a program crashes too often."""
        while not self.interrupts:
            for watched in self.watched:
                self._look_at(watched)
            self._sleep(self._until_next_restart())

    def stop(self) -> None:
        """Stop in reverse order; a second Ctrl-C ends the rest by force."""
        for watched in reversed(self.watched):
            watched.restart_at = None
            self._stop_one(watched.child)
        self.on_change(self.children)

    def _interrupted(self, _number: int, _frame: FrameType | None) -> None:
        self.interrupts += 1

    def _sleep(self, seconds: float) -> None:
        """Sleep, but not past a signal: the end of a child is one."""
        readable, _, _ = select.select([self._wakeup_read], [], [], seconds)
        if readable:
            os.read(self._wakeup_read, 4096)

    def _until_next_restart(self) -> float:
        waits = [watched.restart_at - time.monotonic() for watched in self.watched if watched.restart_at is not None]
        return max(0.0, min([LOOK_SECONDS, *waits]))

    def _wait_until_ready(self, child: Child) -> None:
        deadline = time.monotonic() + self.limits.start_seconds
        while not self.interrupts and not child.program.ready():
            status = child.exit_status()
            if status is not None:
                child.process = None
                raise CommandError(f"{child.name} {describe_exit(status)} while starting.", details=_log_of(child))
            if time.monotonic() > deadline:
                raise CommandError(
                    f"{child.name} did not serve within {self.limits.start_seconds:.0f} s.", details=_log_of(child)
                )
            self._sleep(0.05)

    def _look_at(self, watched: Watched) -> None:
        now = time.monotonic()
        if watched.restart_at is not None and now >= watched.restart_at:
            watched.restart_at = None
            watched.child.start()
            self.on_change(self.children)
        status = watched.child.exit_status()
        if status is not None:
            watched.child.process = None
            self.on_change(self.children)
            self._count_crash(watched, status, now)

    def _count_crash(self, watched: Watched, status: int, now: float) -> None:
        """Plan the next start, later with each recent crash, or give up."""
        name, crashes = watched.child.name, watched.crashes
        crashes.append(now)
        while crashes[0] < now - self.limits.window:
            crashes.popleft()
        if len(crashes) >= self.limits.crashes:
            raise CommandError(
                f"{name} ended {len(crashes)} times within {self.limits.window:.0f} s; the last time it "
                f"{describe_exit(status)}. Everything else was stopped.",
                details=_log_of(watched.child),
            )
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (len(crashes) - 1))
        watched.restart_at = now + delay
        self.say(f"{name} {describe_exit(status)}; it starts again in {delay:.1f} s.")

    def _stop_one(self, child: Child) -> None:
        if child.process is None:
            return
        child.ask_to_stop()
        deadline = time.monotonic() + child.program.grace
        while self.interrupts < 2 and time.monotonic() < deadline and child.process.poll() is None:
            self._sleep(0.05)
        child.kill()
        child.process = None


def _log_of(child: Child) -> tuple[str, ...]:
    lines = child.last_lines()
    return (f"Its log, {child.program.log}, ends:", *(f"  {line}" for line in lines)) if lines else ()
