"""Answers kept by Idempotency-Key, written in the transaction of what they answer for."""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from domain.clock import now
from domain.errors import KeyReused
from domain.run import Record
from domain.tables import idempotency


class Answer(Record):
    """An answer that was given before."""

    status: int
    headers: dict[str, str]
    body: str


def begin(c: Connection, *, owner: str, route: str, key: str, body_hash: str) -> Answer | None:
    """Take the key: None means nobody used it before and the caller goes on, then calls `keep`.

    A second request with the same key waits here until the first has committed or failed. Raises KeyReused when it came
    with another body.
    """
    insert = (postgresql.insert if c.dialect.name == "postgresql" else sqlite.insert)(idempotency)
    values = {"owner": owner, "route": route, "key": key, "body_hash": body_hash, "created_at": now(c)}
    first = insert.values(**values).on_conflict_do_nothing().returning(idempotency.c.key)
    if c.execute(first).one_or_none() is not None:
        return None
    row = c.execute(select(idempotency).where(*_is(owner, route, key))).one()
    if row.body_hash != body_hash:
        raise KeyReused(key)
    return Answer.model_validate(row)


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


def _is(owner: str, route: str, key: str) -> tuple[ColumnElement[bool], ...]:
    return idempotency.c.owner == owner, idempotency.c.route == route, idempotency.c.key == key
