"""A worker's presence in the store: registration, heartbeat, draining, and a watchdog over itself."""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
from kombu.exceptions import KombuError
from kombu.exceptions import OperationalError as KombuOperationalError

from domain.database import Database
from domain.errors import NotFound
from domain.run import Worker
from domain.settings import Settings
from domain.store import runs, workers
from worker.gpu import Gpu
from worker.supervising.board import Board
from worker.supervising.slot import devices_served
from worker.supervising.supervision import DATABASE_DOWN

logger = logging.getLogger(__name__)

_LOOK = 0.1
_REMIND_AFTER = 5
"""Seconds that a run of its queues may wait while the worker is idle, before the worker sends itself a message."""
_STUCK_AFTER = 15
"""Seconds after which a worker that such a message didn't wake is ended."""
_FROZEN_AFTER = 120
"""Seconds after which a pool process that has work in hand and doesn't look after it is ended with this worker; waiting
for a locked database or reading a large checkpoint takes it less."""
_GRACE = 10
"""Seconds between asking a worker with nothing in hand to end and ending it."""
PROGRAM = "worker.main"
"""By which a worker's process is known: `python -m worker.main`."""
STUCK = 70
"""Exit status of a worker that consumed nothing while work waited; whoever supervises it starts it anew."""


class Presence:
    """A thread of the worker's main process. The broker can hang that process; this goes on and says so."""

    def __init__(self, settings: Settings, board: Board, remind: Callable[[], None]) -> None:
        """`remind` sends this worker a message; it raises when the broker is away."""
        self._settings = settings
        self._board = board
        self._remind = remind
        self._waiting_since: float | None = None
        self._reminded = False
        self._is_leaving = False
        self._idle_since: float | None = None
        self._said_draining = False
        self._gpu = Gpu()
        # The database is touched under this lock, and a fork waits for it: a child that inherited SQLite's own locks in
        # a held state would hang for ever.
        self._lock = threading.Lock()
        os.register_at_fork(
            before=self._lock.acquire, after_in_parent=self._lock.release, after_in_child=self._lock.release
        )

    def start(self) -> None:
        threading.Thread(target=self._live, name="presence", daemon=True).start()

    def prepare_to_leave(self) -> None:
        """The worker was told to end: the run in hand goes back to the queue, and no other is taken."""
        self._board.draining = True
        self._is_leaving = True

    def leave(self) -> None:
        """The worker ends by itself."""
        if self._board.worker_id:
            self._try(self._stop)

    def _live(self) -> None:
        next_beat = 0.0
        while True:
            if self._board.facts and not self._board.worker_id:
                self._try(self._register)
            elif self._board.worker_id and time.monotonic() >= next_beat:
                next_beat = time.monotonic() + self._settings.heartbeat
                self._try(self._beat)
            if self._board.draining and self._board.worker_id and not self._said_draining:
                self._said_draining = self._try(self._drain)
            self._end_if_shutdown_hangs()
            time.sleep(_LOOK)

    def _end_if_shutdown_hangs(self) -> None:
        """End a worker that was told to, has nothing in hand, and doesn't.

        Celery's shutdown was seen to hang after the broker had been lost and found.
        """
        if not self._is_leaving or self._board.busy:
            self._idle_since = None
            return
        self._idle_since = self._idle_since or time.monotonic()
        if time.monotonic() - self._idle_since > _GRACE:
            logger.error("Shutting down takes too long: ending this worker")
            self.leave()
            os._exit(0)

    def _try(self, act: Callable[[Database], object]) -> bool:
        """Do something to the database; one that is away is tried again by the next round."""
        try:
            with self._lock:
                database = Database.open(self._settings)
                try:
                    act(database)
                finally:
                    database.close()
        except DATABASE_DOWN as error:
            logger.warning("The database does not answer: %s", error.__class__.__name__)
            return False
        return True

    def _register(self, database: Database) -> None:
        facts = self._board.facts
        host = socket.gethostname()
        with database.write() as c:
            for old in workers.alive(c, host=host):
                if not _is_alive(old):
                    workers.lose(c, old.id, message="its process is gone")
            me = workers.register(
                c,
                name=self._settings.worker_name,
                host=host,
                pid=os.getpid(),
                queues=self._settings.serves,
                device=facts["device"],
                device_name=facts["device_name"],
                devices=devices_served(self._settings.device, facts["device"]),
                measures=self._measure(),
            )
        self._board.worker_id = me.id

    def _beat(self, database: Database) -> None:
        try:
            with database.write() as c:
                me = workers.beat(c, self._board.worker_id, measures=self._measure())
        except NotFound:
            logger.warning("The database has forgotten this worker; registering anew")
            self._register(database)
            return
        if me.draining and not self._board.draining:
            self._board.draining = True
        self._watch(database)

    def _measure(self) -> dict[str, Any]:
        on_gpu = self._board.facts.get("device") == "cuda"
        return {**measure(self._settings), **(measure_gpu(self._gpu) if on_gpu else {})}

    def _drain(self, database: Database) -> None:
        with database.write() as c:
            workers.drain(c, self._board.worker_id)

    def _stop(self, database: Database) -> None:
        with database.write() as c:
            workers.stop(c, self._board.worker_id)

    def _watch(self, database: Database) -> None:
        """Help when runs of its queues wait while this worker is idle: first a message, then the end of this process.

        Messages get lost, and a worker can reconnect, answer and consume nothing (airflow#63580: hundreds of tasks in
        half a day). Here that was seen when the broker was killed while a message was being acknowledged.
        """
        if self._board.busy and self._board.silence > _FROZEN_AFTER:
            self._end("The pool process has work in hand and does nothing")
        if self._board.busy or self._board.draining or not self._work_waits(database):
            self._waiting_since, self._reminded = None, False
            return
        now = time.monotonic()
        self._waiting_since = self._waiting_since or now
        waited = now - self._waiting_since
        if waited > _STUCK_AFTER and self._reminded:
            self._end("Runs wait and messages do not arrive")
        if waited > _REMIND_AFTER and not self._reminded:
            self._send_reminder()

    def _end(self, why: str) -> None:
        logger.error("%s: ending this worker", why)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE)
        os._exit(STUCK)

    def _send_reminder(self) -> None:
        try:
            self._remind()
        except (KombuError, KombuOperationalError, OSError) as error:
            # Nobody gets messages from a broker that is away; that is not this worker's fault.
            self._waiting_since = None
            logger.warning("The broker does not answer: %s", error)
        else:
            self._reminded = True

    def _work_waits(self, database: Database) -> bool:
        devices = devices_served(self._settings.device, self._board.facts["device"])
        with database.read() as c:
            return runs.is_waiting(c, queues=self._settings.serves, devices=devices)


