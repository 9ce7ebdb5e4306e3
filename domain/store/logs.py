"""The output of runs, line by line, kept with the attempt that wrote it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from domain.report import LogLine
from domain.run import Record
from domain.store.text import storable
from domain.tables import log

LINE = 8000
"""Characters of a line that are kept."""
BATCH_ROWS = 1000
KEY = (log.c.token, log.c.number)
"""The order in which lines were written: attempt by attempt."""


class StoredLine(Record):
    """One line as people read it."""

    token: int
    """The attempt that wrote it."""
    number: int
    at: datetime
    stream: Literal["out", "error"]
    line: str


def append(c: Connection, run_id: str, token: int, lines: Sequence[LogLine]) -> None:
    """Keep lines of an attempt; one that is there already stays as it is. The caller holds the token."""
    if not lines:
        return
    rows = [
        {"run_id": run_id, "token": token, **line._asdict(), "line": storable(line.line, limit=LINE)} for line in lines
    ]
    c.execute(_insert(c).on_conflict_do_nothing(), rows)


def _insert(c: Connection) -> Any:
    return postgresql.insert(log) if c.dialect.name == "postgresql" else sqlite.insert(log)


def tail(c: Connection, run_id: str, *, after: tuple[int, int] | None = None, limit: int = 500) -> list[StoredLine]:
    """The lines after (token, number), oldest first; without `after`, the last `limit` lines."""
    query = select(log).where(log.c.run_id == run_id).limit(limit)
    if after is not None:
        rows = c.execute(query.where(tuple_(*KEY) > tuple_(*after)).order_by(*KEY)).all()
    else:
        rows = c.execute(query.order_by(*(column.desc() for column in KEY))).all()[::-1]
    return [StoredLine.model_validate(row) for row in rows]


def whole(c: Connection, run_id: str) -> Iterator[list[StoredLine]]:
    """Every line of a run, the oldest first, in batches that are read as they are asked for."""
    query = select(log).where(log.c.run_id == run_id).order_by(*KEY)
    for rows in c.execution_options(yield_per=BATCH_ROWS).execute(query).partitions():
        yield [StoredLine.model_validate(row) for row in rows]
