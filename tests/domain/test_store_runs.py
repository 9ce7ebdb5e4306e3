"""The life of a run: claims, heartbeats under a token, checkpoints, retries, requests and ends, on both engines."""

import pytest

from domain.database import Database
from domain.errors import NotFound, NotPossible, StaleToken
from domain.event import EventKind
from domain.report import Ending, LogLine, Note, Report
from domain.run import ASKED, Orders, Outcome, Phase, Reason, Responsible, RunStatus
from domain.store import events, jobs, logs, metrics, outbox, runs, studies, workers
from domain.store.endings import retry_delay
from tests.domain.made import checkpoint, claim, make_worker, points, start, submit_job, submit_study

CRASH = Ending.failed(Responsible.TRANSIENT, "signal_9", "The runner was killed.", signal=9)


def test_a_claimed_run_carries_a_token_its_spec_and_no_checkpoint(database: Database) -> None:
    claimed = start(database)
    assert claimed.token == 1
    assert claimed.run.status is RunStatus.RUNNING
    assert claimed.run.phase is Phase.STARTING
    assert claimed.spec["normalization"] == {"kind": "layer_norm"}
    assert claimed.checkpoint is None
    with database.read() as c:
        assert [attempt.number for attempt in runs.attempts(c, claimed.run.id)] == [1]
        assert workers.page(c).data[0].run_id == claimed.run.id


def test_claims_go_by_priority_then_seed_rank_then_age(database: Database) -> None:
    with database.write() as c:
        first = submit_job(c, seeds=[5, 6])
        second = submit_job(c, seeds=[7])
        urgent = submit_job(c, seeds=[8], priority=1)
        worker = make_worker(c)
        order = [claim(c, worker).run for _ in range(4)]
    assert [(run.job_id, run.seed) for run in order] == [(urgent.id, 8), (first.id, 5), (second.id, 7), (first.id, 6)]


def test_a_study_runs_the_first_seed_of_every_cell_before_the_second_of_any(database: Database) -> None:
    with database.write() as c:
        study = submit_study(c, seeds=(3, 4))
        cells = [job.id for job in jobs.of_study(c, study.id).data]
        worker = make_worker(c)
        order = [(run.seed, cells.index(run.job_id)) for run in (claim(c, worker).run for _ in range(6))]
    assert order == [(3, 0), (3, 1), (3, 2), (4, 0), (4, 1), (4, 2)]


def test_a_worker_gets_runs_of_its_queues_and_devices_only(database: Database) -> None:
    with database.write() as c:
        submit_job(c, queue="gpu")
        submit_job(c, training={"device": "cuda"})
        worker = make_worker(c)
        assert runs.claim(c, worker.id, queues=["default", "cpu"], devices=["cpu"]) is None
        assert claim(c, worker, queues=["default"], devices=["cpu", "cuda"]).run.device == "cuda"
        assert claim(c, worker, queues=["cpu", "gpu"]).run.queue == "gpu"


def test_a_draining_worker_gets_nothing_and_its_runner_is_told(database: Database) -> None:
    claimed = start(database, seeds=[0, 1])
    with database.write() as c:
        workers.drain(c, claimed.run.worker or "")
        assert runs.claim(c, claimed.run.worker or "", queues=["default"]) is None
        assert runs.report(c, claimed.run.id, claimed.token, Report(number=1)) is Orders.DRAIN


def test_a_report_brings_step_phase_metrics_lines_and_notes_in_one_transaction(database: Database) -> None:
    claimed = start(database)
    run_id = claimed.run.id
    told = Report(
        number=1,
        step=3,
        total_steps=10,
        progress=0.3,
        seconds=1.5,
        seconds_left=3.5,
        phase=Phase.TRAINING,
        points={"train_loss": points(3.0, 2.0, 1.0)},
        lines=[LogLine(1, claimed.run.created_at, "out", "hello \x00 world")],
        notes=[Note(EventKind.DATASET, "fetched digits")],
    )
    with database.write() as c:
        assert runs.report(c, run_id, claimed.token, told) is Orders.GO
    with database.read() as c:
        run = runs.get(c, run_id)
        assert (run.step, run.total_steps, run.progress, run.phase) == (3, 10, 0.3, Phase.TRAINING)
        assert [line.line for line in logs.tail(c, run_id)] == ["hello � world"]
        assert metrics.summaries(c, [run_id])[run_id][0].last == 1.0
        kinds = [event.kind for event in events.after(c, 0, run_id=run_id)]
    assert kinds == ["run_queued", "run_started", "dataset", "run_phase", "metrics"]


