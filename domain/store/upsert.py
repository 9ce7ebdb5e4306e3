"""Writing many rows at once, replacing those with the same key, in the way that is fastest on each database."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect

DIALECT: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]


def upsert(c: Connection, table: Table, rows: Sequence[Mapping[str, Any]], key: Sequence[str]) -> None:
    """Insert the rows, which have the same columns; one whose `key` is there replaces what is there.

    Values go to the driver as they are, so columns must have plain types (numbers and text).
    """
    if not rows:
        return
    names = tuple(rows[0])
    if c.dialect.name == "postgresql":
        # An array for each column, written as text: three times as fast as a statement for each row, and than COPY.
        arrays = {name: _array([row[name] for row in rows]) for name in names}
        c.execute(text(_arrays_sql(table, names, tuple(key))), arrays)
    else:
        # Straight to the driver: for many small rows the expression language costs more than SQLite does.
        c.exec_driver_sql(_values_sql(table, names, tuple(key)), [tuple(row.values()) for row in rows])


def _array(values: Sequence[Any]) -> str:
    """PostgreSQL's text form of an array of numbers or text; repr keeps every bit of a float."""
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: float | str | None) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return repr(value)


@functools.cache
def _arrays_sql(table: Table, names: tuple[str, ...], key: tuple[str, ...]) -> str:
    types = {name: table.c[name].type.compile(DIALECT) for name in names}
    arrays = ", ".join(f"CAST(:{name} AS {types[name]}[])" for name in names)
    # Made of the column names of our own tables only.
    return f"{_head(table, names)} SELECT * FROM unnest({arrays}) {_tail(names, key)}"  # noqa: S608 - made of our own column names


@functools.cache
def _values_sql(table: Table, names: tuple[str, ...], key: tuple[str, ...]) -> str:
    return f"{_head(table, names)} VALUES ({', '.join('?' for _ in names)}) {_tail(names, key)}"


def _head(table: Table, names: Sequence[str]) -> str:
    return f'INSERT INTO "{table.name}" ({_quoted(names)})'


def _tail(names: Sequence[str], key: Sequence[str]) -> str:
    changes = ", ".join(f'"{name}" = excluded."{name}"' for name in names if name not in key)
    return f"ON CONFLICT ({_quoted(key)}) DO UPDATE SET {changes}"


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