def _is_alive(worker: Worker) -> bool:
    """Whether the process that registered as `worker` on this host still runs.

    No times are compared: this host's clock and the database's may differ, and either may be set. A reused id is
    another program's, or our own where every start of a container numbers its processes alike.
    """
    try:
        return worker.pid != os.getpid() and PROGRAM in psutil.Process(worker.pid).cmdline()
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # another user's: its lease will tell
        return True


def measure(settings: Settings) -> dict[str, Any]:
    """What the workers page shows of this machine: memory and disk in bytes, load as a share of the cores."""
    memory = psutil.virtual_memory()
    settings.runs_dir.mkdir(parents=True, exist_ok=True)
    return {
        "cpu_percent": psutil.cpu_percent(),
        "memory_used": memory.total - memory.available,
        "memory_total": memory.total,
        "disk_free": psutil.disk_usage(str(settings.runs_dir)).free,
    }


def measure_gpu(gpu: Gpu) -> dict[str, Any]:
    """What the workers page shows of this worker's GPU; nothing where its driver can't be asked."""
    use = gpu.use()
    if use is None:
        return {}
    percent = {} if use.utilization is None else {"gpu_percent": round(100 * use.utilization, 1)}
    return {"gpu_name": use.name, **percent, "gpu_memory_used": use.memory_used, "gpu_memory_total": use.memory_total}
