"""Conditional requests: an ETag made of the answer itself, 304 when the caller has it already, 412 when it is stale."""

import hashlib
from collections.abc import Mapping

from fastapi import Request, Response
from pydantic import BaseModel

from api.errors import Stale

REVALIDATE = "private, no-cache"
"""A browser may keep the answer, and asks each time whether it still holds."""


def etag_of(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def conditional(request: Request, record: BaseModel, headers: Mapping[str, str] | None = None) -> Response:
    """The record as JSON with an ETag; 304 without a body if `If-None-Match` names it."""
    body = record.model_dump_json().encode()
    tag = etag_of(body)
    all_headers = {"ETag": tag, "Cache-Control": REVALIDATE, **(headers or {})}
    if matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=all_headers)
    return Response(body, media_type="application/json", headers=all_headers)


def require_current(request: Request, record: BaseModel) -> None:
    """Raise `Stale` when `If-Match` is given and names another version of the record than the current one."""
    wanted = request.headers.get("if-match")
    current = etag_of(record.model_dump_json().encode())
    if wanted is not None and not matches(wanted, current):
        raise Stale(current)


def matches(header: str | None, tag: str) -> bool:
    """Whether a list of ETags names this one; weak marks are ignored, as RFC 9110 §13.1.2 asks for reading."""
    if header is None:
        return False
    named = {each.strip().removeprefix("W/") for each in header.split(",")}
    return "*" in named or tag in named
