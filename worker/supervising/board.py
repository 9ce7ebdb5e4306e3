"""A page of memory that a worker's two processes share: who we are, whether we are busy, whether to drain."""

import json
import mmap
import struct
import time
from typing import Any

_SIZE = 4096
_DRAINING, _BUSY, _BEAT, _WORKER, _FACTS = 0, 1, 8, 16, 128
"""Where each thing lies: two flags, a time, then two texts that end with a zero byte."""
_TIME = struct.Struct("<d")


class Board:
    """Made before the fork, so that both processes see the same memory; each thing has one writer."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)

    @property
    def draining(self) -> bool:
        """Set by the main process: take no more runs, give the one in hand back."""
        return bool(self._memory[_DRAINING])

    @draining.setter
    def draining(self, value: bool) -> None:
        self._memory[_DRAINING] = int(value)

    @property
    def busy(self) -> bool:
        """Set by the pool process while it has work in hand."""
        return bool(self._memory[_BUSY])

    @busy.setter
    def busy(self, value: bool) -> None:
        self._memory[_BUSY] = int(value)

    def beat(self) -> None:
        """Called by the pool process whenever it looks after its runner."""
        _TIME.pack_into(self._memory, _BEAT, time.monotonic())

    @property
    def silence(self) -> float:
        """Seconds since the pool process last looked after its runner."""
        return time.monotonic() - float(_TIME.unpack_from(self._memory, _BEAT)[0])

    @property
    def worker_id(self) -> str:
        """Set by the main process once the worker is registered; empty before."""
        return self._read(_WORKER, _FACTS)

    @worker_id.setter
    def worker_id(self, value: str) -> None:
        self._write(_WORKER, _FACTS, value)

    @property
    def facts(self) -> dict[str, Any]:
        """Set by the pool process once its runner is warm: what it trains on; empty before."""
        text = self._read(_FACTS, _SIZE)
        return json.loads(text) if text.endswith("}") else {}

    @facts.setter
    def facts(self, value: dict[str, Any]) -> None:
        self._write(_FACTS, _SIZE, json.dumps(value))

    def _read(self, start: int, end: int) -> str:
        return self._memory[start:end].partition(b"\0")[0].decode(errors="replace")

    def _write(self, start: int, end: int, text: str) -> None:
        self._memory[start:end] = text.encode()[: end - start - 1].ljust(end - start, b"\0")
