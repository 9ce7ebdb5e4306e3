"""HTTP to the service: where the server and the key are found, requests, pages, and answers that are errors."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from cli.directory import DataDirectory
from cli.exits import CommandError, ExitCode
from domain.settings import Settings

Record = dict[str, Any]

EXIT_OF_STATUS = {
    400: ExitCode.BAD_INPUT,
    401: ExitCode.DENIED,
    403: ExitCode.DENIED,
    404: ExitCode.NOT_FOUND,
    409: ExitCode.CONFLICT,
    412: ExitCode.CONFLICT,
    413: ExitCode.BAD_INPUT,
    415: ExitCode.BAD_INPUT,
    422: ExitCode.BAD_INPUT,
}
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
STREAM_TIMEOUT = httpx.Timeout(40.0, connect=5.0)  # the server pings each 15 s
RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0)
"""Waits between the tries of what may be repeated; a service that only restarts is back by then."""
LONGEST_WAIT = 10
"""Seconds. Who is told to wait longer (the queue is full) wants to know it now."""


class TryAgainError(CommandError):
    """Nothing answers, or what answers says when to ask again: the same request may do later."""

    def __init__(self, message: str, *, code: ExitCode, details: tuple[str, ...] = (), wait: float = 0) -> None:
        super().__init__(message, code=code, details=details)
        self.wait = wait
        """Seconds after which the service wants to be asked again."""


@dataclass(frozen=True)
class Address:
    """Where the service is and how we show who we are; without a key only open pages answer."""

    url: str
    key: str | None
    found: str
    """Where the address came from, for the message when nothing answers there."""


def find_address(settings: Settings) -> Address:
    """NORMLAB_URL and NORMLAB_KEY, or else the stack running over the data directory and its owner key."""
    key = settings.key.get_secret_value() or settings.read_owner_key()
    if settings.url:
        return Address(settings.url.rstrip("/"), key, "NORMLAB_URL")
    directory = DataDirectory(settings.data_dir)
    stack = directory.stack()
    if stack and "url" in stack:
        return Address(stack["url"], key, f"the stack over {settings.data_dir}")
    return Address(f"http://{settings.host}:{settings.port}", key, "the default address")


class Client:
    """The service's routes as calls that return JSON; any refusal raises CommandError with the server's own words."""

    def __init__(self, address: Address) -> None:
        self.address = address
        headers = {"User-Agent": "normlab-cli", "Accept": "application/json"}
        if address.key:
            headers["Authorization"] = f"Bearer {address.key}"
        # The proxy variables of the environment are for the internet, not for the service.
        self._http = httpx.Client(base_url=address.url, headers=headers, timeout=TIMEOUT, trust_env=False)

    def get(self, path: str, **query: Any) -> Any:
        return self.request("GET", path, query=query).json()

    def post(self, path: str, body: Any = None, *, headers: dict[str, str] | None = None, **query: Any) -> Any:
        return self.request("POST", path, body=body, query=query, headers=headers).json()

    def create(self, path: str, body: Any, say: Callable[[str], None]) -> Any:
        """POST what is to exist once: tried again under one key while the service is away or asks to wait.

        So nothing doubles. `say` is told why it takes longer.
        """
        key = {"Idempotency-Key": uuid.uuid4().hex}
        for pause in RETRY_SECONDS:
            try:
                return self.post(path, body, headers=key)
            except TryAgainError as error:
                wait = max(pause, error.wait)
                say(f"{error.message} Trying again in {wait:g} s …")
                time.sleep(wait)
        return self.post(path, body, headers=key)

    def delete(self, path: str) -> None:
        self.request("DELETE", path)

    def chunks(self, path: str, **query: Any) -> Iterator[bytes]:
        """The bytes of an answer as they come, so that a large one needs no memory."""
        parameters = {name: value for name, value in query.items() if value is not None}
        try:
            with self._http.stream("GET", path, params=parameters) as response:
                if response.is_error:
                    response.read()
                    raise refusal(response)
                yield from response.iter_bytes()
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def pages(
        self, path: str, *, limit: int | None = None, cursor: str | None = None, **query: Any
    ) -> Iterator[Record]:
        """Each record of a list that comes in pages, at most `limit` of them, from a cursor on if one is given."""
        left = limit
        while left is None or left > 0:
            page = self.get(path, **query, limit=min(left or 200, 200), cursor=cursor)
            yield from page["data"]
            left = None if left is None else left - len(page["data"])
            cursor = page.get("next_cursor")
            if not page.get("has_more") or cursor is None:
                return

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """One request. Raises CommandError when nothing answers, or the answer is a refusal."""
        parameters = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            response = self._paced(method, path, json=body, params=parameters, headers=headers)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        except ValueError as error:  # NaN or infinity, which JSON does not have
            raise CommandError(f"The document cannot be sent as JSON: {error}.", code=ExitCode.BAD_INPUT) from error
        if response.is_error:
            raise refusal(response)
        return response

    def _paced(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The answer to a request that waits its turn when the service says we ask too fast."""
        for _ in RETRY_SECONDS:
            response = self._http.request(method, path, **more)
            wait = retry_after(response) if response.status_code == 429 else None
            if wait is None:
                return response
            time.sleep(wait)
        return self._http.request(method, path, **more)

    def stream(self, path: str, *, after: int | None, **query: Any) -> Iterator[Record]:
        """Server-sent events as {"seq", "kind", "data"}; ends when the server closes, httpx.HTTPError on a break."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": str(after)} if after is not None else {})
        with self._http.stream("GET", path, params=query, headers=headers, timeout=STREAM_TIMEOUT) as response:
            if response.is_error:
                response.read()
                raise refusal(response)
            yield from parse_events(response.iter_lines())

    def _unreachable(self, error: Exception) -> TryAgainError:
        return TryAgainError(
            f"No service answers at {self.address.url} ({self.address.found}): {error}.",
            code=ExitCode.UNREACHABLE,
            details=("Start one with `normlab up`, or name another with NORMLAB_URL.",),
        )


def parse_events(lines: Iterator[str]) -> Iterator[Record]:
    """The events of a text/event-stream body, whose data is JSON; comments and pings are passed over."""
    fields: dict[str, str] = {}
    for line in lines:
        if line == "":
            if "data" in fields:
                yield {
                    "seq": int(fields["id"]) if fields.get("id", "").isdigit() else None,
                    "kind": fields.get("event", "message"),
                    "data": json.loads(fields["data"]),
                }
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value


def refusal(response: httpx.Response) -> CommandError:
    """A problem+json answer (RFC 9457) as the error the terminal shows: its sentence, then one line per pointer."""
    code = EXIT_OF_STATUS.get(response.status_code, ExitCode.SERVER_ERROR if response.status_code >= 500 else None)
    try:
        problem = response.json()
        message = problem.get("detail") or problem["title"]
    except (ValueError, KeyError, AttributeError):
        problem, message = {}, f"The service answered {response.status_code} {response.reason_phrase}."
    details = [_line_of(error) for error in problem.get("errors") or []]
    if code is ExitCode.SERVER_ERROR and problem.get("request_id"):
        details.append(f"request {problem['request_id']}")
    if response.status_code == 401:
        details.append("Set NORMLAB_KEY, or run this where the data directory's owner key can be read.")
    wait = retry_after(response)
    if wait is None:
        return CommandError(message, code=code or ExitCode.FAILED, details=tuple(details))
    return TryAgainError(message, code=code or ExitCode.FAILED, details=tuple(details), wait=wait)


def retry_after(response: httpx.Response) -> float | None:
    """The seconds after which a refused request may be sent again; None when that is no use, or too long to wait."""
    named = response.headers.get("Retry-After", "")
    wait = int(named) if named.isdecimal() else 0
    may = response.status_code == 503 or (response.status_code in {409, 429} and named.isdecimal())
    return wait if may and wait <= LONGEST_WAIT else None


def _line_of(error: Record) -> str:
    pointer = error.get("pointer") or "(whole document)"
    return f"{pointer}: {error.get('detail', '')} [{error.get('code', 'invalid')}]"
