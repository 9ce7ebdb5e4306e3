"""Refusals: every answer that isn't what was asked for is a problem document (RFC 9457) with a stable code.

Errors of the domain (`domain.errors`) get their status in `DOMAIN`; what only HTTP can get wrong is here:

Refusal
├── BadBody 422               the JSON can't be read, or isn't what the route wants
├── BadParameter 422          a query parameter or header is wrong
├── BodyTooLarge 413
├── UnsupportedMediaType 415
├── ForgedRequest 403         a cookie without the header and origin only our pages send
├── NoSuchAddress 404
├── WrongMethod 405
├── Stale 412                 If-Match names a version that is no longer current
├── FileAway 410              an artifact whose file is not on this machine
├── WrongHost 400
├── TooManyRuns 429           the owner has as many queued as allowed
├── TooManyRequests 429       the key asks too fast
├── TooManyFailures 429       the address showed too many wrong keys
├── Broken 500                our mistake; the log has the traceback under the request's id
├── Busy 503                  try again: the database or the broker does not answer
└── StorageFull 507           the disk of the database is full
"""

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from itertools import groupby
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from domain import errors as domain
from domain.errors import FieldError
from domain.refusals import merged, say

FULL_DISK = ("database or disk is full", "No space left on device")
"""What SQLite and PostgreSQL say then."""

PROBLEM_JSON = "application/problem+json"
DATABASE_AWAY = (PoolTimeout, OperationalError, InterfaceError)
"""What SQLAlchemy raises while the database restarts, or has no connection free."""


class Problem(BaseModel):
    """A refusal, as RFC 9457 writes it."""

    type: str = Field(description="Address of the page that explains this kind of problem.")
    title: str
    status: int
    detail: str = Field(description="What is wrong and what would be right.")
    instance: str = Field(description="Path of the request.")
    request_id: str = Field(description="Also in the X-Request-Id header and in the log.")
    errors: list[FieldError] = Field(
        description="The wrong places: JSON pointers (RFC 6901) into the body, `?name` for a query parameter or"
        " header, `{name}` for a part of the address."
    )


class Refusal(Exception):  # noqa: N818 - a refusal is an answer; it is read as a sentence where it is raised
    """Subclasses take facts and write their own sentence."""

    status: ClassVar[HTTPStatus]
    code: ClassVar[str]
    meaning: ClassVar[str]

    def __init__(
        self, detail: str, *, errors: Sequence[FieldError] = (), headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)
        self.headers = headers or {}


class BadBody(Refusal):
    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-body"
    meaning = "The body can't be accepted; errors points at each wrong place and says what would be right."

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(_sentence(errors), errors=errors)


class BadParameter(Refusal):
    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-parameter"
    meaning = "A query parameter or header is wrong; errors names it."

    def __init__(self, name: str, detail: str) -> None:
        error = FieldError(pointer=f"?{name}", code="invalid_parameter", detail=detail)
        super().__init__(f"{name}: {detail}", errors=[error])


class BodyTooLarge(Refusal):
    status, code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large"
    meaning = "The body is larger than this service reads."

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body may hold {limit:,} bytes at most.")


class UnsupportedMediaType(Refusal):
    status, code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type"
    meaning = "Bodies are JSON."

    def __init__(self, kind: str) -> None:
        super().__init__(f"The body must come with Content-Type: application/json, not {kind[:80] or 'none'}.")


class ForgedRequest(Refusal):
    status, code = HTTPStatus.FORBIDDEN, "forged-request"
    meaning = "A browser session changes things only from this service's own pages (Origin and X-NormLab headers)."


class NoSuchAddress(Refusal):
    status, code = HTTPStatus.NOT_FOUND, "no-such-address"
    meaning = "The service has nothing at this address; /docs lists what it has."

    def __init__(self, path: str) -> None:
        super().__init__(f"There is nothing at {path[:200]!r}; /docs lists the addresses.")


class WrongMethod(Refusal):
    status, code = HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed"
    meaning = "The address exists and does not know this method."

    def __init__(self, method: str, known: str) -> None:
        super().__init__(f"This address does not know {method[:20]}, only {known}.", headers={"Allow": known})


class Stale(Refusal):
    status, code = HTTPStatus.PRECONDITION_FAILED, "stale"
    meaning = "The thing changed since the version named by If-Match; read it again."

    def __init__(self, current: str) -> None:
        super().__init__("It changed since you read it; read it again.", headers={"ETag": current})


class FileAway(Refusal):
    status, code = HTTPStatus.GONE, "file-away"
    meaning = "The run has this artifact, but its file was deleted or lies on the machine that trained the run."

    def __init__(self, name: str) -> None:
        super().__init__(f"The file of {name[:200]} is not here: it was deleted, or lies where the run was trained.")


