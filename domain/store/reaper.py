"""The reaper: finds runs and workers that fell silent, by its own monotonic clock, and gives the runs back.

Silent means that a heartbeat number has not changed for a whole lease *as this process counts time*. So a wall clock
that jumps, or a machine that slept, expires nothing at once.
"""

import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, select

from domain.database import Database
from domain.errors import StaleToken
from domain.run import RunStatus
from domain.store import workers
from domain.store.endings import lose
from domain.store.workers import LIVE
from domain.tables import run, worker


@dataclass
class Watch:
    """Since when each thing has shown the same sign of life."""

    patience: float
    seen: dict[str, tuple[Hashable, float]] = field(default_factory=dict)

    def silent(self, signs: Iterable[tuple[str, Hashable]], moment: float) -> list[str]:
        """Those whose sign has not changed for `patience` seconds; who is no longer listed is forgotten."""
        current = dict(signs)
        self.seen = {name: self._since(name, sign, moment) for name, sign in current.items()}
        return [name for name, (_, since) in self.seen.items() if moment - since >= self.patience]

    def _since(self, name: str, sign: Hashable, moment: float) -> tuple[Hashable, float]:
        before = self.seen.get(name)
        return before if before is not None and before[0] == sign else (sign, moment)


class Reaper:
    """Call `look` every few seconds, from one process."""

    def __init__(self, *, lease: float, backoff: float = 5, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.backoff = backoff
        self.runs = Watch(lease)
        self.workers = Watch(lease)

    def look(self, database: Database) -> list[str]:
        """One round. Returns the ids of the runs that were taken from a silent worker."""
        with database.read() as c:
            held = c.execute(
                select(run.c.id, run.c.token, run.c.hb_seq, run.c.last_heartbeat_at).where(
                    run.c.status == RunStatus.RUNNING
                )
            ).all()
            live = c.execute(select(worker.c.id, worker.c.hb_seq).where(worker.c.status.in_(LIVE))).all()
        moment = self.clock()
        tokens = {row.id: row.token for row in held}
        signs = [(row.id, (row.token, row.hb_seq, row.last_heartbeat_at)) for row in held]
        lost = [run_id for run_id in self.runs.silent(signs, moment) if self._take(database, run_id, tokens[run_id])]
        for worker_id in self.workers.silent([(row.id, row.hb_seq) for row in live], moment):
            self._lose_worker(database, worker_id)
        return lost

    def _take(self, database: Database, run_id: str, token: int) -> bool:
        message = f"No heartbeat for {self.runs.patience:g} s"
        try:
            with database.write() as c:
                sign = select(run.c.token, run.c.hb_seq, run.c.last_heartbeat_at).where(run.c.id == run_id)
                if _changed(c, sign, self.runs.seen[run_id][0]):
                    return False
                lose(c, run_id, token, message=message, backoff=self.backoff)
        except StaleToken:  # It ended while we looked.
            return False
        return True

    def _lose_worker(self, database: Database, worker_id: str) -> None:
        with database.write() as c:
            sign = select(worker.c.hb_seq).where(worker.c.id == worker_id)
            if not _changed(c, sign, (self.workers.seen[worker_id][0],)):
                workers.lose(c, worker_id, message=f"silent for {self.workers.patience:g} s", backoff=self.backoff)


def _changed(c: Connection, sign: Select[Any], seen: Hashable) -> bool:
    """Whether a heartbeat came between the look and the taking."""
    row = c.execute(sign).one_or_none()
    return row is None or tuple(row) != seen
