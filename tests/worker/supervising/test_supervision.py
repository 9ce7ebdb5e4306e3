"""Runs from the queue to their end with a real broker, dispatcher, worker and runner: killed, stopped, damaged."""

import base64
import json
import os
import pickle
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from sqlalchemy import update

from domain import tables
from domain.event import EventKind
from domain.queue import WAKE, make_celery, publish
from domain.run import Action, Outcome, Reason, Responsible, Run, RunStatus
from domain.store import events, logs, metrics, runs, workers
from tests.worker.plant import Plant, wait_until
from tests.worker.specs import raw_job
from tests.worker.supervising import memory_limit
from worker.protocol import checkpoint
from worker.protocol.spool import PULSE, read_pulse

MEASURED = {"step_time", "samples_per_second", "peak_memory"}
STEPS = 400

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """One installation for the module, with short timers."""
    timers = {"heartbeat": 0.5, "self_fence": 8, "lease": 12, "tick": 0.2, "stall_timeout": 6, "backoff": 0.1}
    made = Plant(tmp_path_factory.mktemp("plant"), slot_memory=1 << 30, **timers)
    made.start()
    yield made
    made.close()


def long_job(steps: int = STEPS) -> dict[str, Any]:
    """A job of a second or more that saves often."""
    return raw_job(
        architecture={"kind": "mlp", "hidden": [192, 192]},
        budget={"steps": steps},
        evaluate_every={"steps": 50},
        checkpoint_every={"steps": 15},
    )


def wait_for_step(plant: Plant, run: Run, step: int, token: int = 1) -> None:
    path = plant.settings.runs_dir / run.id / "attempts" / str(token) / PULSE

    def is_there() -> bool:
        beat = read_pulse(path)
        return beat is not None and beat.step >= step

    wait_until(is_there, f"step {step} of {run.id}", words=plant.words)


def token_of(plant: Plant, run: Run) -> int:
    with plant.database.read() as c:
        tries = runs.attempts(c, run.id)
    return tries[-1].token if tries else 0


def points(plant: Plant, run: Run) -> dict[tuple[str, int], Any]:
    """Every point that does not measure."""
    with plant.database.read() as c:
        rows = list(metrics.rows(c, [run.id]))
    return {(row["name"], row["step"]): row["value"] for row in rows if row["name"] not in MEASURED}


def weights_digest(plant: Plant, run: Run) -> str:
    """The digest of the final weights, verified against the files."""
    with plant.database.read() as c:
        newest = runs.checkpoints(c, run.id)[0]
    checkpoint.verify(plant.settings.runs_dir / newest.path, newest.digest)
    assert "final." in newest.path
    return newest.digest


def ask(plant: Plant, run: Run, action: Action) -> None:
    with plant.database.write() as c:
        runs.request(c, run.id, action)


def kinds_of(plant: Plant, run: Run) -> list[str]:
    with plant.database.read() as c:
        return [event.kind for event in events.after(c, 0, run_id=run.id, limit=1000)]


@pytest.fixture(scope="module")
def undisturbed(plant: Plant) -> Run:
    """The reference: seed 0 of the long job, never disturbed."""
    return plant.ended(plant.submit(long_job())[0].id)


def assert_like(plant: Plant, run: Run, reference: Run) -> None:
    ended = plant.ended(run.id)
    assert (ended.status, ended.outcome) == (RunStatus.SUCCEEDED, Outcome.COMPLETED), plant.words()
    assert ended.exact
    assert weights_digest(plant, run) == weights_digest(plant, reference)
    assert points(plant, run) == points(plant, reference)


def test_a_run_goes_from_the_queue_to_its_end(plant: Plant, undisturbed: Run) -> None:
    run = plant.run(undisturbed.id)
    assert (run.status, run.outcome, run.step, run.total_steps) == ("succeeded", "completed", STEPS, STEPS)
    assert run.progress == 1.0
    series = {name for name, _ in points(plant, run)}
    assert {"train_loss", "validation_loss", "test_error", "test_accuracy"} <= series
    assert {step for name, step in points(plant, run) if name == "train_loss"} == set(range(1, STEPS + 1))
    kinds = kinds_of(plant, run)
    assert {"run_queued", "run_started", "dataset", "metrics", "checkpoint", "run_succeeded"} <= set(kinds)


