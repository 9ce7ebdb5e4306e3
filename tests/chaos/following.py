"""Somebody who follows the event stream through it all, and goes on after the last event seen when it breaks."""

import threading
import time
from itertools import pairwise

import httpx

from cli.client import Client
from cli.exits import CommandError
from tests.waiting import wait_until


class Follower:
    """Reads from the first event on, in a thread of its own with a client of its own."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._seen: list[int] = [0]
        self._ended = 0
        self.breaks = 0
        threading.Thread(target=self._follow, name="follower", daemon=True).start()

    def problems(self, *, runs: int) -> list[str]:
        """What was seen twice, or not at all, up to the end of the last of so many runs: I9 as a browser meets it."""
        wait_until(lambda: self._ended == runs, seconds=20)
        seen = self._seen.copy()
        return [f"event {later} was seen after {earlier}" for earlier, later in pairwise(seen) if later != earlier + 1]

    def _follow(self) -> None:
        while True:
            try:
                for event in self._client.stream("/v1/events", after=self._seen[-1]):
                    if event["seq"] is not None:
                        self._seen.append(event["seq"])
                        self._ended += event["kind"] == "run_succeeded"
            except (CommandError, httpx.HTTPError):
                time.sleep(0.02)
            self.breaks += 1