def test_a_report_sent_twice_changes_nothing_the_second_time(database: Database) -> None:
    claimed = start(database)
    line = LogLine(1, claimed.run.created_at, "out", "once")
    told = Report(number=1, step=2, points={"train_loss": points(2.0, 1.0)}, lines=[line])
    for _ in range(2):
        with database.write() as c:
            runs.report(c, claimed.run.id, claimed.token, told)
    with database.read() as c:
        assert len(logs.tail(c, claimed.run.id)) == 1
        assert metrics.summaries(c, [claimed.run.id])[claimed.run.id][0].count == 2
        assert len(events.after(c, 0, kinds=[EventKind.METRICS])) == 1


def test_a_stale_token_changes_nothing(database: Database) -> None:
    claimed = start(database)
    run_id, stale = claimed.run.id, claimed.token
    with database.write() as c:
        runs.lose(c, run_id, stale, message="gone")
        again = claim(c, make_worker(c, "w2"))
    assert again.token > stale
    with database.read() as c:
        before, seq = runs.get(c, run_id), events.last_seq(c)
    writes = [
        lambda c: runs.report(c, run_id, stale, Report(number=9, step=99, points={"train_loss": points(0.0)})),
        lambda c: runs.saved_checkpoint(c, run_id, stale, checkpoint(99)),
        lambda c: runs.finish(c, run_id, stale, Ending.succeeded(Outcome.COMPLETED)),
        lambda c: runs.release(c, run_id, stale),
        lambda c: runs.lose(c, run_id, stale, message="gone"),
        lambda c: runs.drop_old_checkpoints(c, run_id, stale),
        lambda c: runs.bad_checkpoint(c, run_id, stale, "ckpt_1", "hash"),
    ]
    for write in writes:
        with pytest.raises(StaleToken), database.write() as c:
            write(c)
    with database.read() as c:
        assert runs.get(c, run_id) == before
        assert events.last_seq(c) == seq
        assert metrics.summaries(c, [run_id]) == {}


def test_a_finished_run_is_final_and_its_outcome_is_kept(database: Database) -> None:
    claimed = start(database)
    with database.write() as c:
        ending = Ending.succeeded(Outcome.DIVERGED, "The loss is NaN at step 7.")
        assert runs.finish(c, claimed.run.id, claimed.token, ending) is RunStatus.SUCCEEDED
    with database.read() as c:
        run = runs.get(c, claimed.run.id)
        assert (run.status, run.outcome, run.worker, run.phase) == ("succeeded", "diverged", None, None)
        assert [change.status for change in run.status_history] == ["queued", "running", "succeeded"]
        assert runs.attempts(c, run.id)[0].ending == "succeeded"
        assert workers.page(c).data[0].status == "idle"
    with pytest.raises(StaleToken), database.write() as c:
        runs.finish(c, claimed.run.id, claimed.token, Ending.cancelled())


def test_a_failure_of_the_spec_is_final_at_once(database: Database) -> None:
    claimed = start(database)
    ending = Ending.failed(Responsible.SPEC, Reason.TOO_LARGE, "10 GB do not fit.", traceback="Traceback …")
    with database.write() as c:
        assert runs.finish(c, claimed.run.id, claimed.token, ending) is RunStatus.FAILED
    with database.read() as c:
        run = runs.get(c, claimed.run.id)
        assert (run.responsible, run.reason, run.message) == ("spec", "too_large", "10 GB do not fit.")
        assert runs.attempts(c, run.id)[0].traceback == "Traceback …"


def test_a_transient_failure_goes_back_to_the_queue_with_a_message_to_publish(database: Database) -> None:
    claimed = start(database)
    with database.write() as c:
        outbox.published(c, outbox.due(c))
        assert runs.finish(c, claimed.run.id, claimed.token, CRASH) is RunStatus.QUEUED
        assert [wakeup.run_id for wakeup in outbox.due(c)] == [claimed.run.id]
        again = claim(c, make_worker(c, "w2"))
    assert (again.run.attempt, again.token, again.run.phase) == (2, 2, Phase.RECOVERING)


def test_the_wait_before_a_retry_doubles_and_is_bounded() -> None:
    assert [retry_delay(failures, 5) for failures in (1, 2, 3, 4, 50)] == [0, 5, 10, 20, 300]