def test_an_ended_run_is_not_said_to_be_saving(plant: Plant) -> None:
    """A run too short for any other report would show nothing but that."""
    run = plant.ended(plant.submit(raw_job())[0].id)
    with plant.database.read() as c:
        told = events.after(c, 0, run_id=run.id, limit=1000)
    together = {event.kind for event in told if event.at == told[-1].at}
    assert {EventKind.METRICS, EventKind.RUN_SUCCEEDED} <= together
    assert EventKind.RUN_PHASE not in together
    assert run.phase is None


def test_only_the_final_weights_and_the_best_checkpoint_are_left_on_disk(plant: Plant, undisturbed: Run) -> None:
    directory = plant.settings.runs_dir / undisturbed.id
    with plant.database.read() as c:
        stored = {Path(saved.path).name for saved in runs.checkpoints(c, undisturbed.id)}
    assert {path.name for path in (directory / "ck").iterdir()} == stored
    assert len(stored) <= 2
    assert [path.name for path in (directory / "attempts" / "1").iterdir()] == [PULSE]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process has mapped")
def test_the_worker_processes_have_not_loaded_torch_and_the_runner_has(plant: Plant, undisturbed: Run) -> None:
    def has_torch(pid: int) -> bool:
        return "libtorch" in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")

    assert not has_torch(plant.processes["worker"].pid)
    assert not has_torch(plant.pool_process().pid)
    assert has_torch(plant.runner().pid)


def test_the_runner_is_kept_warm_with_few_of_our_variables(plant: Plant, undisturbed: Run) -> None:
    before = plant.runner().pid
    plant.ended(plant.submit(raw_job())[0].id)
    assert plant.runner().pid == before
    environment = psutil.Process(before).environ()
    assert "MALLOC_TOP_PAD_" in environment
    assert not {"NORMLAB_DATABASE_URL", "NORMLAB_BROKER_URL", "NORMLAB_OWNER_KEY"} & set(environment)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this killer")
def test_the_runner_is_offered_to_the_oom_killer(plant: Plant) -> None:
    score = Path(f"/proc/{plant.runner().pid}/oom_score_adj")
    assert score.read_text(encoding="ascii").strip() == "1000"


def test_a_runner_killed_at_random_steps_ends_with_the_same_bytes(plant: Plant, undisturbed: Run) -> None:
    dice = random.Random(11)
    run = plant.submit(long_job())[0]
    for token in range(1, 4):
        wait_for_step(plant, run, token * 60 + dice.randrange(60), token)
        plant.runner().send_signal(signal.SIGKILL)
        wait_until(lambda: token_of(plant, run) > token, "the next attempt", words=plant.words)  # noqa: B023
    assert_like(plant, run, undisturbed)
    with plant.database.read() as c:
        tries = runs.attempts(c, run.id)
    assert [attempt.reason for attempt in tries] == ["signal_9"] * 3 + [None]
    assert all(attempt.start_step > 0 for attempt in tries[1:])


def test_a_killed_pool_process_takes_its_runner_with_it_and_the_run_goes_on(plant: Plant, undisturbed: Run) -> None:
    run = plant.submit(long_job())[0]
    wait_for_step(plant, run, 100)
    runner, pool = plant.runner(), plant.pool_process()
    pool.send_signal(signal.SIGKILL)
    wait_until(lambda: not runner.is_running() or runner.status() == psutil.STATUS_ZOMBIE, "the end of the runner")
    assert_like(plant, run, undisturbed)


def test_a_killed_worker_is_found_dead_by_the_next_one(plant: Plant, undisturbed: Run) -> None:
    run = plant.submit(long_job())[0]
    wait_for_step(plant, run, 100)
    left = plant.descendants("worker")
    plant.stop("worker", how=signal.SIGKILL)
    wait_until(lambda: not any(process.is_running() for process in left), "the end of its processes")
    plant.start("worker")
    assert_like(plant, run, undisturbed)
    assert "run_lost" in kinds_of(plant, run)


def test_a_worker_told_to_end_saves_gives_the_run_back_and_counts_no_attempt(plant: Plant, undisturbed: Run) -> None:
    run = plant.submit(long_job())[0]
    wait_for_step(plant, run, 100)
    plant.stop("worker")
    back = plant.run(run.id)
    assert (back.status, back.reason, back.attempt) == (RunStatus.QUEUED, Reason.PREEMPTED, 0)
    plant.start("worker")
    assert_like(plant, run, undisturbed)
    with plant.database.read() as c:
        assert [attempt.ending for attempt in runs.attempts(c, run.id)] == ["drained", "succeeded"]


