"""The database's clock: the only one that times in the tables are taken from."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from domain.tables import Moment


class database_now(GenericFunction[datetime]):  # noqa: N801 - reads as a SQL function
    """The time at which the statement runs (not at which the transaction began)."""

    type = Moment()
    inherit_cache = True


@compiles(database_now, "sqlite")
def _on_sqlite(element: database_now, compiler: Any, **kwargs: Any) -> str:  # noqa: ARG001 - SQLAlchemy's signature
    # julianday works in every SQLite; unixepoch('subsec') only from 3.42. Both tick in milliseconds.
    return "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000"


@compiles(database_now, "postgresql")
def _on_postgres(element: database_now, compiler: Any, **kwargs: Any) -> str:  # noqa: ARG001 - SQLAlchemy's signature
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"


def now(c: Connection) -> datetime:
    return c.execute(select(database_now())).scalar_one()
