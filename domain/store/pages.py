"""Pages of a list by keyset: newest first, with an opaque cursor over (created_at, id) that new rows don't shift."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, literal, tuple_

from domain.errors import InvalidCursor
from domain.tables import Moment, from_micros, to_micros

LIMIT = 200
"""The most rows of one page."""

T = TypeVar("T")


class Page(Generic[T]):
    """One page: its rows, and the cursor of the next (None on the last)."""

    def __init__(self, data: list[T], next_cursor: str | None) -> None:
        self.data = data
        self.next_cursor = next_cursor

    @property
    def has_more(self) -> bool:
        return self.next_cursor is not None


def write_cursor(row: Row[Any]) -> str:
    return base64.urlsafe_b64encode(f"{to_micros(row.created_at)} {row.id}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[Any, str]:
    """The (created_at, id) after which the page begins. Raises InvalidCursor."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        micros, row_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").split(" ")
        if not row_id.isprintable():  # PostgreSQL refuses a text that holds NUL.
            raise InvalidCursor(cursor)
        return from_micros(int(micros)), row_id
    except (ValueError, OverflowError, binascii.Error) as error:
        raise InvalidCursor(cursor) from error


def fetch(
    c: Connection,
    query: Select[Any],
    table: Table,
    make: Callable[[Sequence[Row[Any]]], list[T]],
    *,
    cursor: str | None,
    limit: int,
) -> Page[T]:
    """One page of `query`, whose rows have created_at and id of `table`; `make` turns the rows into records."""
    limit = max(1, min(limit, LIMIT))
    if cursor is not None:
        query = query.where(_before(table, *read_cursor(cursor)))
    rows = c.execute(query.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit + 1)).all()
    shown = rows[:limit]
    return Page(make(shown), write_cursor(shown[-1]) if len(rows) > limit else None)


def _before(table: Table, created_at: Any, row_id: str) -> ColumnElement[bool]:
    # SQLite and PostgreSQL both compare row values, and walk the (created_at, id) index for it.
    return tuple_(table.c.created_at, table.c.id) < tuple_(literal(created_at, Moment), row_id)
