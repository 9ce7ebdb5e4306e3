"""Idempotency keys whose first request this process is answering just now."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from domain.errors import KeyRunning


class RunningKeys:
    """The keys in hand. They live in memory, so none outlives the process that was answering."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: set[tuple[str, str, str]] = set()

    @contextmanager
    def hold(self, owner: str, route: str, key: str) -> Iterator[None]:
        """Hold the key for the block. Raises KeyRunning while another thread does."""
        place = (owner, route, key)
        with self._lock:
            if place in self._held:
                raise KeyRunning(key)
            self._held.add(place)
        try:
            yield
        finally:
            with self._lock:
                self._held.remove(place)
