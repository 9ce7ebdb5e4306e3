"""Bringing a database to the newest revision: one process at a time, with a copy of a SQLite file first."""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from domain.database import Database
from domain.errors import DatabaseTooNew
from domain.tables import REVISION

logger = logging.getLogger(__name__)

ADVISORY_LOCK = 0x6E6F726D6C6162
"""PostgreSQL's lock while migrating: "normlab" in ASCII."""


def alembic_config() -> Config:
    """Alembic's settings, without a file: the scripts lie beside this one."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def head() -> str | None:
    """The newest revision there is."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head()


def known() -> set[str]:
    """Every revision this version has a script for."""
    return {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}


def upgrade(database: Database, *, to: str = REVISION) -> Path | None:
    """Run the missing revisions. Returns the copy made of a SQLite file that held an older schema.

    A killed upgrade leaves the last finished revision (each is one transaction); running it again goes on from there.
    """
    with _alone(database):
        found = database.revision()
        if found == to:
            return None
        if found is not None and found not in known():
            raise DatabaseTooNew(found, to)
        copy = _copy(database, found) if found and database.on_sqlite else None
        config = alembic_config()
        with database.writer.connect() as connection:
            if not database.on_sqlite:
                # Rewriting a large table may take longer than any request is allowed to.
                connection.execute(text("SET LOCAL statement_timeout = 0"))
            config.attributes["connection"] = connection
            command.upgrade(config, to)
            connection.commit()
        logger.info("The database is at revision %s.", to)
        return copy


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    """Hold the one lock of migrations; a second process waits and then finds nothing left to do."""
    if database.on_sqlite:
        path = Path(str(database.url.database) + ".migrating")
        with path.open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        return
    # A connection of its own, closed afterwards: the lock goes with it, whatever happens.
    engine = create_engine(database.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as c:
        c.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
        yield


def _copy(database: Database, revision: str) -> Path:
    """A whole and consistent copy of the SQLite file, beside it."""
    source = Path(str(database.url.database))
    copy = source.with_name(f"{source.name}.before-{revision}")
    unfinished = copy.with_suffix(f"{copy.suffix}.unfinished")
    unfinished.unlink(missing_ok=True)
    with database.writer.connect() as c:
        driver = c.connection.driver_connection
        if driver is not None:
            driver.execute("VACUUM INTO ?", (str(unfinished),))
    return unfinished.replace(copy)
