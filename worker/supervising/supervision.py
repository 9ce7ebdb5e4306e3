"""Supervising one attempt: hand the run to the runner, ship its reports with every heartbeat, pass on orders, end it.

Nothing here loads torch, and everything written to the store carries the run's token: when it is stale the runner is
killed and nothing more is said.
"""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from domain.database import Database
from domain.errors import StaleToken
from domain.report import Ending, Report, SavedCheckpoint
from domain.run import Claim, Orders, Reason, Responsible, RunStatus
from domain.settings import Settings
from domain.store import runs
from worker.protocol import checkpoint
from worker.protocol.assignment import Assignment
from worker.protocol.spool import LOG, PULSE, SPOOL, LineReader, read_pulse, uptime
from worker.supervising.diagnosis import how_it_ended
from worker.supervising.kept_runner import KeptRunner
from worker.supervising.oom_kills import oom_kills
from worker.supervising.report import Gatherer, saved_checkpoint
from worker.supervising.time_limit import TimeLimit

logger = logging.getLogger(__name__)

LOOK = 0.1
"""Seconds between two looks at the runner when it doesn't call."""
ENOUGH_POINTS = 1000
"""So many waiting points are shipped at once."""
DATABASE_DOWN = (DBAPIError, PoolTimeoutError)


class Unsent(NamedTuple):
    """A report that the database has not taken yet."""

    report: Report
    saved: SavedCheckpoint | None
    spool_read: int
    """Bytes of the spool that had been read for it."""