class WrongHost(Refusal):
    status, code = HTTPStatus.BAD_REQUEST, "wrong-host"
    meaning = "The Host header names a machine this service was not told to answer for (NORMLAB_ALLOWED_HOSTS)."

    def __init__(self, host: str) -> None:
        super().__init__(f"This service does not answer for the host {host[:100]!r}; see NORMLAB_ALLOWED_HOSTS.")


class Broken(Refusal):
    status, code = HTTPStatus.INTERNAL_SERVER_ERROR, "internal"
    meaning = "A mistake of the service; its log has the traceback under the request's id."

    def __init__(self) -> None:
        super().__init__("The service made a mistake; its log has more under this request_id.")


class Busy(Refusal):
    status, code = HTTPStatus.SERVICE_UNAVAILABLE, "busy"
    meaning = "A part this needs does not answer just now; ask again."

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "1"})


class StorageFull(Refusal):
    status, code = HTTPStatus.INSUFFICIENT_STORAGE, "storage-full"
    meaning = "The disk of the database is full: reading goes on, writing waits for space."

    def __init__(self) -> None:
        super().__init__("The disk of the database is full; make room, then ask again.")


class TooManyRuns(Refusal):
    status, code = HTTPStatus.TOO_MANY_REQUESTS, "too-many-runs"
    meaning = "The owner has as many runs queued as this service allows (NORMLAB_MAX_QUEUED_RUNS)."

    def __init__(self, owner: str, queued: int, wanted: int, most: int) -> None:
        detail = (
            f"{queued} runs of {owner!r} are queued and {wanted} more would pass the limit of {most} an owner may have;"
            " wait, or cancel some."
        )
        super().__init__(detail, headers={"Retry-After": "60"})


class TooManyRequests(Refusal):
    status, code = HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests"
    meaning = "The key asks faster than this service allows (NORMLAB_READ_RATE, NORMLAB_WRITE_RATE); nothing was done."

    def __init__(self, kind: str, wait: float, headers: Mapping[str, str]) -> None:
        seconds = math.ceil(wait)
        detail = f"Too many {kind} with this key; nothing was done. Ask again in {seconds} s."
        super().__init__(detail, headers={**headers, "Retry-After": str(seconds)})


class TooManyFailures(Refusal):
    status, code = HTTPStatus.TOO_MANY_REQUESTS, "too-many-failures"
    meaning = "Too many wrong keys came from this address (NORMLAB_FAILURE_RATE); this one was not even looked at."

    def __init__(self, wait: float) -> None:
        seconds = math.ceil(wait)
        detail = f"Too many wrong keys came from this address. Ask again in {seconds} s."
        super().__init__(detail, headers={"Retry-After": str(seconds)})


class _Kind(NamedTuple):
    status: HTTPStatus
    code: str
    meaning: str
    headers: Mapping[str, str] = MappingProxyType({})


DOMAIN: dict[type[domain.NormLabError], _Kind] = {
    domain.InvalidSpec: _Kind(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-spec",
        "The job or study can't be accepted and nothing was stored; errors points at each wrong place.",
    ),
    domain.NotFound: _Kind(HTTPStatus.NOT_FOUND, "not-found", "There is no such thing."),
    domain.NotPossible: _Kind(
        HTTPStatus.CONFLICT, "not-possible", "The thing exists, and its state doesn't allow this."
    ),
    domain.KeyReused: _Kind(
        HTTPStatus.UNPROCESSABLE_ENTITY, "key-reused", "An Idempotency-Key came back with another body."
    ),
    domain.KeyRunning: _Kind(
        HTTPStatus.CONFLICT,
        "key-running",
        "The first request with this Idempotency-Key is still being answered; ask again for its answer.",
        {"Retry-After": "1"},
    ),
    domain.InvalidCursor: _Kind(
        HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-cursor", "The page cursor isn't one of ours."
    ),
    domain.NotAuthenticated: _Kind(
        HTTPStatus.UNAUTHORIZED,
        "not-authenticated",
        "The request carries no valid key, or a revoked or expired one.",
        {"WWW-Authenticate": 'Bearer realm="normlab"'},
    ),
    domain.NotAllowed: _Kind(HTTPStatus.FORBIDDEN, "not-allowed", "The key is valid and lacks the scope this needs."),
    domain.NotYours: _Kind(
        HTTPStatus.FORBIDDEN,
        "not-yours",
        "Everybody reads everything; only admins change what is another owner's.",
    ),
    domain.DatabaseNotReady: _Kind(
        HTTPStatus.SERVICE_UNAVAILABLE, "database-not-ready", "The database is not at the revision this version needs."
    ),
}
"""How errors of the domain are answered."""

PROBLEMS: dict[str, _Kind] = {kind.code: kind for kind in DOMAIN.values()} | {
    kind.code: _Kind(kind.status, kind.code, kind.meaning) for kind in Refusal.__subclasses__()
}
"""Every kind of problem by its code, explained at /problems/{code}."""


