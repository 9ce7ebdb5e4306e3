"""Answers kept by Idempotency-Key, written in the transaction of what they answer for."""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from domain.clock import now
from domain.errors import KeyReused, KeyRunning
from domain.run import Record
from domain.tables import idempotency


class Answer(Record):
    """An answer that was given before."""

    status: int
    headers: dict[str, str]
    body: str


def find(c: Connection, *, owner: str, route: str, key: str, body_hash: str) -> Answer | None:
    """The answer that the key was given before. Raises KeyReused when that was to another body."""
    row = c.execute(select(idempotency).where(*_is(owner, route, key))).one_or_none()
    if row is None:
        return None
    if row.body_hash != body_hash:
        raise KeyReused(key)
    return Answer.model_validate(row)


def begin(c: Connection, *, owner: str, route: str, key: str, body_hash: str) -> Answer | None:
    """Take the key: None means nobody used it before and the caller goes on, then calls `keep`.

    Raises KeyReused when it came with another body before, and KeyRunning while another transaction holds it. That one
    is told on PostgreSQL, where transactions run side by side; on SQLite the caller waits for its turn to write.
    """
    if c.dialect.name == "postgresql" and not c.execute(_lock(owner, route, key)).scalar_one():
        raise KeyRunning(key)
    insert = (postgresql.insert if c.dialect.name == "postgresql" else sqlite.insert)(idempotency)
    values = {"owner": owner, "route": route, "key": key, "body_hash": body_hash, "created_at": now(c)}
    first = insert.values(**values).on_conflict_do_nothing().returning(idempotency.c.key)
    if c.execute(first).one_or_none() is not None:
        return None
    return find(c, owner=owner, route=route, key=key, body_hash=body_hash)


def keep(
    c: Connection, *, owner: str, route: str, key: str, status: int, headers: Mapping[str, str], body: str
) -> None:
    """Keep the answer, in the transaction that did the work."""
    answer = {"status": status, "headers": dict(headers), "body": body}
    c.execute(update(idempotency).where(*_is(owner, route, key)).values(**answer))


def forget_old(c: Connection, *, hours: float = 24) -> int:
    """Drop answers older than that; returns how many."""
    old = idempotency.c.created_at < now(c) - timedelta(hours=hours)
    return c.execute(delete(idempotency).where(old)).rowcount


def _lock(owner: str, route: str, key: str) -> Any:
    """Whether this transaction got the key's lock; PostgreSQL gives it back when the transaction ends, however."""
    digest = hashlib.sha256(f"{owner}\0{route}\0{key}".encode()).digest()
    return select(func.pg_try_advisory_xact_lock(int.from_bytes(digest[:8], signed=True)))


def _is(owner: str, route: str, key: str) -> tuple[ColumnElement[bool], ...]:
    return idempotency.c.owner == owner, idempotency.c.route == route, idempotency.c.key == key
