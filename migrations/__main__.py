"""`python -m migrations`: make or upgrade the tables, and the owner's key; safe to run at every start."""

import logging
import os
import sys

from domain.database import Database
from domain.errors import NormLabError
from domain.settings import Settings
from domain.store import keys
from migrations.upgrade import upgrade

logger = logging.getLogger("migrations")


def main() -> int:
    """Exit status 0, or 1 with a sentence on stderr."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        settings = Settings()
        database = Database.open(settings)
        copy = upgrade(database)
        if copy is not None:
            logger.info("The database as it was: %s", copy)
        ensure_owner_key(database, settings)
    except (NormLabError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is a command
        return 1
    return 0


def ensure_owner_key(database: Database, settings: Settings) -> None:
    """The owner's key: the one of the settings or of the data directory, else a new one written there (0600)."""
    token = settings.read_owner_key()
    if token is None:
        token = keys.make_token()
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(settings.owner_key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(token + "\n")
    with database.write() as c:
        keys.create(c, owner="owner", name="owner", token=token)


if __name__ == "__main__":
    sys.exit(main())
