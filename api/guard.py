"""What surrounds every answer: a request id, security headers, the host allow-list, and a last net for mistakes.

Pure ASGI, since Starlette's `BaseHTTPMiddleware` breaks streams and their cancellation.
"""

import ipaddress
import logging
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from ulid import ULID

from api.errors import DATABASE_AWAY, BadParameter, Broken, Refusal, WrongHost, answer

log = logging.getLogger("normlab.api")

POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
# Plotly and Swagger write style elements and attributes; pictures are exported through data: and blob: addresses.
CHART_POLICY = f"{POLICY}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:"

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
}
"""Added to every answer that doesn't set its own."""


class Guard:
    """The outermost layer. A route that needs another policy (`CHART_POLICY`) or caching sets that header itself."""

    def __init__(self, app: ASGIApp, allowed_hosts: Iterable[str]) -> None:
        self.app = app
        self.allowed_hosts = {name_of(host) for host in allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = f"req_{ULID()}"
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def dressed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in {**HEADERS, "X-Request-Id": request_id}.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._answer(scope, receive, dressed)
        except (Refusal, *DATABASE_AWAY) as error:
            if started:
                raise
            await answer(error, scope, receive, dressed)
        except Exception:
            # Here and not in the framework, so that the answer carries the headers and the id of its log entry.
            log.exception("%s %s (%s) ended in a mistake of ours", scope["method"], scope["path"], request_id)
            if started:
                raise
            await answer(Broken(), scope, receive, dressed)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = Headers(scope=scope).get("host", "")
        if not self.allows(host):
            raise WrongHost(host)
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            # No name holds one, and PostgreSQL refuses a text that does.
            raise BadParameter("address", "it holds a NUL character (%00)")
        await self.app(scope, receive, send)

    def allows(self, host: str) -> bool:
        """Whether a Host header names this service: a foreign name that resolves here (DNS rebinding) does not."""
        return "*" in self.allowed_hosts or name_of(host) in self.allowed_hosts


def name_of(host: str) -> str:
    """`localhost` of `localhost:8787`; an IPv6 address keeps no brackets: `::1` of `[::1]:8787`."""
    name = host.lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.rpartition(":")[0] if name.count(":") == 1 else name


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to `host`."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
