"""The worker's entry, `python -m worker.main`: one slot, a Celery worker whose pool process supervises a runner."""

import logging
import os
import sys
import threading
from typing import Any

import billiard
from celery import Celery
from celery.signals import worker_init, worker_process_init, worker_ready, worker_shutdown, worker_shutting_down

from domain.database import Database
from domain.queue import WAKE, make_celery, publish
from domain.settings import Settings
from worker.supervising.board import Board
from worker.supervising.presence import Presence
from worker.supervising.slot import Slot, refuse_torch


class Entry:
    """The two processes of a worker: Celery's main process, which says it is there, and the pool process, a slot."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._board = Board()
        self._app = make_celery(settings)
        self._presence = Presence(settings, self._board, self._remind)
        self._slot: Slot | None = None

    def make_app(self) -> Celery:
        """The Celery app with its one task and the hooks of the two processes."""
        app = self._app
        app.task(self._wake, name=WAKE, shared=False)
        worker_init.connect(self._on_main_process, weak=False)
        worker_process_init.connect(self._on_pool_process, weak=False)
        worker_ready.connect(self._on_ready, weak=False)
        worker_shutting_down.connect(self._on_shutting_down, weak=False)
        worker_shutdown.connect(self._on_shutdown, weak=False)
        return app

    def _wake(self, run_id: str) -> None:  # noqa: ARG002 - any message means: take the best run there is
        """The task: a thin shell around the slot. Which run was announced doesn't matter."""
        if self._slot is not None:
            self._slot.work()

    def _on_main_process(self, **_: Any) -> None:
        refuse_torch()
        self._presence.start()

    def _on_ready(self, **_: Any) -> None:
        """Look for work at once: its message may have gone to a worker that is no more."""
        self._remind()

    def _remind(self) -> None:
        publish(self._app, "", self._settings.serves[0])

    def _on_pool_process(self, **_: Any) -> None:
        self._slot = Slot(self._settings, self._board)
        threading.Thread(target=self._slot.announce, name="announce", daemon=True).start()

    def _on_shutting_down(self, **_: Any) -> None:
        self._presence.prepare_to_leave()

    def _on_shutdown(self, **_: Any) -> None:
        self._presence.leave()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    settings = Settings()
    Database.open(settings).check_schema()
    app = Entry(settings).make_app()
    # The pool forks, on macOS too where billiard would spawn: the two processes share the board. That is sound because
    # nothing here has run torch or started threads of native code.
    billiard.set_start_method("fork", force=True)
    app.worker_main([
        "worker", "--pool=prefork", "--concurrency=1", "--without-gossip", "--without-mingle", "--loglevel=INFO",
        f"--queues={','.join(settings.serves)}", f"--hostname={settings.worker_name}-{os.getpid()}",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
