"""Answers: records as JSON with an ETag; 304 for what the caller has, 412 for an edit of what has changed."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Request, Response
from pydantic import BaseModel
from pydantic_core import to_json

from api.errors import Stale
from domain.run import RunStatus
from domain.store.pages import Page

REVALIDATE = "private, no-cache"
"""A browser may keep the answer, and asks each time whether it still holds."""


T = TypeVar("T")


class PageOf(BaseModel, Generic[T]):
    """One page of a list, newest first."""

    data: list[T]
    next_cursor: str | None
    has_more: bool


def json_of(record: BaseModel | dict[str, Any]) -> bytes:
    """The record as JSON. Numbers that aren't finite become the texts "NaN", "Infinity", "-Infinity"."""
    # Through plain data: a model's own writer knows the form of declared floats only, not of those inside specs.
    return to_json(record if isinstance(record, dict) else record.model_dump(), inf_nan_mode="strings")


def etag_of(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def answered(
    request: Request,
    record: BaseModel | dict[str, Any],
    *,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The record as JSON with its ETag; for a read, 304 without a body if `If-None-Match` names it."""
    body = json_of(record)
    tag = etag_of(body)
    all_headers = {"ETag": tag, "Cache-Control": REVALIDATE, **(headers or {})}
    if request.method == "GET" and names(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=all_headers)
    return Response(body, media_type="application/json", headers=all_headers)


def ask_again(counts: Mapping[str, int]) -> dict[str, str]:
    """A hint while any of these runs (counted by status) isn't final: it need not be asked for more often."""
    is_open = any(count for status, count in counts.items() if not RunStatus(status).is_final)
    return {"Retry-After": "2"} if is_open else {}


def paged(request: Request, page: Page[Any], *, headers: Mapping[str, str] | None = None) -> Response:
    """A page with the address of the next one in its `Link` header (RFC 8288)."""
    data = [record.model_dump() for record in page.data]
    record = {"data": data, "next_cursor": page.next_cursor, "has_more": page.has_more}
    links = _links(request, page.next_cursor, has_more=page.has_more)
    return answered(request, record, headers={**links, **(headers or {})})


def listed(
    request: Request, records: Sequence[BaseModel], *, next_cursor: str | None = None, has_more: bool | None = None
) -> Response:
    """A whole list, or a page of one that has a cursor of its own."""
    data = [record.model_dump() for record in records]
    more = next_cursor is not None if has_more is None else has_more
    record = {"data": data, "next_cursor": next_cursor, "has_more": more}
    return answered(request, record, headers=_links(request, next_cursor, has_more=more))


def _links(request: Request, cursor: str | None, *, has_more: bool) -> dict[str, str]:
    return {"Link": f'<{next_address(request, cursor)}>; rel="next"'} if cursor and has_more else {}


def next_address(request: Request, cursor: str) -> str:
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f"{request.url.path}?{urlencode([*kept, ('cursor', cursor)])}"


def require_current(request: Request, record: BaseModel) -> None:
    """Raise `Stale` when `If-Match` is given and names another version of the record than the current one."""
    wanted = request.headers.get("if-match")
    current = etag_of(json_of(record))
    if wanted is not None and not names(wanted, current):
        raise Stale(current)


def names(header: str | None, tag: str) -> bool:
    """Whether a list of ETags names this one; weak marks are ignored, as RFC 9110 §13.1.2 asks for reading."""
    if header is None:
        return False
    named = {each.strip().removeprefix("W/") for each in header.split(",")}
    return "*" in named or tag in named
