"""One slot: the pool process of a worker, with a warm runner ahead, taking run after run until there is none."""

import contextlib
import logging
import os
import signal
import sys
import threading
import time

from domain.database import Database
from domain.errors import StaleToken
from domain.run import Claim, RunStatus
from domain.settings import Settings
from domain.store import runs
from worker.supervising.board import Board
from worker.supervising.kept_runner import KeptRunner, RunnerFailedError
from worker.supervising.supervision import Supervision

logger = logging.getLogger(__name__)

_WARM_UP = 120
"""Seconds a runner may take to become warm."""
_STARTS = 3
"""Runners that may end before they are warm, one after another, until the worker gives up."""
_LOOK = 0.05


class Slot:
    """What a pool process holds between two messages. Made after the fork; torch is in the runner only."""

    def __init__(self, settings: Settings, board: Board) -> None:
        self._settings = settings
        self._board = board
        self._database = Database.open(settings)
        self._runner = KeptRunner(settings, board.beat)
        self._warming = threading.Lock()
        if board.worker_id:
            self._lose_what_the_last_process_held()

    def announce(self) -> None:
        """Wait for the first runner and say what it found, so that a worker with nothing to do is seen as well.

        Runs in a thread of its own. It starts no runner: one dies with the thread that started it (PR_SET_PDEATHSIG).
        """
        with self._warming:
            self._board.facts = self._runner.facts if self._runner.wait_until_ready(_WARM_UP) else {}

    def work(self) -> None:
        """Train run after run until none is eligible, or the worker is draining."""
        refuse_torch()
        self._board.beat()
        self._board.busy = True
        try:
            while not self._board.draining and self.get_ready():
                claim = self._claim()
                if claim is None:
                    return
                self._supervise(claim)
        except RunnerFailedError:
            # Nothing can be trained here; whoever supervises this worker starts it anew, or says that it keeps ending.
            logger.exception("Ending this worker")
            os.kill(os.getppid(), signal.SIGTERM)
        finally:
            self._board.busy = False

    def get_ready(self) -> bool:
        """Have a warm runner, started anew where the last one may not be used again, and be registered."""
        for _ in range(_STARTS - 1):
            with contextlib.suppress(RunnerFailedError):
                self._warm_up()
                break
        else:
            self._warm_up()
        self._board.facts = self._runner.facts
        while not self._board.worker_id and not self._board.draining:
            time.sleep(_LOOK)
        return not self._board.draining

    def _warm_up(self) -> None:
        if not self._runner.may_take_another:
            self._runner.end()
            self._runner = KeptRunner(self._settings, self._board.beat)
        with self._warming:
            if not self._runner.wait_until_ready(_WARM_UP):
                self._runner.kill()
                raise RunnerFailedError(None)

    def _claim(self) -> Claim | None:
        devices = devices_served(self._settings.device, self._runner.facts["device"])
        with self._database.write() as c:
            return runs.claim(
                c, self._board.worker_id, queues=self._settings.serves, devices=devices, lease=self._settings.lease
            )

    def _supervise(self, claim: Claim) -> None:
        logger.info("%s: attempt %d, token %d", claim.run.id, claim.run.attempt, claim.token)
        Supervision(self._database, self._settings, claim, self._runner, lambda: self._board.draining).run()

    def _lose_what_the_last_process_held(self) -> None:
        """The pool process before this one was killed; its runner died with it, so its run may go on at once."""
        with self._database.write() as c:
            for run in runs.page(c, worker=self._board.worker_id, status=(RunStatus.RUNNING,)).data:
                token = runs.attempts(c, run.id)[-1].token
                with contextlib.suppress(StaleToken):
                    runs.lose(
                        c, run.id, token, message="The supervising process was killed", backoff=self._settings.backoff
                    )


def devices_served(wanted: str, found: str) -> tuple[str, ...]:
    """The devices a worker takes runs for: a GPU worker also trains on the CPU unless its settings say `cuda`."""
    if wanted == "cuda":
        return ("cuda",)
    return ("cpu", "cuda") if found == "cuda" else ("cpu",)


def refuse_torch() -> None:
    """Raise when torch was loaded into this process: a fork of one that ran it hangs, and its memory is wasted."""
    if "torch" in sys.modules:
        raise RuntimeError("torch was imported into the supervising process; only runners may load it.")