def problem(scope: Scope, error: Exception) -> JSONResponse:
    """The problem document of an error."""
    if isinstance(error, Refusal):
        return _document(
            scope, _Kind(error.status, error.code, error.meaning), error.detail, error.errors, error.headers
        )
    if isinstance(error, domain.NormLabError):
        kind = next((DOMAIN[each] for each in type(error).__mro__ if each in DOMAIN), None)
        if kind:
            errors = error.errors if isinstance(error, domain.InvalidSpec) else []
            return _document(scope, kind, _sentence(errors) if errors else str(error), errors, kind.headers)
    if isinstance(error, OperationalError) and any(sign in str(error.orig) for sign in FULL_DISK):
        return problem(scope, StorageFull())
    if isinstance(error, DATABASE_AWAY):
        return problem(scope, Busy("The database does not answer just now; ask again."))
    return problem(scope, Broken())


def _document(
    scope: Scope, kind: _Kind, detail: str, errors: Sequence[FieldError], headers: Mapping[str, str]
) -> JSONResponse:
    body = {
        "type": f"/problems/{kind.code}",
        "title": kind.code.replace("-", " ").capitalize(),
        "status": kind.status,
        "detail": detail,
        "instance": scope.get("path", ""),
        "request_id": scope.get("state", {}).get("request_id", ""),
        "errors": [error.model_dump() for error in errors],
    }
    return JSONResponse(body, status_code=kind.status, headers=headers, media_type=PROBLEM_JSON)


def _sentence(errors: Sequence[FieldError]) -> str:
    """The first mistake in full, and how many more there are."""
    first = errors[0]
    more = f" ({len(errors) - 1} more in errors)" if len(errors) > 1 else ""
    return f"{first.pointer}: {first.detail}{more}" if first.pointer else f"{first.detail}{more}"


def example(code: str) -> dict[str, Any]:
    """A problem of this kind, as the documentation shows it."""
    kind = PROBLEMS[code]
    wrong = FieldError(pointer="/training/batch_size", code="out_of_range", detail="0 is below the least, 1.")
    return {
        "type": f"/problems/{code}",
        "title": code.replace("-", " ").capitalize(),
        "status": int(kind.status),
        "detail": kind.meaning,
        "instance": "/v1/jobs",
        "request_id": "req_01JZZZZZZZZZZZZZZZZZZZZZZZ",
        "errors": [wrong.model_dump()] if code in {"invalid-spec", "invalid-body"} else [],
    }


async def answer(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer from outside the routes (middleware)."""
    await problem(scope, error)(scope, receive, send)


def _refused(request: Request, error: Exception) -> Response:
    """A problem document, or for a browser that wanted a page, a page."""
    document = problem(request.scope, error)
    show = getattr(request.app.state, "problem_page", None)
    return show(request, document) if show and wants_page(request) else document


def wants_page(request: Request) -> bool:
    """Whether a browser is on its way to a page; what scripts and programs fetch is under /v1."""
    is_page = request.method == "GET" and not request.url.path.startswith("/v1/")
    return is_page and "text/html" in request.headers.get("accept", "")


def _invalid(request: Request, error: Exception) -> Response:
    """What FastAPI found wrong in parameters, in our form: one error for each."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    fields = [_field(list(same)) for _, same in groupby(found, key=_value_at)]
    refusal = BadParameter(fields[0].pointer.strip("?/{}") or "body", fields[0].detail)
    refusal.errors = fields
    return _refused(request, refusal)


def _value_at(error: Mapping[str, Any]) -> Sequence[str | int]:
    """Where the refused value stands; pydantic's location also names which form of several it tried."""
    place, *path = error["loc"]
    return place, *path[:1], *(part for part in path[1:] if isinstance(part, int))


def _field(same: Sequence[Any]) -> FieldError:
    """What is wrong with one value, which pydantic says once for each form that it tried."""
    place, *path = (str(part) for part in _value_at(same[0]))
    pointer = {"path": "{%s}", "body": "/%s"}.get(place, "?%s") % path[0] if path else ""
    if same[0]["type"] == "missing":
        return FieldError(pointer=pointer, code="missing", detail=f"{path[0] if path else 'The body'} is missing.")
    code, detail = say(merged(same))
    return FieldError(pointer=pointer, code=code, detail=detail)


def _framework(request: Request, error: Exception) -> Response:
    """The framework's own refusals: no such address, a method the address doesn't know."""
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # The framework itself names the methods of the first route that fits, and no more.
        known = sorted(request.app.state.document.operations_at(request.url.path))
        allowed = ", ".join(known) or (error.headers or {}).get("Allow", "")
        return _refused(request, WrongMethod(request.method, allowed))
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.NOT_FOUND:
        return _refused(request, NoSuchAddress(request.url.path))
    if isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        unread = FieldError(pointer="", code="unreadable", detail="The body can't be read as JSON.")
        return _refused(request, BadBody([unread]))
    raise error


def install(app: FastAPI) -> None:
    """Answer every error of routes and framework with a problem document."""
    for kind in (Refusal, domain.NormLabError, *DATABASE_AWAY):
        app.add_exception_handler(kind, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)
