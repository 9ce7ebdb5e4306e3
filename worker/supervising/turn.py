"""Whose turn it is: of several dispatchers of one database, one is active and the others wait to take over."""

import fcntl
import os
from typing import ClassVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from domain.database import Database
from domain.settings import Settings

_KEY = 0x4E6F726D4C6162
"""The number of the advisory lock on PostgreSQL: "NormLab"."""


class Turn:
    """A lock that ends with its process: an advisory lock of a PostgreSQL session, a locked file beside SQLite."""

    PAUSE: ClassVar[float] = 1.0
    """Seconds between two tries of one who waits."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        self._path = settings.data_dir / "dispatcher.lock"
        self._file: int | None = None
        self._session: Connection | None = None

    def is_mine(self) -> bool:
        """Whether this process is the active one; takes the lock when it is free."""
        return self._lock_file() if self._database.on_sqlite else self._lock_session()

    def give_up(self) -> None:
        """Let somebody else have the turn; the end of the process does the same."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self._session is not None:
            # Closing alone would put the connection, and the lock with it, back into the pool.
            self._session.invalidate()
            self._session.close()
            self._session = None

    def _lock_file(self) -> bool:
        if self._file is not None:
            return True
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._file = file
        return True

    def _lock_session(self) -> bool:
        """The lock belongs to a connection of its own; when that breaks it is somebody else's turn, perhaps."""
        try:
            if self._session is None:
                self._session = self._database.writer.connect().execution_options(isolation_level="AUTOCOMMIT")
                taken = self._session.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _KEY}).scalar()
                if taken:
                    return True
                self._session.close()
                self._session = None
                return False
            self._session.execute(text("SELECT 1"))
        except DBAPIError:
            self.give_up()
            return False
        return True
