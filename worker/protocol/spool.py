"""The files in which a runner reports: the spool, read by the supervising process in order, and the pulse.

A file and not a pipe: a step never waits for a reader, and what was written survives the runner. A few small facts that
change at each step (the step itself) lie in the pulse, a page of memory that both processes map.
"""

import json
import mmap
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

SPOOL = "spool"
LOG = "log"
PULSE = "pulse"


class Beat(NamedTuple):
    """What the pulse says."""

    pid: int
    step: int
    first: float
    """When the runner took the run, in seconds since the machine started (suspended time counted)."""
    last: float
    """When it last made a step."""
    progress: float
    seconds: float
    """Seconds of training, over all attempts."""
    seconds_left: float
    """Negative when unknown."""


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_LAYOUT = struct.Struct("<qqddddd")
_STEP = struct.Struct("<q")
_TIME = struct.Struct("<d")


def uptime() -> float:
    """Seconds since the machine started. Where the system can tell, time asleep counts: a lease runs on meanwhile."""
    return time.clock_gettime(_CLOCK)


class Pulse:
    """Writes the pulse; each write is one copy into mapped memory."""

    def __init__(self, path: Path) -> None:
        beat = Beat(os.getpid(), 0, uptime(), uptime(), 0.0, 0.0, -1.0)
        path.write_bytes(_LAYOUT.pack(*beat))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _LAYOUT.size)

    def step(self, step: int, at: float) -> None:
        _STEP.pack_into(self._memory, 8, step)
        _TIME.pack_into(self._memory, 24, at)

    def expect(self, progress: float, seconds: float, seconds_left: float | None) -> None:
        struct.pack_into("<ddd", self._memory, 32, progress, seconds, -1.0 if seconds_left is None else seconds_left)

    def close(self) -> None:
        self._memory.close()


def read_pulse(path: Path) -> Beat | None:
    """The pulse of an attempt; None before its runner has taken it."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return Beat(*_LAYOUT.unpack(data)) if len(data) == _LAYOUT.size else None


class SpoolWriter:
    """Appends messages, one JSON object a line; each reaches the kernel whole before the next step."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self.written = 0
        """Bytes."""

    def write(self, message: dict[str, Any]) -> None:
        """Append a message. Raises OSError when the disk refuses; then nothing of it is left in the file."""
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        try:
            left = line
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            self._file.truncate(self.written)
            raise
        self.written += len(line)

    def close(self) -> None:
        self._file.close()


class LineReader:
    """Reads the complete lines that were appended to a file since the last time; the file may not be there yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    @property
    def offset(self) -> int:
        """Bytes that were read."""
        return self._offset

    def lines(self, *, at_most: int = 1 << 22) -> Iterator[bytes]:
        """The new complete lines, at most so many bytes of them."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                block = file.read(at_most)
        except FileNotFoundError:
            return
        end = block.rfind(b"\n") + 1
        self._offset += end
        yield from block[:end].splitlines()

    def rest(self) -> bytes:
        """What follows the last complete line: the words of a process that was cut off."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                return file.read()
        except FileNotFoundError:
            return b""
