"""POSTs that may be repeated: the same Idempotency-Key and body get the stored answer, and nothing is done twice."""

import hashlib
import json
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

from fastapi import Header, Request, Response
from pydantic import BaseModel
from sqlalchemy import Connection

from api.answers import etag_of, json_of
from api.context import context_of
from domain.store import idempotency
from domain.store.keys import ApiKey

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="Any text of yours; kept for a day. A repeat then gets the first answer again, or 409 with"
        " `Retry-After` while the first is still being answered.",
    ),
]


class Created(NamedTuple):
    """What a creating route answers: the record, and where it can be read from now on."""

    record: BaseModel
    location: str
    read: BaseModel
    """The record as it is read there: its ETag is answered, for an edit that names it in `If-Match`."""


def create(
    request: Request, owner: ApiKey, key: str | None, raw: dict[str, Any], act: Callable[[Connection], Created]
) -> Response:
    """Run `act` in one transaction with the key and the answer, or give the stored answer again.

    A refusal stores nothing, so the corrected request may use the key again. Raises KeyReused when the body is another
    one, and KeyRunning while the first request with the key is still being answered, here or by another process.
    """
    context = context_of(request)
    if key is None:
        with context.database.write() as c:
            return _answer(act(c))
    place = {"owner": owner.owner, "route": f"{request.method} {request.url.path}", "key": key}
    body_hash = _hash(raw)
    with context.database.read() as c:
        known = idempotency.find(c, **place, body_hash=body_hash)
    if known is not None:
        return _again(known)
    with context.running_keys.hold(**place), context.database.write() as c:
        # The other request may have ended between the look and the hold.
        known = idempotency.begin(c, **place, body_hash=body_hash)
        if known is not None:
            return _again(known)
        response = _answer(act(c))
        kept = {name: response.headers[name] for name in ("content-type", "location", "etag")}
        body = bytes(response.body).decode()
        idempotency.keep(c, **place, status=response.status_code, headers=kept, body=body)
        return response


def _again(known: idempotency.Answer) -> Response:
    headers = {**known.headers, "Idempotency-Replayed": "true"}
    return Response(known.body, status_code=known.status, headers=headers)


def _answer(created: Created) -> Response:
    headers = {"Location": created.location, "ETag": etag_of(json_of(created.read))}
    return Response(json_of(created.record), status_code=201, media_type="application/json", headers=headers)


def _hash(raw: dict[str, Any]) -> str:
    """Of the meaning, not the bytes: the order of names and the spaces between them don't matter."""
    canonical = json.dumps(raw, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
