"""The dispatcher: publishes wake-ups, announces unclaimed runs, takes runs from silent workers, packs points."""

import logging
import signal
import sys
import threading
import time

from celery import Celery
from kombu.exceptions import KombuError, OperationalError

from domain.database import Database
from domain.queue import make_celery, publish
from domain.settings import Settings
from domain.store import idempotency, keys, outbox
from domain.store.packing import pack_finished
from domain.store.reaper import Reaper
from worker.supervising.supervision import DATABASE_DOWN
from worker.supervising.turn import Turn

logger = logging.getLogger(__name__)

_BROKER_PAUSE = 1.0
"""Seconds to leave a broker alone that did not answer."""
_TIDY_EVERY = 300.0
_PACK_EVERY = 5.0
"""Seconds between two looks for points to pack; while there are some, each round packs a few."""


class Dispatcher:
    """One of these is active per database; others wait for their turn."""

    def __init__(self, settings: Settings, database: Database, app: Celery) -> None:
        self._settings = settings
        self._database = database
        self._app = app
        self._reaper = Reaper(lease=settings.lease, backoff=settings.backoff)
        self._broker_after = 0.0
        self._announce_after = 0.0
        self._reap_after = 0.0
        self._tidy_after = 0.0
        self._pack_after = 0.0

    def look(self) -> None:
        """One round. Whatever is down, database or broker, the next round tries again."""
        try:
            self._publish()
            self._announce()
            self._reap()
            self._tidy()
            self._pack()
        except DATABASE_DOWN as error:
            logger.warning("The database does not answer: %s", error.__class__.__name__)
            time.sleep(_BROKER_PAUSE)

    def _publish(self) -> None:
        """Publish, then forget: a message sent twice is harmless, one forgotten unsent waits for its announcement."""
        if time.monotonic() < self._broker_after:
            return
        with self._database.read() as c:
            due = outbox.due(c)
        sent = []
        try:
            for wakeup in due:
                publish(self._app, wakeup.run_id, wakeup.queue)
                sent.append(wakeup)
        except (KombuError, OperationalError, OSError) as error:
            self._broker_after = time.monotonic() + _BROKER_PAUSE
            logger.warning("The broker does not take messages: %s", error)
        if sent:
            with self._database.write() as c:
                outbox.published(c, sent)

    def _announce(self) -> None:
        if time.monotonic() < self._announce_after:
            return
        self._announce_after = time.monotonic() + min(1.0, self._settings.republish_after)
        with self._database.write() as c:
            outbox.announce_unclaimed(c, after=self._settings.republish_after)

    def _reap(self) -> None:
        if time.monotonic() >= self._reap_after:
            self._reap_after = time.monotonic() + self._settings.reap_every
            for run_id in self._reaper.look(self._database):
                logger.warning("%s: its worker fell silent; the run was taken from it", run_id)

    def _pack(self) -> None:
        if time.monotonic() >= self._pack_after:
            with self._database.write() as c:
                packed = pack_finished(c)
            if not packed:
                self._pack_after = time.monotonic() + _PACK_EVERY

    def _tidy(self) -> None:
        """Drop kept answers, login codes and sessions once their time is over, and fold SQLite's log into its file."""
        if time.monotonic() >= self._tidy_after:
            self._tidy_after = time.monotonic() + _TIDY_EVERY
            with self._database.write() as c:
                idempotency.forget_old(c, hours=self._settings.idempotency_hours)
                keys.forget_old(c)
            self._database.checkpoint_wal()


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    settings = Settings()
    database = Database.open(settings)
    database.check_schema()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    turn = Turn(settings, database)
    dispatcher = Dispatcher(settings, database, make_celery(settings))
    while not stopping.is_set():
        if turn.is_mine():
            dispatcher.look()
            stopping.wait(settings.dispatch_every)
        else:
            stopping.wait(turn.PAUSE)
    database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