def test_a_paused_run_rests_and_ends_with_the_same_bytes_when_resumed(plant: Plant, undisturbed: Run) -> None:
    run = plant.submit(long_job())[0]
    wait_for_step(plant, run, 80)
    ask(plant, run, Action.PAUSE)
    wait_until(lambda: plant.run(run.id).status == RunStatus.PAUSED, "the pause", words=plant.words)
    ask(plant, run, Action.RESUME)
    assert_like(plant, run, undisturbed)


def test_a_runner_told_to_end_by_its_machine_gives_the_run_back_and_takes_no_other(
    plant: Plant, undisturbed: Run
) -> None:
    run = plant.submit(long_job())[0]
    wait_for_step(plant, run, 100)
    plant.runner().send_signal(signal.SIGTERM)
    assert_like(plant, run, undisturbed)
    assert plant.run(run.id).attempt == 1
    with plant.database.read() as c:
        assert [attempt.ending for attempt in runs.attempts(c, run.id)] == ["drained", "succeeded"]


def test_a_cancelled_run_ends_at_the_next_step_and_the_runner_stays_warm(plant: Plant) -> None:
    run = plant.submit(long_job(steps=1_000_000))[0]
    wait_for_step(plant, run, 30)
    warm = plant.runner().pid
    ask(plant, run, Action.CANCEL)
    assert plant.ended(run.id).status == RunStatus.CANCELLED
    plant.ended(plant.submit(raw_job())[0].id)
    assert plant.runner().pid == warm


def test_a_run_that_takes_too_long_fails_once_keeps_its_checkpoint_and_leaves_the_runner_warm(plant: Plant) -> None:
    """Also when it was killed meanwhile: the time of every attempt counts."""
    limited = long_job(steps=1_000_000)
    limited["training"]["time_limit"] = 3
    run = plant.submit(limited)[0]
    wait_for_step(plant, run, 60)
    plant.runner().send_signal(signal.SIGKILL)
    wait_for_step(plant, run, 100, token=2)
    warm = plant.runner().pid
    ended = plant.ended(run.id)
    assert (ended.status, ended.responsible, ended.reason) == (RunStatus.FAILED, Responsible.SPEC, Reason.DEADLINE)
    assert "the limit of training.time_limit" in (ended.message or "")
    with plant.database.read() as c:
        tries = runs.attempts(c, run.id)
        newest = runs.checkpoints(c, run.id)[0]
    assert [attempt.ending for attempt in tries] == ["retried", "failed"]
    assert sum((attempt.ended_at - attempt.started_at).total_seconds() for attempt in tries if attempt.ended_at) >= 3
    assert newest.step == ended.step
    checkpoint.verify(plant.settings.runs_dir / newest.path, newest.digest)
    plant.ended(plant.submit(raw_job())[0].id)
    assert plant.runner().pid == warm


def test_a_runner_that_hangs_is_killed_and_the_run_tried_again(plant: Plant, undisturbed: Run) -> None:
    run = plant.submit(long_job())[0]
    wait_for_step(plant, run, 100)
    plant.runner().send_signal(signal.SIGSTOP)
    assert_like(plant, run, undisturbed)
    with plant.database.read() as c:
        assert runs.attempts(c, run.id)[0].reason == Reason.STALLED


def test_a_damaged_checkpoint_is_noticed_and_the_one_before_it_used(plant: Plant, undisturbed: Run) -> None:
    run = plant.submit(long_job())[0]
    wait_for_step(plant, run, 100)
    ask(plant, run, Action.PAUSE)
    wait_until(lambda: plant.run(run.id).status == RunStatus.PAUSED, "the pause", words=plant.words)
    with plant.database.read() as c:
        newest = runs.checkpoints(c, run.id)[0]
    weights = plant.settings.runs_dir / newest.path / "weights.safetensors"
    contents = bytearray(weights.read_bytes())
    contents[-5] ^= 255
    weights.write_bytes(contents)
    ask(plant, run, Action.RESUME)
    assert_like(plant, run, undisturbed)
    with plant.database.read() as c:
        said = [event for event in events.after(c, 0, run_id=run.id, limit=1000) if event.kind == EventKind.WARNING]
        assert runs.attempts(c, run.id)[1].ending == "succeeded"
    assert f"The checkpoint of step {newest.step} is damaged" in said[0].message