class Supervision:
    """One attempt, from the claim to its end."""

    def __init__(
        self, database: Database, settings: Settings, claim: Claim, runner: KeptRunner, is_draining: Callable[[], bool]
    ) -> None:
        self._database = database
        self._settings = settings
        self._run_id, self._token = claim.run.id, claim.token
        self._claim = claim
        self._runner = runner
        self._is_draining = is_draining
        self._directory = settings.runs_dir / claim.run.id
        self._gatherer = Gatherer()
        self._unsent: list[Unsent] = []
        self._weights: SavedCheckpoint | None = None
        self._end: dict[str, Any] | None = None
        self._reported_at = 0.0
        self._stopping = Orders.GO
        self._stop_by = 0.0
        self._oom_kills = oom_kills()
        self._time_limit = TimeLimit(claim, settings)

    def run(self) -> None:
        """See the attempt through. On return the runner is idle, or dead and not to be used again."""
        try:
            self._begin()
            while self._end is None and self._runner.exit_status is None:
                self._runner.wait_for_news(LOOK)
                self._read()
                self._report_if_due()
                self._stop_if_told()
                self._kill_if_stalled()
            self._read()
            self._finish()
        except StaleToken as stale:
            logger.warning("%s", stale)
            self._drop_runner()
        except BaseException:
            self._drop_runner()
            raise
        finally:
            self._tidy()

    def _drop_runner(self) -> None:
        self._runner.kill()
        self._runner.is_clean = False

    # Beginning.

    def _begin(self) -> None:
        checkpoint.sweep(self._directory / "ck", before=self._token)
        resume = self._verified_checkpoint()
        assignment = Assignment(
            run_id=self._run_id,
            token=self._token,
            seed=self._claim.run.seed,
            spec=self._claim.spec,
            directory=str(self._directory),
            resume=str(resume) if resume else None,
            fence_at=uptime() + self._settings.self_fence,
        )
        self._attempt = assignment.attempt_directory
        self._attempt.mkdir(parents=True, exist_ok=True)
        self._spool = LineReader(self._attempt / SPOOL)
        self._log = LineReader(self._attempt / LOG)
        self._moved_at = self._reported_at = time.monotonic()
        self._last_beat = (0, 0.0)
        self._runner.begin(assignment)

    def _verified_checkpoint(self) -> Path | None:
        """The newest checkpoint of the run that passes verification; the bad ones are marked."""
        saved = self._claim.checkpoint
        while saved is not None:
            path = self._settings.runs_dir / saved.path
            try:
                checkpoint.verify(path, saved.digest)
            except checkpoint.BadCheckpointError as bad:
                logger.warning("%s: checkpoint of step %d is bad: %s", self._run_id, saved.step, bad)
                with self._database.write() as c:
                    saved = runs.bad_checkpoint(c, self._run_id, self._token, saved.id, str(bad))
            else:
                return path
        return None

    # While it trains.

    def _read(self) -> None:
        """Take in what the runner wrote since the last time."""
        for line in self._log.lines():
            self._gatherer.take_line(line)
        for line in self._spool.lines():
            message = json.loads(line)
            if message["kind"] == "checkpoint":
                self._ship(self._as_saved(message))
            elif message["kind"] == "weights":
                self._weights = self._as_saved(message)
            elif message["kind"] == "end":
                self._end = message
            else:
                self._gatherer.take(message)

    def _as_saved(self, message: dict[str, Any]) -> SavedCheckpoint:
        return saved_checkpoint(message, str(Path(message["path"]).relative_to(self._settings.runs_dir)))

    def _report_if_due(self) -> None:
        waited = time.monotonic() - self._reported_at
        news = self._gatherer.news
        waiting = waited >= self._settings.tick and (news.waits or self._unsent)
        if waiting or waited >= self._settings.heartbeat or news.point_count >= ENOUGH_POINTS:
            self._ship()

    def _ship(self, saved: SavedCheckpoint | None = None) -> None:
        """Report everything new, and `saved` with it. What the database doesn't take now is sent again."""
        report = self._gatherer.report(read_pulse(self._attempt / PULSE))
        self._unsent.append(Unsent(report, saved, self._spool.offset))
        self._reported_at = time.monotonic()
        try:
            while self._unsent:
                self._send(self._unsent[0])
                self._unsent.pop(0)
        except DATABASE_DOWN as error:
            logger.warning("%s: the database does not take reports: %s", self._run_id, error.__class__.__name__)

    def _send(self, unsent: Unsent) -> None:
        saved = unsent.saved
        began = uptime()
        dropped = []
        with self._database.write() as c:
            orders = runs.report(c, self._run_id, self._token, unsent.report, lease=self._settings.lease)
            if saved is not None:
                runs.saved_checkpoint(c, self._run_id, self._token, saved)
                dropped = runs.drop_old_checkpoints(c, self._run_id, self._token)
        self._runner.order("fence", fence_at=began + self._settings.self_fence, shipped=unsent.spool_read)
        for old in dropped:
            checkpoint.remove(self._settings.runs_dir / old.path)
        self._obey(orders)

    def _obey(self, orders: Orders) -> None:
        """Pass an order on; a person's request outranks what may have come first, draining never does."""
        if orders in {Orders.GO, self._stopping} or (orders is Orders.DRAIN and self._stopping is not Orders.GO):
            return
        if self._stopping is Orders.GO:
            self._stop_by = time.monotonic() + self._settings.kill_after
        self._stopping = orders
        self._runner.order(orders)

    def _stop_if_told(self) -> None:
        if self._stopping is Orders.GO and self._is_draining():
            self._obey(Orders.DRAIN)
        if self._stopping is Orders.GO and self._time_limit.is_over:
            self._obey(Orders.DEADLINE)
        if self._stopping is not Orders.GO and time.monotonic() > self._stop_by and self._end is None:
            logger.warning("%s: the runner did not stop in time and is killed", self._run_id)
            self._runner.kill()

    def _kill_if_stalled(self) -> None:
        beat = read_pulse(self._attempt / PULSE)
        now = time.monotonic()
        current = (beat.step, beat.first) if beat else (0, 0.0)
        if current != self._last_beat:
            self._last_beat, self._moved_at = current, now
        elif now - self._moved_at > self._settings.stall_timeout and self._end is None:
            self._runner.kill()
            words = f"No step was made for {self._settings.stall_timeout:g} s"
            self._end = {
                "how": "failed",
                "responsible": Responsible.TRANSIENT,
                "reason": Reason.STALLED,
                "message": words,
            }

    # The end.

    def _finish(self) -> None:
        """Write the end in one transaction with everything that was not yet reported, and the final weights."""
        cut_off = self._log.rest()
        if cut_off:
            self._gatherer.take_line(cut_off)
        # Told now, the saving of the final weights would be all that is ever seen of a short run.
        self._gatherer.news.phase = None
        beat = read_pulse(self._attempt / PULSE)
        late = self._time_limit.ending(beat.step if beat else self._claim.run.step)
        how = how_it_ended(self._end, self._stopping, self._runner.exit_status, self._oom_kills, late)
        self._runner.is_clean = self._leaves_a_good_runner()
        # Nobody can go on from weights alone: those of a runner that died before it said so are no end.
        has_succeeded = how is not None and how.status is RunStatus.SUCCEEDED
        weights = self._weights if has_succeeded else None
        self._unsent.append(Unsent(self._gatherer.report(beat), weights, self._spool.offset))
        give_up_at = time.monotonic() + 2 * self._settings.lease
        while True:
            try:
                with self._database.write() as c:
                    self._write_end(c, how)
            except DATABASE_DOWN:
                # Past the lease the reaper has given the run away, and this end is of no use to anybody.
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(LOOK)
            else:
                return

    def _leaves_a_good_runner(self) -> bool:
        """Whether it may take another run: not if it failed, died, or stopped on somebody else's TERM."""
        if self._end is None or self._end["how"] == "failed":
            return False
        return self._end["how"] == "succeeded" or self._stopping is not Orders.GO

    def _write_end(self, c: Connection, how: Ending | None) -> None:
        for report, saved, _ in self._unsent:
            runs.report(c, self._run_id, self._token, report, lease=self._settings.lease)
            if saved is not None:
                runs.saved_checkpoint(c, self._run_id, self._token, saved)
        if how is None:
            runs.release(c, self._run_id, self._token)
            return
        if how.status is RunStatus.SUCCEEDED:
            # The final weights stay, and the best checkpoint; nothing is resumed from here any more.
            runs.drop_old_checkpoints(c, self._run_id, self._token, keep=1)
        runs.finish(c, self._run_id, self._token, how, backoff=self._settings.backoff)

    def _tidy(self) -> None:
        """Delete what nobody will read: checkpoints without a row, the spools and logs that are in the store now.

        Only of this attempt and those before it: when it was taken from us, another is writing beside.
        """
        try:
            with self._database.read() as c:
                kept = {self._settings.runs_dir / saved.path for saved in runs.checkpoints(c, self._run_id)}
        except DATABASE_DOWN:
            return
        for path in (self._directory / "ck").glob("*"):
            if path not in kept and checkpoint.token_of(path) <= self._token:
                checkpoint.remove(path)
        for attempt in (self._directory / "attempts").glob("*"):
            if int(attempt.name) <= self._token:
                (attempt / SPOOL).unlink(missing_ok=True)
                (attempt / LOG).unlink(missing_ok=True)
