"""Whether the worker on this host is alive: exit 0 when its heartbeat in the database is younger than the lease.

A worker that answers pings and takes no work is a known failure of Celery over Redis; such a one writes no heartbeat.
Used by the health check of docker-compose.yml: `python -m worker.health`.
"""

import socket
import sys
from datetime import UTC, datetime

from domain.database import Database
from domain.settings import Settings
from domain.store import workers


def verdict(settings: Settings) -> str | None:
    """Return None for a worker in good health, else what is wrong."""
    database = Database.open(settings)
    with database.read() as c:
        here = workers.alive(c, host=socket.gethostname())
    if not here:
        return f"no worker of {socket.gethostname()} is registered"
    age = min((datetime.now(UTC) - worker.last_heartbeat_at).total_seconds() for worker in here)
    return (
        None
        if age < settings.lease
        else f"the last heartbeat is {age:.0f} s old, and the lease is {settings.lease:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(verdict(Settings()))
