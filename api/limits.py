"""How often one may ask: a bucket of requests for each key, writes apart from reads, and one for wrong keys by address.

A bucket holds ten seconds' worth and fills up steadily. The buckets live in memory: each API process counts its own.
The answer's headers say what is left (draft-ietf-httpapi-ratelimit-headers-10). Event streams and static files don't
count.
"""

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import TooManyFailures, TooManyRequests, answer
from domain.errors import NotAuthenticated
from domain.settings import Settings

BURST_SECONDS = 10
MOST_NAMES = 10_000
"""Buckets and known secrets that are remembered; the longest unused are forgotten first."""
FREE_PATHS = frozenset({"/v1/events"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Allowance(NamedTuple):
    """What a bucket holds after somebody took from it: whole requests, and seconds."""

    granted: bool
    left: int
    until_next: float
    until_full: float


class Buckets:
    """A bucket for each name, full at first. A rate of 0 (requests per second) means no limit."""

    def __init__(self, kind: str, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.kind = kind
        self.rate = rate
        self.size = max(1.0, rate * BURST_SECONDS)
        self._clock = clock
        self._lock = Lock()
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, amount: int = 1) -> Allowance:
        """Take so many requests if they are there; with 0, look."""
        if not self.rate:
            return Allowance(granted=True, left=0, until_next=0, until_full=0)
        with self._lock:
            now = self._clock()
            level, at = self._levels.pop(name, (self.size, now))
            level = min(self.size, level + (now - at) * self.rate)
            granted = level >= max(1, amount)
            level -= amount if granted else 0
            self._levels[name] = (level, now)
            if len(self._levels) > MOST_NAMES:
                self._levels.popitem(last=False)
        return Allowance(granted, int(level), max(0.0, 1 - level) / self.rate, (self.size - level) / self.rate)

    def headers(self, allowance: Allowance) -> dict[str, str]:
        """What the answer says about it; nothing where there is no limit."""
        if not self.rate:
            return {}
        return {
            "RateLimit-Policy": f'"{self.kind}";q={int(self.size)};w={BURST_SECONDS}',
            "RateLimit": f'"{self.kind}";r={allowance.left};t={math.ceil(allowance.until_full)}',
        }


class Limits:
    """The buckets of one process, and the secrets that were right lately."""

    def __init__(self, settings: Settings) -> None:
        self.reads = Buckets("reads", settings.read_rate)
        self.writes = Buckets("writes", settings.write_rate)
        self.failures = Buckets("failures", settings.failure_rate)
        self._lock = Lock()
        self._known: OrderedDict[str, None] = OrderedDict()

    @contextmanager
    def trying(self, request: Request, secret: str) -> Iterator[None]:
        """Around the look-up of a key, code or cookie; NotAuthenticated inside counts against the sender's address.

        Raises TooManyFailures for an address that showed too many wrong ones. Secrets that were right lately are looked
        up all the same, so that a noisy neighbour locks nobody out.
        """
        address = request.client.host if request.client else ""
        digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
        allowance = self.failures.take(address, 0)
        if not allowance.granted and digest not in self._known:
            raise TooManyFailures(allowance.until_next)
        try:
            yield
        except NotAuthenticated:
            self.failures.take(address)
            raise
        with self._lock:
            self._known[digest] = None
            self._known.move_to_end(digest)
            if len(self._known) > MOST_NAMES:
                self._known.popitem(last=False)


class RateLimit:
    """Refuses with 429 what comes too fast; stands behind the authentication, which says whose request it is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = scope.get("state", {}).get("key")
        if scope["type"] != "http" or key is None or scope["path"] in FREE_PATHS:
            await self.app(scope, receive, send)
            return
        limits: Limits = scope["app"].state.context.limits
        buckets = limits.reads if scope["method"] in SAFE_METHODS else limits.writes
        allowance = buckets.take(key.id)
        headers = buckets.headers(allowance)
        if not allowance.granted:
            await answer(TooManyRequests(buckets.kind, allowance.until_next, headers), scope, receive, send)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await self.app(scope, receive, counted)