def test_a_run_that_must_wait_is_not_claimed_before_its_time(database: Database) -> None:
    claimed = start(database)
    with database.write() as c:
        runs.finish(c, claimed.run.id, claimed.token, CRASH)
        again = claim(c, make_worker(c, "w2"))
        runs.finish(c, again.run.id, again.token, CRASH, backoff=1000)
        assert runs.claim(c, again.run.worker or "", queues=["default"]) is None
        assert len(outbox.due(c)) == 2, "the submission and the first retry; the second waits"
        assert runs.get(c, again.run.id).not_before is not None


def test_three_attempts_without_progress_fail_the_run(database: Database) -> None:
    claimed = start(database)
    with database.write() as c:
        worker = make_worker(c, "w2")
        assert runs.finish(c, claimed.run.id, claimed.token, CRASH, backoff=0) is RunStatus.QUEUED
        for expected in (RunStatus.QUEUED, RunStatus.FAILED):
            again = claim(c, worker)
            assert runs.finish(c, again.run.id, again.token, CRASH, backoff=0) is expected
    with database.read() as c:
        run = runs.get(c, claimed.run.id)
        assert (run.attempt, run.reason, run.responsible) == (3, "signal_9", "transient")
        assert (run.message or "").startswith("Given up after 3 attempts without progress.")


def test_a_new_checkpoint_resets_the_count_and_saving_the_same_step_does_not(database: Database) -> None:
    claimed = start(database)
    with database.write() as c:
        worker = make_worker(c, "w2")
        runs.saved_checkpoint(c, claimed.run.id, claimed.token, checkpoint(10))
        runs.finish(c, claimed.run.id, claimed.token, CRASH, backoff=0)
        ends = []
        for _ in range(3):
            again = claim(c, worker)
            assert again.checkpoint is not None
            runs.saved_checkpoint(c, again.run.id, again.token, checkpoint(10))
            ends.append(runs.finish(c, again.run.id, again.token, CRASH, backoff=0))
    assert ends == [RunStatus.QUEUED, RunStatus.QUEUED, RunStatus.FAILED]


def test_drains_and_pauses_are_never_counted(database: Database) -> None:
    claimed = start(database)
    with database.write() as c:
        worker = make_worker(c, "w2")
        assert runs.release(c, claimed.run.id, claimed.token) is RunStatus.QUEUED
        for _ in range(5):
            again = claim(c, worker)
            assert again.run.attempt == 1
            runs.release(c, again.run.id, again.token)
        again = claim(c, worker)
        runs.request(c, again.run.id, "pause")
        assert runs.release(c, again.run.id, again.token) is RunStatus.PAUSED
        assert runs.get(c, again.run.id).attempt == 0


def test_resuming_cuts_off_later_metrics_and_starts_at_the_checkpoint(database: Database) -> None:
    claimed = start(database)
    run_id = claimed.run.id
    with database.write() as c:
        told = Report(number=1, step=6, points={"train_loss": points(6.0, 5.0, 4.0, 3.0, 2.0, 1.0)})
        runs.report(c, run_id, claimed.token, told)
        runs.saved_checkpoint(c, run_id, claimed.token, checkpoint(4, metrics={"train_loss": 3.0}))
        runs.lose(c, run_id, claimed.token, message="gone")
        again = claim(c, make_worker(c, "w2"))
        assert again.checkpoint is not None
        assert (again.checkpoint.step, again.checkpoint.metrics, again.run.step) == (4, {"train_loss": 3.0}, 4)
        summary = metrics.summaries(c, [run_id])[run_id][0]
        assert (summary.count, summary.last_step, summary.last) == (4, 4, 3.0)
        assert runs.attempts(c, run_id)[1].start_step == 4


def test_a_run_that_begins_again_shows_the_progress_of_the_step_it_begins_from(database: Database) -> None:
    with database.write() as c:
        submit_job(c)
        worker = make_worker(c)
        first = claim(c, worker)
        runs.report(c, first.run.id, first.token, Report(number=1, step=60, progress=0.6, seconds=6.0))
        runs.lose(c, first.run.id, first.token, message="gone")
        second = claim(c, worker)
        assert (second.run.step, second.run.progress, second.run.seconds) == (0, 0.0, 0.0)
        runs.report(c, first.run.id, second.token, Report(number=1, step=60, progress=0.6, seconds=6.0))
        runs.saved_checkpoint(c, first.run.id, second.token, checkpoint(40))
        runs.lose(c, first.run.id, second.token, message="gone")
        third = claim(c, worker)
        assert (third.run.step, third.run.progress) == (40, 0.4)


