"""Pages of a list by keyset, with an opaque cursor that new rows don't shift: newest first, or along a key."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Row, Select, Table, literal, tuple_

from domain.errors import InvalidCursor
from domain.tables import Moment, from_micros, to_micros

LIMIT = 200
"""The most rows of one page."""
BIGINT = 2**63
"""Integers of a database lie below."""

T = TypeVar("T")


class Page(Generic[T]):
    """One page: its rows, and the cursor of the next (None on the last)."""

    def __init__(self, data: list[T], next_cursor: str | None) -> None:
        self.data = data
        self.next_cursor = next_cursor

    @property
    def has_more(self) -> bool:
        return self.next_cursor is not None


def along(
    c: Connection,
    query: Select[Any],
    key: Sequence[Column[Any]],
    make: Callable[[Sequence[Row[Any]]], list[T]],
    *,
    cursor: str | None,
    limit: int,
) -> Page[T]:
    """One page of `query` in the rising order of `key`, columns it selects that tell its rows apart."""
    limit = max(1, min(limit, LIMIT))
    if cursor is not None:
        query = query.where(tuple_(*key) > tuple_(*_read_key(cursor, key)))
    rows = c.execute(query.order_by(*key).limit(limit + 1)).all()
    shown = rows[:limit]
    more = _write_key([getattr(shown[-1], column.name) for column in key]) if len(rows) > limit else None
    return Page(make(shown), more)


def _write_key(values: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _read_key(cursor: str, key: Sequence[Column[Any]]) -> list[Any]:
    """The values after which the page begins. Raises InvalidCursor."""
    try:
        values = json.loads(_decoded(cursor))
    except (ValueError, RecursionError) as error:
        raise InvalidCursor(cursor) from error
    kinds = [column.type.python_type for column in key]
    if not isinstance(values, list) or [type(value) for value in values] != kinds:
        raise InvalidCursor(cursor)
    if not all(value.isprintable() if isinstance(value, str) else abs(value) < BIGINT for value in values):
        raise InvalidCursor(cursor)
    return values


def _decoded(cursor: str) -> str:
    """Raises ValueError for what is not base64 of ASCII."""
    padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
    return base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")


def write_cursor(at: Any, row_id: str) -> str:
    return base64.urlsafe_b64encode(f"{to_micros(at)} {row_id}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[Any, str]:
    """The (time, id) after which the page begins. Raises InvalidCursor."""
    try:
        micros, row_id = _decoded(cursor).split(" ")
        if not row_id.isprintable():  # PostgreSQL refuses a text that holds NUL.
            raise InvalidCursor(cursor)
        return from_micros(int(micros)), row_id
    except (ValueError, OverflowError) as error:
        raise InvalidCursor(cursor) from error


def fetch(
    c: Connection,
    query: Select[Any],
    table: Table,
    make: Callable[[Sequence[Row[Any]]], list[T]],
    *,
    cursor: str | None,
    limit: int,
    time: str = "created_at",
) -> Page[T]:
    """One page of `query`, whose rows have id and `time` of `table`; `make` turns the rows into records."""
    limit = max(1, min(limit, LIMIT))
    if cursor is not None:
        query = query.where(_before(table.c[time], table.c.id, *read_cursor(cursor)))
    rows = c.execute(query.order_by(table.c[time].desc(), table.c.id.desc()).limit(limit + 1)).all()
    shown = rows[:limit]
    more = write_cursor(getattr(shown[-1], time), shown[-1].id) if len(rows) > limit else None
    return Page(make(shown), more)


def _before(time: Column[Any], key: Column[Any], at: Any, row_id: str) -> ColumnElement[bool]:
    # SQLite and PostgreSQL both compare row values, and walk the (time, id) index for it where there is one.
    return tuple_(time, key) < tuple_(literal(at, Moment), row_id)
