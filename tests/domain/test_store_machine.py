"""The life of runs as a state machine: whatever workers, people and faults do in whatever order, the promises hold.

After every step: one valid token at a time (I2), terminal states written once (I5), never more than three attempts in a
row without progress (I7), events numbered without gaps (I9). At the end every run can still be brought to its one
terminal state (I1).
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from hypothesis import Phase
from hypothesis import settings as limits
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, select

from domain.database import Database
from domain.errors import NotPossible, StaleToken
from domain.event import EventKind
from domain.report import Ending, Report
from domain.run import FINAL, TRANSITIONS, Outcome, Responsible, RunStatus, Worker
from domain.store import events, metrics, runs, workers
from domain.tables import attempt, run
from tests.conftest import ENGINES, clear
from tests.domain.made import checkpoint, make_worker, points, submit_job

PHASES = (Phase.explicit, Phase.generate)
"""No shrinking: a failing history is short enough to read, and making it shorter takes minutes."""
MAX_ATTEMPTS = 3
WORKERS = 3


@dataclass
class Model:
    """What the test knows of one run, from what it did itself."""

    id: str
    priority: int
    seed_rank: int
    status: RunStatus = RunStatus.QUEUED
    token: int = 0
    saved: int | None = None
    step: int = 0
    number: int = 0
    fruitless: int = 0
    """Attempts in a row without progress, the one in hand included."""
    request: str | None = None
    values: dict[int, float] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        return self.status is RunStatus.RUNNING


class Lives(RuleBasedStateMachine):
    """Runs, workers and people over one store."""

    database: ClassVar[Database]

    @initialize()
    def begin(self) -> None:
        clear(self.database)
        self.models: dict[str, Model] = {}
        self.ended: dict[str, str] = {}
        with self.database.write() as c:
            self.workers: list[Worker] = [make_worker(c, f"w{number}") for number in range(WORKERS)]

    def pick(self, number: int, *, running: bool | None = None) -> Model | None:
        fitting = [model for model in self.models.values() if running is None or model.running is running]
        return fitting[number % len(fitting)] if fitting else None

    @rule(seeds=st.integers(1, 2), priority=st.integers(0, 1))
    def submit(self, seeds: int, priority: int) -> None:
        with self.database.write() as c:
            job = submit_job(c, seeds=range(seeds), priority=priority)
            for made in runs.of_jobs(c, [job.id]):
                self.models[made.id] = Model(made.id, priority, made.seed_rank)

    @rule(number=st.integers(0, WORKERS - 1))
    def claim(self, number: int) -> None:
        waiting = [model for model in self.models.values() if model.status is RunStatus.QUEUED]
        best = min(waiting, key=lambda model: (-model.priority, model.seed_rank, model.id), default=None)
        with self.database.write() as c:
            claimed = runs.claim(c, self.workers[number].id, queues=["default"])
        assert (claimed.run.id if claimed else None) == (best.id if best else None)
        if claimed and best:
            assert claimed.token > best.token
            assert (claimed.checkpoint.step if claimed.checkpoint else None) == best.saved
            kept = -1 if best.saved is None else best.saved
            best.values = {step: value for step, value in best.values.items() if step <= kept}
            best.status, best.token, best.number, best.request = RunStatus.RUNNING, claimed.token, 0, None
            best.step = best.saved or 0
            best.fruitless += 1

    @precondition(lambda self: self.pick(0, running=True))
    @rule(which=st.integers(0, 5), values=st.lists(st.floats(-9, 9), max_size=3), again=st.booleans())
    def report(self, which: int, values: list[float], *, again: bool) -> None:
        model = self.pick(which, running=True)
        assert model
        model.number += 1
        told = Report(
            number=model.number,
            step=model.step + len(values),
            points={"train_loss": points(*values, first=model.step + 1)},
        )
        for _ in range(2 if again else 1):
            with self.database.write() as c:
                orders = runs.report(c, model.id, model.token, told)
        assert orders == (model.request or "go")
        model.values |= {model.step + 1 + place: value + 0.0 for place, value in enumerate(values)}
        model.step += len(values)

    @precondition(lambda self: self.pick(0, running=True))
    @rule(which=st.integers(0, 5))
    def save(self, which: int) -> None:
        model = self.pick(which, running=True)
        assert model
        with self.database.write() as c:
            runs.saved_checkpoint(c, model.id, model.token, checkpoint(model.step))
        if model.step > (model.saved or 0):
            model.fruitless = 0
        model.saved = model.step

    @precondition(lambda self: self.pick(0, running=True))
    @rule(which=st.integers(0, 5), how=st.sampled_from(["done", "diverged", "spec", "crash", "lost", "give back"]))
    def end(self, which: int, how: str) -> None:
        model = self.pick(which, running=True)
        assert model
        with self.database.write() as c:
            status = self._end(c, model, how)
        assert status == expected_end(model, how)
        assert status in TRANSITIONS[RunStatus.RUNNING]
        if how == "give back" and model.fruitless:
            model.fruitless -= 1
        self.became(model, status)

    def _end(self, c: Connection, model: Model, how: str) -> RunStatus:
        endings = {
            "done": Ending.succeeded(Outcome.COMPLETED),
            "diverged": Ending.succeeded(Outcome.DIVERGED),
            "spec": Ending.failed(Responsible.SPEC, "error", "wrong"),
            "crash": Ending.failed(Responsible.TRANSIENT, "signal_9", "killed"),
        }
        if how == "lost":
            return runs.lose(c, model.id, model.token, message="gone", backoff=0)
        if how == "give back":
            return runs.release(c, model.id, model.token)
        return runs.finish(c, model.id, model.token, endings[how], backoff=0)

    @precondition(lambda self: self.models)
    @rule(which=st.integers(0, 9), action=st.sampled_from(["cancel", "pause", "resume", "retry"]))
    def ask(self, which: int, action: str) -> None:
        model = self.pick(which)
        assert model
        try:
            with self.database.write() as c:
                after = runs.request(c, model.id, action)
        except NotPossible:
            assert model.status in FINAL or action == "retry"
            return
        if action == "retry":
            assert model.status in {RunStatus.FAILED, RunStatus.CANCELLED}
            self.models[after.id] = Model(after.id, model.priority, model.seed_rank)
            return
        assert after.status == expected_after(model, action)
        model.request = after.request
        self.became(model, after.status)

    def became(self, model: Model, status: RunStatus) -> None:
        model.status = status
        if status in FINAL:
            assert model.id not in self.ended
            self.ended[model.id] = status

    @precondition(lambda self: self.models)
    @rule(which=st.integers(0, 9), older=st.integers(0, 3), what=st.integers(0, 4))
    def write_with_a_stale_token(self, which: int, older: int, what: int) -> None:
        model = self.pick(which)
        assert model
        stale = model.token - older if not model.running else model.token - 1 - older
        before = self.everything()
        with pytest.raises(StaleToken), self.database.write() as c:
            self._write(c, model.id, stale, what)
        assert self.everything() == before

    def _write(self, c: Connection, run_id: str, token: int, what: int) -> None:
        writes: list[Any] = [
            lambda: runs.report(c, run_id, token, Report(number=99, step=99, points={"train_loss": points(1.0)})),
            lambda: runs.saved_checkpoint(c, run_id, token, checkpoint(99)),
            lambda: runs.finish(c, run_id, token, Ending.succeeded(Outcome.COMPLETED)),
            lambda: runs.release(c, run_id, token),
            lambda: runs.lose(c, run_id, token, message="gone"),
        ]
        writes[what]()

    @rule(number=st.integers(0, WORKERS - 1))
    def lose_a_worker_and_start_another(self, number: int) -> None:
        """Its runs, if it holds any, are lost with it."""
        gone = self.workers[number].id
        with self.database.write() as c:
            held = c.execute(select(run.c.id).where(run.c.worker == gone)).scalars().all()
            workers.lose(c, gone, backoff=0)
            self.workers[number] = make_worker(c, f"w{number}")
        for run_id in held:
            model = self.models[run_id]
            self.became(model, expected_end(model, "lost"))

    def everything(self) -> tuple[Any, ...]:
        with self.database.read() as c:
            return (
                c.execute(select(run).order_by(run.c.id)).all(),
                c.execute(select(attempt).order_by(attempt.c.run_id, attempt.c.token)).all(),
                events.last_seq(c),
                list(metrics.rows(c, list(self.models))),
            )

    @invariant()
    def the_store_agrees(self) -> None:
        if not hasattr(self, "models"):
            return
        with self.database.read() as c:
            rows = {row.id: row for row in c.execute(select(run))}
            tries = c.execute(select(attempt)).all()
            seqs = [event.seq for event in events.after(c, 0, limit=10_000)]
        assert rows.keys() == self.models.keys()
        for model in self.models.values():
            row = rows[model.id]
            assert (row.status, row.token, row.failures) == (model.status, model.token, model.fruitless)
            assert (row.worker is not None) == model.running
            assert row.failures <= MAX_ATTEMPTS
        open_tokens = {(each.run_id, each.token) for each in tries if each.ended_at is None}
        assert open_tokens == {(model.id, model.token) for model in self.models.values() if model.running}
        assert {run_id: rows[run_id].status for run_id in self.ended} == self.ended
        assert seqs == list(range(1, len(seqs) + 1))

    def teardown(self) -> None:
        if not hasattr(self, "models"):
            return
        self.metrics_are_complete()
        self.bring_everything_to_an_end()
        with self.database.read() as c:
            told = events.after(c, 0, limit=10_000)
        final = Counter(event.run_id for event in told if event.data.get("status") in FINAL)
        assert final == Counter(self.models.keys())
        self.histories_follow_the_transitions(told)

    def metrics_are_complete(self) -> None:
        with self.database.read() as c:
            for model in self.models.values():
                stored = {row["step"]: row["value"] for row in metrics.rows(c, [model.id])}
                assert stored == model.values

    def bring_everything_to_an_end(self) -> None:
        """Runs that are paused go on, and good workers finish what there is."""
        for model in list(self.models.values()):
            if model.status is RunStatus.PAUSED:
                self.ask(list(self.models).index(model.id), "resume")
        while any(not model.status.is_final for model in self.models.values()):
            while self.pick(0, running=True):
                self.end(0, "done")
            self.claim(0)

    def histories_follow_the_transitions(self, told: list[Any]) -> None:
        at: dict[str, RunStatus] = {}
        for event in told:
            status = event.data.get("status")
            if status is None or event.kind is EventKind.RUN_REQUESTED:
                continue
            after = RunStatus(status)
            before = at.get(event.run_id)
            assert after in TRANSITIONS[before] if before else after is RunStatus.QUEUED
            at[event.run_id] = after


def expected_end(model: Model, how: str) -> RunStatus:
    if how in {"done", "diverged"}:
        return RunStatus.SUCCEEDED
    if how == "spec":
        return RunStatus.FAILED
    if model.request == "cancel":
        return RunStatus.CANCELLED
    if how in {"crash", "lost"} and model.fruitless >= MAX_ATTEMPTS:
        return RunStatus.FAILED
    return RunStatus.PAUSED if model.request == "pause" else RunStatus.QUEUED


def expected_after(model: Model, action: str) -> RunStatus:
    if model.status in {RunStatus.RUNNING, *FINAL}:
        return model.status
    after = {"cancel": RunStatus.CANCELLED, "pause": RunStatus.PAUSED, "resume": RunStatus.QUEUED}
    return after[action]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_promises_hold_whatever_happens_in_whatever_order(engine: str, request: pytest.FixtureRequest) -> None:
    Lives.database = request.getfixturevalue("sqlite_database" if engine == "sqlite" else "postgres_database")
    examples = limits.default.max_examples // 10 if limits.default else 10
    run_state_machine_as_test(Lives, settings=limits(max_examples=examples, stateful_step_count=40, phases=PHASES))  # type: ignore[no-untyped-call]