def test_only_the_newest_checkpoints_and_the_best_are_kept(database: Database) -> None:
    claimed = start(database)
    with database.write() as c:
        for step in (1, 2, 3, 4):
            runs.saved_checkpoint(c, claimed.run.id, claimed.token, checkpoint(step, best=step == 1))
        dropped = runs.drop_old_checkpoints(c, claimed.run.id, claimed.token)
        assert [saved.step for saved in dropped] == [2]
        assert [saved.step for saved in runs.checkpoints(c, claimed.run.id)] == [4, 3, 1]


def test_a_checkpoint_saved_twice_is_one_row(database: Database) -> None:
    claimed = start(database)
    with database.write() as c:
        first = runs.saved_checkpoint(c, claimed.run.id, claimed.token, checkpoint(5))
        assert runs.saved_checkpoint(c, claimed.run.id, claimed.token, checkpoint(5)) == first
        assert len(runs.checkpoints(c, claimed.run.id)) == 1


def test_a_damaged_checkpoint_gives_way_to_the_one_before(database: Database) -> None:
    claimed = start(database)
    with database.write() as c:
        run_id, token = claimed.run.id, claimed.token
        runs.report(c, run_id, token, Report(number=1, step=3, points={"train_loss": points(3.0, 2.0, 1.0)}))
        runs.saved_checkpoint(c, run_id, token, checkpoint(1))
        bad = runs.saved_checkpoint(c, run_id, token, checkpoint(3))
        older = runs.bad_checkpoint(c, run_id, token, bad.id, "wrong hash")
        assert older is not None
        assert older.step == 1
        assert metrics.summaries(c, [run_id])[run_id][0].last_step == 1
        assert runs.bad_checkpoint(c, run_id, token, older.id, "wrong hash") is None
        assert metrics.summaries(c, [run_id]) == {}


@pytest.mark.parametrize("action", ["cancel", "pause"])
def test_a_request_to_a_running_run_arrives_with_its_next_heartbeat(database: Database, action: str) -> None:
    claimed = start(database)
    run_id = claimed.run.id
    with database.write() as c:
        asked = runs.request(c, run_id, action)
        assert (asked.status, asked.phase) == (RunStatus.RUNNING, ASKED[action])
        assert runs.report(c, run_id, claimed.token, Report(number=1, phase=Phase.TRAINING)) == action
        assert runs.get(c, run_id).phase is ASKED[action]


def test_a_run_that_is_to_go_on_after_all_is_no_longer_pausing(database: Database) -> None:
    claimed = start(database)
    with database.write() as c:
        runs.request(c, claimed.run.id, "pause")
        assert runs.request(c, claimed.run.id, "resume").phase is Phase.TRAINING
        assert runs.report(c, claimed.run.id, claimed.token, Report(number=1, phase=Phase.SAVING)) == Orders.GO
        assert runs.get(c, claimed.run.id).phase is Phase.SAVING


def test_a_lost_run_that_was_to_be_cancelled_is_cancelled_and_one_to_be_paused_is_paused(database: Database) -> None:
    for action, expected in (("cancel", RunStatus.CANCELLED), ("pause", RunStatus.PAUSED)):
        claimed = start(database)
        with database.write() as c:
            runs.request(c, claimed.run.id, action)
            assert runs.lose(c, claimed.run.id, claimed.token, message="gone") is expected


def test_a_drained_run_that_was_to_be_cancelled_does_not_go_back_to_the_queue(database: Database) -> None:
    claimed = start(database)
    with database.write() as c:
        runs.request(c, claimed.run.id, "cancel")
        assert runs.release(c, claimed.run.id, claimed.token) is RunStatus.CANCELLED


def test_a_run_whose_pause_was_taken_back_too_late_for_its_runner_goes_on(database: Database) -> None:
    claimed = start(database)
    with database.write() as c:
        runs.request(c, claimed.run.id, "pause")
        assert runs.report(c, claimed.run.id, claimed.token, Report(number=1)) == Orders.PAUSE
        runs.request(c, claimed.run.id, "resume")
        assert runs.release(c, claimed.run.id, claimed.token) is RunStatus.QUEUED


def test_queued_runs_are_cancelled_paused_and_resumed_at_once(database: Database) -> None:
    with database.write() as c:
        run_id = runs.of_jobs(c, [submit_job(c).id])[0].id
        assert runs.request(c, run_id, "pause").status is RunStatus.PAUSED
        assert runs.claim(c, make_worker(c).id, queues=["default"]) is None
        assert runs.request(c, run_id, "pause").status is RunStatus.PAUSED
        assert runs.request(c, run_id, "resume").status is RunStatus.QUEUED
        assert runs.request(c, run_id, "resume").status is RunStatus.QUEUED
        cancelled = runs.request(c, run_id, "cancel")
        assert (cancelled.status, cancelled.finished_at is not None) == (RunStatus.CANCELLED, True)
        assert runs.request(c, run_id, "cancel").status is RunStatus.CANCELLED


