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
    shown: str = "The key comes from NORMLAB_KEY."
    """Where the key came from, for the message when it is refused."""


def find_address(settings: Settings) -> Address:
    """NORMLAB_URL and NORMLAB_KEY, or else the stack running over the data directory and its owner key."""
    url, found = _find_url(settings)
    key = settings.key.get_secret_value()
    if key:
        return Address(url, _usable_key(key), found)
    owner = settings.read_owner_key()
    where = f"The key comes from {settings.owner_key_file}." if owner else f"There is no {settings.owner_key_file}."
    return Address(url, owner, found, where)


def _find_url(settings: Settings) -> tuple[str, str]:
    """The address, and where it came from."""
    if settings.url:
        return _usable_url(settings.url), "NORMLAB_URL"
    stack = DataDirectory(settings.data_dir).stack()
    if stack and "url" in stack:
        return stack["url"], f"the stack over {settings.data_dir}"
    return own_url(settings), f"the default address; no stack runs over {settings.data_dir}"


def own_url(settings: Settings) -> str:
    """Where a service with these settings is reached on its own machine."""
    # Listening on every interface is no address to go to.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - asked about, not bound to
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _usable_url(text: str) -> str:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in {"http", "https"} or not url.host:
        message = f"NORMLAB_URL is {text!r}, but must look like http://127.0.0.1:8787."
        raise CommandError(message, code=ExitCode.BAD_INPUT)
    return text.rstrip("/")


def _usable_key(key: str) -> str:
    if not (key.isascii() and key.isprintable()):
        raise CommandError("NORMLAB_KEY holds a character that no key has.", code=ExitCode.BAD_INPUT)
    return key


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
        return self._document(self.request("GET", path, query=query))

    def post(self, path: str, body: Any = None, *, headers: dict[str, str] | None = None, **query: Any) -> Any:
        return self._document(self.request("POST", path, body=body, query=query, headers=headers))

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
                    raise self._refusal(response)
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
            raise self._refusal(response)
        return response

    def _document(self, response: httpx.Response) -> Any:
        """The JSON of an answer. Raises CommandError when something else than NormLab answered."""
        try:
            return response.json()
        except ValueError as error:
            message = f"What answers at {self.address.url} ({self.address.found}) is not NormLab."
            raise CommandError(message, code=ExitCode.UNREACHABLE) from error

    def _refusal(self, response: httpx.Response) -> CommandError:
        """What was answered; where the key was refused, also which one that was."""
        error = refusal(response)
        if response.status_code == 401:
            remedy = "Set NORMLAB_KEY, or run this where the data directory of the service is (NORMLAB_DATA_DIR)."
            error.details = (*error.details, self.address.shown, remedy)
        return error

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
                raise self._refusal(response)
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
    """A problem+json answer (RFC 9457) as the error the terminal shows: one line per wrong place, else its sentence."""
    code = EXIT_OF_STATUS.get(response.status_code, ExitCode.SERVER_ERROR if response.status_code >= 500 else None)
    try:
        problem = response.json()
        message = problem.get("detail") or problem["title"]
    except (ValueError, KeyError, AttributeError):
        problem, message = {}, f"The service answered {response.status_code} {response.reason_phrase}."
    message, *details = [_line_of(error) for error in problem.get("errors") or []] or [message]
    if code is ExitCode.SERVER_ERROR and problem.get("request_id"):
        details.append(f"request {problem['request_id']}")
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
    """The wrong place and what is wrong there; a query parameter as the option that people type."""
    pointer = error.get("pointer") or ""
    if pointer.startswith("?"):
        pointer = f"--{pointer[1:].replace('_', '-')}"
    return f"{pointer}: {error.get('detail', '')}" if pointer else error.get("detail", "")