def test_a_job_too_large_for_the_slot_fails_with_numbers_and_is_not_tried_again(plant: Plant) -> None:
    run = plant.submit(raw_job(architecture={"kind": "mlp", "hidden": [16384, 16384]}))[0]
    ended = plant.ended(run.id)
    assert (ended.status, ended.responsible, ended.reason) == (RunStatus.FAILED, Responsible.SPEC, Reason.TOO_LARGE)
    assert ended.attempt == 1
    assert ended.message is not None
    assert "269746186 parameters are 1.01 GiB" in ended.message
    assert "the slot has 1.00 GiB" in ended.message
    with plant.database.read() as c:
        kept = logs.tail(c, run.id)
        attempt = runs.attempts(c, run.id)[0]
    assert any("TooLargeError" in line.line for line in kept)
    assert "check_size" in (attempt.traceback or "")


@pytest.mark.skipif(memory_limit.place() is None, reason="no control group with a limit on memory can be made here")
def test_a_runner_for_which_memory_runs_out_is_said_so_and_the_next_run_succeeds(plant: Plant) -> None:
    """The kernel takes the runner and leaves the worker; the job would need more than its container has."""
    worker = [psutil.Process(plant.processes["worker"].pid), *plant.descendants("worker")]
    with memory_limit.limited(worker, 512 << 20):
        run = plant.submit(raw_job(architecture={"kind": "mlp", "hidden": [6000, 6000]}))[0]
        with plant.database.write() as c:
            c.execute(update(tables.run).where(tables.run.c.id == run.id).values(max_attempts=1))
        ended = plant.ended(run.id)
    assert (ended.status, ended.responsible, ended.reason) == (
        RunStatus.FAILED,
        Responsible.TRANSIENT,
        Reason.OOM_HOST,
    ), plant.words()
    assert worker[0].is_running()
    assert plant.ended(plant.submit(raw_job())[0].id).status is RunStatus.SUCCEEDED


def test_a_diverged_run_has_succeeded_and_shows_its_nan(plant: Plant) -> None:
    optimizer = {"kind": "sgd", "lr": 10.0, "weight_decay": 100.0}
    run = plant.ended(plant.submit(raw_job(normalization={"kind": "none"}, optimizer=optimizer))[0].id)
    assert (run.status, run.outcome) == (RunStatus.SUCCEEDED, Outcome.DIVERGED)
    with plant.database.read() as c:
        summary = next(entry for entry in metrics.summaries(c, [run.id])[run.id] if entry.name == "train_loss")
    assert summary.last in {"NaN", "Infinity"}
    assert summary.odd == 1


def test_seeds_run_breadth_first_and_high_priority_before_them(plant: Plant) -> None:
    plant.stop("worker")
    first, second = plant.submit(raw_job(seeds=2)), plant.submit(raw_job(seeds=2))
    urgent = plant.submit({**raw_job(), "priority": 5})
    plant.start("worker")
    every = [*first, *second, *urgent]
    started = sorted((plant.ended(run.id).started_at, run.id) for run in every)  # type: ignore[type-var]
    wanted = [urgent[0], first[0], second[0], first[1], second[1]]
    assert [run_id for _, run_id in started] == [run.id for run in wanted]


def test_a_message_that_is_not_json_is_not_run(plant: Plant, tmp_path: Path) -> None:
    """A pickled message that would make a file if it were read."""

    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "harmed"),)

    message = {
        "body": base64.b64encode(pickle.dumps(Harmful())).decode(),
        "content-type": "application/x-python-serialize",
        "content-encoding": "binary",
        "headers": {"task": WAKE, "id": "harmful", "lang": "py"},
        "properties": {
            "body_encoding": "base64",
            "delivery_info": {"exchange": "", "routing_key": "default"},
            "delivery_mode": 2,
            "delivery_tag": "harmful",
            "priority": 0,
        },
    }
    redis.Redis(unix_socket_path=str(plant.directory / "v.sock")).lpush("default", json.dumps(message))
    log = plant.directory / "worker.log"
    wait_until(lambda: "is no wake-up" in log.read_text(encoding="utf-8"), "the refusal", words=plant.words)
    assert plant.ended(plant.submit(raw_job())[0].id).status == RunStatus.SUCCEEDED
    assert not (tmp_path / "harmed").exists()