def test_a_pause_that_has_not_happened_yet_can_be_taken_back_and_a_cancel_cannot(database: Database) -> None:
    claimed = start(database)
    with database.write() as c:
        runs.request(c, claimed.run.id, "pause")
        assert runs.request(c, claimed.run.id, "resume").request is None
        runs.request(c, claimed.run.id, "cancel")
        assert runs.request(c, claimed.run.id, "pause").request == "cancel"
        assert runs.request(c, claimed.run.id, "resume").request == "cancel"


def test_what_the_state_forbids_is_refused_with_a_sentence(database: Database) -> None:
    claimed = start(database)
    with database.write() as c:
        with pytest.raises(NotPossible, match="only failed or cancelled runs are retried"):
            runs.request(c, claimed.run.id, "retry")
        runs.finish(c, claimed.run.id, claimed.token, Ending.succeeded(Outcome.COMPLETED))
        for action in ("pause", "resume", "cancel", "retry"):
            with pytest.raises(NotPossible, match=rf"Cannot {action} run {claimed.run.id}: it is.* succeeded"):
                runs.request(c, claimed.run.id, action)
        with pytest.raises(NotFound, match="There is no run 'run_x'"):
            runs.request(c, "run_x", "cancel")


def test_a_retry_is_a_new_run_of_the_same_seed_and_only_one(database: Database) -> None:
    with database.write() as c:
        job = submit_job(c, seeds=[7])
        old = runs.of_jobs(c, [job.id])[0]
        runs.request(c, old.id, "cancel")
        new = runs.request(c, old.id, "retry")
        assert (new.seed, new.job_id, new.retry_of, new.status) == (7, job.id, old.id, RunStatus.QUEUED)
        with pytest.raises(NotPossible, match=f"retried already, as {new.id}"):
            runs.request(c, old.id, "retry")
        assert [run.id for run in runs.of_jobs(c, [job.id])] == [new.id]
        assert len(runs.of_jobs(c, [job.id], retried=True)) == 2
        assert jobs.get(c, job.id).counts["queued"] == 1
        assert jobs.get(c, job.id).counts["cancelled"] == 0


def test_an_action_on_a_job_reaches_the_runs_it_applies_to(database: Database) -> None:
    with database.write() as c:
        job = submit_job(c, seeds=[0, 1, 2])
        claimed = claim(c, make_worker(c))
        runs.finish(c, claimed.run.id, claimed.token, Ending.succeeded(Outcome.COMPLETED))
        assert len(runs.request_job(c, job.id, "cancel")) == 2
        assert len(runs.request_job(c, job.id, "retry")) == 2
        runs.request_job(c, job.id, "cancel")
        with pytest.raises(NotPossible, match="all its runs are cancelled, succeeded"):
            runs.request_job(c, job.id, "pause")
        with pytest.raises(NotFound):
            runs.request_job(c, "job_x", "cancel")


def test_an_action_on_a_study_reaches_the_runs_of_all_its_jobs(database: Database) -> None:
    with database.write() as c:
        study = submit_study(c)
        assert len(runs.request_study(c, study.id, "pause")) == 6
        assert studies.get(c, study.id).counts["paused"] == 6
        assert len(runs.request_study(c, study.id, "resume")) == 6
        with pytest.raises(NotFound):
            runs.request_study(c, "study_x", "cancel")


def test_runs_are_paged_filtered_and_counted(database: Database) -> None:
    with database.write() as c:
        job = submit_job(c, seeds=range(5))
        submit_job(c, queue="gpu")
        claim(c, make_worker(c))
    with database.read() as c:
        first = runs.page(c, job_id=job.id, limit=3)
        rest = runs.page(c, job_id=job.id, limit=3, cursor=first.next_cursor)
        assert [run.seed for run in first.data + rest.data] == [4, 3, 2, 1, 0]
        assert (first.has_more, rest.has_more) == (True, False)
        assert [run.seed for run in runs.page(c, status=["running"]).data] == [0]
        assert runs.counts(c)["queued"] == 5
        assert runs.queue_depths(c)["default"] == {"queued": 4, "running": 1, "paused": 0}
