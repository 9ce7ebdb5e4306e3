"""The door to the database: one transaction to write, one to read, on SQLite or PostgreSQL.

with database.write() as c:      # commits when the block ends, rolls back when it raises
    run = runs.claim(c, ...)
with database.read() as c:       # cannot write
    page = runs.page(c, ...)
"""

import json
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Connection, Engine, create_engine, event, inspect, select, table, text
from sqlalchemy import column as sql_column
from sqlalchemy.engine import make_url

from domain import tables
from domain.errors import DatabaseNotReady, UnsuitableStorage
from domain.settings import Settings
from domain.store import events

try:
    from pysqlite3 import dbapi2 as sqlite
except ImportError:  # No wheel for this platform: the SQLite that Python ships, with care (see `wal_is_safe`).
    import sqlite3 as sqlite

logger = logging.getLogger(__name__)

REMOTE_FILESYSTEMS = frozenset({
    "nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "virtiofs", "afpfs", "webdav", "fuse.sshfs",
})  # fmt: skip
WRITERS_WAIT = 30
"""Seconds a write waits for the ones before it."""
READERS = 12
READERS_WAIT = 5
"""Seconds a read waits for a connection before the request is refused; on PostgreSQL a write too."""
PG_OPTIONS = "-c lock_timeout=5000 -c statement_timeout=30000 -c idle_in_transaction_session_timeout=30000"


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Whether this SQLite is free of the WAL-reset corruption bug (3.7.0 to 3.51.2; sqlite.org/changes)."""
    fixed_branches: dict[tuple[int, ...], int] = {(3, 44): 6, (3, 50): 7}
    return version >= (3, 51, 3) or version[2:] >= (fixed_branches.get(version[:2], math.inf),)


def finite_json(value: Any) -> Any:
    """The value with NaN and infinities written as JSON can carry them: "NaN", "Infinity", "-Infinity"."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {str(key): finite_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite_json(item) for item in value]
    return value


def _to_json(value: Any) -> str:
    return json.dumps(finite_json(value), allow_nan=False, separators=(",", ":"))


def refuse_remote_directory(directory: Path) -> None:
    """Raises UnsuitableStorage where SQLite's locks do not hold: network and shared file systems."""
    real = directory.resolve()
    mounts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
    nearest = max((mount for mount in mounts if real.is_relative_to(mount)), default=None, key=lambda m: len(m.parts))
    filesystem = mounts[nearest] if nearest else ""
    if filesystem.lower() in REMOTE_FILESYSTEMS:
        raise UnsuitableStorage(directory, filesystem)


class Database:
    """One database as one process sees it. Make it after forking, never before."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        if self.url.get_backend_name() == "sqlite":
            self.writer, self.reader = _sqlite_engines(url)
        else:
            self.writer, self.reader = _postgres_engines(url)

    @classmethod
    def open(cls, settings: Settings) -> "Database":
        return cls(settings.database_url.get_secret_value())

    @property
    def on_sqlite(self) -> bool:
        return self.writer.dialect.name == "sqlite"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction. Events appended in it get their numbers just before the commit (docs/decisions)."""
        with self.writer.begin() as c:
            c.info.pop(events.PENDING, None)
            yield c
            events.flush(c)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of the database; writing raises."""
        with self.reader.begin() as c:
            yield c

    def revision(self) -> str | None:
        """The migration the schema is at, None for an empty database."""
        with self.read() as c:
            if not inspect(c).has_table("alembic_version"):
                return None
            return c.execute(select(sql_column("version_num")).select_from(table("alembic_version"))).scalar()

    def check_schema(self) -> None:
        """Raises DatabaseNotReady unless the schema is the one this code was written for."""
        found = self.revision()
        if found != tables.REVISION:
            raise DatabaseNotReady(found, tables.REVISION)

    def checkpoint_wal(self) -> None:
        """Fold the write-ahead log back into the file, so that endless readers cannot grow it. Call it now and then.

        It gives way to whoever reads or writes just then, and succeeds another time.
        """
        if not self.on_sqlite:
            return
        with self.writer.connect() as c:
            connection: Any = c.connection.driver_connection
            # Waiting for a reader would hold up every writer meanwhile.
            connection.execute("PRAGMA busy_timeout=100")
            try:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except sqlite.OperationalError:
                logger.info("The write-ahead log is in use; it is folded back later.")
            finally:
                connection.execute(f"PRAGMA busy_timeout={WRITERS_WAIT * 1000}")

    def close(self) -> None:
        self.writer.dispose()
        self.reader.dispose()


def _sqlite_engines(url: str) -> tuple[Engine, Engine]:
    path = make_url(url).database
    if path:
        directory = Path(path).absolute().parent
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        refuse_remote_directory(directory)
    safe = wal_is_safe(sqlite.sqlite_version_info)
    if not safe:
        logger.warning(
            "SQLite %s can corrupt a write-ahead log (fixed in 3.51.3): using the slower DELETE journal instead.",
            sqlite.sqlite_version,
        )
    common: dict[str, Any] = {"module": sqlite, "json_serializer": _to_json}
    # One connection writes at a time; threads of this process queue for it here, processes in SQLite's busy handler.
    writer = create_engine(url, pool_size=1, max_overflow=0, pool_timeout=WRITERS_WAIT, **common)
    reader = create_engine(url, pool_size=READERS, max_overflow=4, pool_timeout=READERS_WAIT, **common)
    _set_up(writer, begin="BEGIN IMMEDIATE", pragmas=[f"journal_mode={'WAL' if safe else 'DELETE'}"])
    _set_up(reader, begin="BEGIN", pragmas=["query_only=ON"])
    return writer, reader


def _set_up(engine: Engine, *, begin: str, pragmas: list[str]) -> None:
    """Take over transactions from the driver: a deferred BEGIN that later writes fails at once when somebody wrote."""

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, record: Any) -> None:  # noqa: ARG001 - SQLAlchemy's signature
        connection.isolation_level = None
        # busy_timeout first: setting the journal mode itself may have to wait.
        common = [f"busy_timeout={WRITERS_WAIT * 1000}", "foreign_keys=ON", "synchronous=FULL"]
        for pragma in [*common, "journal_size_limit=67108864", *pragmas]:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(c: Connection) -> None:
        c.exec_driver_sql(begin)


def _postgres_engines(url: str) -> tuple[Engine, Engine]:
    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_size=READERS,
        max_overflow=4,
        pool_timeout=READERS_WAIT,
        json_serializer=_to_json,
        connect_args={"options": PG_OPTIONS, "connect_timeout": 5, "application_name": "normlab"},
    )
    # Each statement would see what was committed before it otherwise, and a reader of several not one moment.
    return engine, engine.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")


def create_schema(database: Database) -> None:
    """Make every table at once, as after all migrations (tests; real installations run `python -m migrations`)."""
    with database.writer.begin() as c:
        tables.metadata.create_all(c)
        c.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        c.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": tables.REVISION})
        c.execute(tables.event_counter.insert().values(id=1, last=0))