def test_a_message_that_is_no_wake_up_is_logged_and_dropped_and_the_worker_goes_on(plant: Plant) -> None:
    strange = [b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 5000, b"[]", b'"normlab.wake"', b'{"run_id": "run_1"}']
    log = plant.directory / "worker.log"
    before = len(log.read_text(encoding="utf-8"))
    said = lambda: log.read_text(encoding="utf-8")[before:]  # noqa: E731
    with redis.Redis(unix_socket_path=str(plant.directory / "v.sock")) as broker:
        broker.lpush("default", *strange)
        wait_until(lambda: said().count("is no wake-up") == len(strange), "the drops", words=plant.words)
        assert plant.ended(plant.submit(raw_job())[0].id).status == RunStatus.SUCCEEDED
        assert broker.hlen("unacked") == 0
    assert plant.processes["worker"].poll() is None
    assert "Traceback" not in said()


def test_a_message_is_acknowledged_before_its_run_and_a_thousand_more_start_nothing(plant: Plant) -> None:
    """So that nothing is delivered again in a long run, and what is doubled changes nothing."""
    run = plant.submit(long_job())[0]
    wait_for_step(plant, run, 20)
    with redis.Redis(unix_socket_path=str(plant.directory / "v.sock")) as broker:
        assert broker.hlen("unacked") == 0
        app = make_celery(plant.settings)
        for _ in range(1000):
            publish(app, run.id, "default")
        plant.ended(run.id)
        wait_until(lambda: broker.llen("default") == 0, "the messages", words=plant.words)
    with plant.database.read() as c:
        assert len(runs.attempts(c, run.id)) == 1


def test_what_a_wiped_broker_forgot_is_started_all_the_same(plant: Plant) -> None:
    plant.stop("worker")
    waiting = plant.submit(raw_job(seeds=2))
    with redis.Redis(unix_socket_path=str(plant.directory / "v.sock")) as broker:
        wait_until(lambda: broker.llen("default") > 0, "the messages", words=plant.words)
        broker.flushall()
    plant.start("worker")
    assert [plant.ended(run.id).status for run in waiting] == [RunStatus.SUCCEEDED] * 2


def test_a_hung_broker_delays_messages_and_stops_nothing(plant: Plant) -> None:
    """It accepts connections and answers nobody, as a stopped process does."""
    running = plant.submit(long_job())[0]
    wait_for_step(plant, running, 20)
    log = plant.directory / "dispatcher.log"
    before = len(log.read_text(encoding="utf-8"))
    broker = plant.processes["broker"]
    broker.send_signal(signal.SIGSTOP)
    try:
        waiting = plant.submit(raw_job())[0]
        said = lambda: log.read_text(encoding="utf-8")[before:]  # noqa: E731
        wait_until(lambda: "The broker does not take messages" in said(), "the dispatcher's words", words=plant.words)
        assert plant.ended(running.id).status == RunStatus.SUCCEEDED
    finally:
        broker.send_signal(signal.SIGCONT)
    assert plant.ended(waiting.id, seconds=100, restarting=True).status == RunStatus.SUCCEEDED


def test_a_lost_broker_loses_no_run(plant: Plant) -> None:
    """Killed while a message is acknowledged, it leaves a worker that takes no more, which then ends by itself."""
    plant.stop("broker", how=signal.SIGKILL)
    run = plant.submit(raw_job())[0]
    plant.start("broker")
    assert plant.ended(run.id, seconds=100, restarting=True).status == RunStatus.SUCCEEDED


def test_nothing_is_left_when_the_worker_has_ended(plant: Plant) -> None:
    processes = plant.descendants("worker")
    plant.stop("worker")
    wait_until(lambda: not any(process.is_running() for process in processes), "the end of its processes")
    with plant.database.read() as c:
        assert workers.alive(c) == []
    assert not list(plant.settings.runs_dir.rglob("*.tmp-*"))
    assert not list(plant.settings.runs_dir.rglob("spool"))
