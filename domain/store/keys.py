"""API keys, one-time login codes and browser sessions. Only SHA-256 digests are stored; a secret is shown once.

A token is `nl_<id>_<secret>_<crc>`: the id finds the row, 32 random bytes are the secret, and the CRC lets a mistyped
token be told from a wrong one without a look at the database.
"""

import hashlib
import hmac
import secrets
import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, or_, select, update
from ulid import ULID

from domain.clock import now
from domain.errors import NotAuthenticated, NotFound
from domain.run import Record
from domain.store import pages
from domain.store.pages import Page
from domain.tables import api_key, login_code, session

SCOPES = ("read", "write", "admin")
"""Read everything; submit and steer one's own; make keys, and change what others own (docs/decisions)."""
PREFIX = "nl"


class ApiKey(Record):
    """A key as people read it."""

    id: str
    owner: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def may(self, scope: str) -> bool:
        return scope in self.scopes


def make_token(key_id: str | None = None) -> str:
    """A new token; with `key_id`, a new secret for that id."""
    body = f"{PREFIX}_{key_id or ULID()}_{secrets.token_hex(32)}"
    return f"{body}_{_crc(body)}"


def create(
    c: Connection,
    *,
    owner: str,
    name: str,
    scopes: Sequence[str] = SCOPES,
    expires_at: datetime | None = None,
    token: str | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its token, which is not kept. `token` registers one made elsewhere (the owner's key file).

    A token that is registered already stays as it is. Raises NotAuthenticated for a malformed token.
    """
    token = token or make_token()
    key_id = _key_id(token)
    known = c.execute(select(api_key).where(api_key.c.id == key_id)).one_or_none()
    if known is None:
        made = api_key.insert().values(
            id=key_id,
            owner=owner,
            name=name,
            scopes=list(scopes),
            digest=digest(token),
            created_at=now(c),
            expires_at=expires_at,
        )
        known = c.execute(made.returning(api_key)).one()
    return ApiKey.model_validate(known), token


def find(c: Connection, token: str) -> ApiKey:
    """The valid key of a token. Raises NotAuthenticated."""
    row = c.execute(select(api_key).where(api_key.c.id == _key_id(token))).one_or_none()
    # Compared even when there is no such key, so that the answer takes as long.
    matches = hmac.compare_digest(row.digest if row else digest(""), digest(token))
    if row is None or not matches:
        raise NotAuthenticated("This key is not known.")
    if row.revoked_at is not None:
        raise NotAuthenticated("This key was revoked.")
    if row.expires_at is not None and row.expires_at <= now(c):
        raise NotAuthenticated("This key has expired.")
    return ApiKey.model_validate(row)


def get(c: Connection, key_id: str) -> ApiKey:
    """A key by id, valid or not. Raises NotFound."""
    row = c.execute(select(api_key).where(api_key.c.id == key_id)).one_or_none()
    if row is None:
        raise NotFound("key", key_id)
    return ApiKey.model_validate(row)


def page(c: Connection, *, owner: str | None = None, cursor: str | None = None, limit: int = 50) -> Page[ApiKey]:
    """A page of all keys, or of an owner's, the newest first."""
    query = select(api_key) if owner is None else select(api_key).where(api_key.c.owner == owner)
    return pages.fetch(c, query, api_key, _records, cursor=cursor, limit=limit)


def _records(rows: Sequence[Row[Any]]) -> list[ApiKey]:
    return [ApiKey.model_validate(row) for row in rows]


def revoke(c: Connection, key_id: str) -> ApiKey:
    """From now on the key, its login codes and its sessions are refused. Raises NotFound."""
    at = now(c)
    c.execute(update(api_key).where(api_key.c.id == key_id, api_key.c.revoked_at.is_(None)).values(revoked_at=at))
    return get(c, key_id)


def make_login_code(c: Connection, key_id: str, *, seconds: float = 600) -> str:
    """A code that opens one browser session within `seconds`."""
    code = secrets.token_urlsafe(32)
    c.execute(
        login_code.insert().values(digest=digest(code), key_id=key_id, expires_at=now(c) + timedelta(seconds=seconds))
    )
    return code


def use_login_code(c: Connection, code: str, *, hours: float = 168) -> str:
    """Exchange a code, once, for a session's secret (the cookie). Raises NotAuthenticated."""
    at = now(c)
    fresh = update(login_code).where(
        login_code.c.digest == digest(code), login_code.c.used_at.is_(None), login_code.c.expires_at > at
    )
    key_id = c.execute(fresh.values(used_at=at).returning(login_code.c.key_id)).scalar_one_or_none()
    if key_id is None:
        raise NotAuthenticated("This login address was used already or is too old; `normlab login` makes another.")
    return open_session(c, key_id, hours=hours)


def open_session(c: Connection, key_id: str, *, hours: float = 168) -> str:
    """A new browser session of a key; returns the cookie's secret."""
    at = now(c)
    secret = secrets.token_urlsafe(32)
    values = {"digest": digest(secret), "key_id": key_id, "created_at": at, "expires_at": at + timedelta(hours=hours)}
    c.execute(session.insert().values(**values))
    return secret


def find_session(c: Connection, secret: str) -> ApiKey:
    """The key behind a session's cookie. Raises NotAuthenticated."""
    at = now(c)
    # Looked up by digest: knowing how a wrong secret's digest compares tells nothing about a right one.
    valid = select(api_key).join(session, session.c.key_id == api_key.c.id)
    row = c.execute(
        valid.where(
            session.c.digest == digest(secret),
            session.c.ended_at.is_(None),
            session.c.expires_at > at,
            api_key.c.revoked_at.is_(None),
            or_(api_key.c.expires_at.is_(None), api_key.c.expires_at > at),
        )
    ).one_or_none()
    if row is None:
        raise NotAuthenticated("This browser is not logged in; `normlab login` prints an address that does it.")
    return ApiKey.model_validate(row)


def end_session(c: Connection, secret: str) -> None:
    """Log the browser out."""
    c.execute(update(session).where(session.c.digest == digest(secret)).values(ended_at=now(c)))


def forget_old(c: Connection) -> int:
    """Drop login codes and sessions whose time is over; returns how many."""
    at = now(c)
    gone = [c.execute(delete(table).where(table.c.expires_at <= at)).rowcount for table in (login_code, session)]
    return sum(gone)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _crc(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def _key_id(token: str) -> str:
    """The key id a well-formed token names. Raises NotAuthenticated."""
    parts = token.split("_")
    if len(parts) != 4 or parts[0] != PREFIX or not token.isascii():
        raise NotAuthenticated("This is not a NormLab key: it should look like nl_<id>_<secret>_<crc>.")
    if _crc("_".join(parts[:3])) != parts[3]:
        raise NotAuthenticated("This key is incomplete or mistyped.")
    return f"key_{parts[1]}"
