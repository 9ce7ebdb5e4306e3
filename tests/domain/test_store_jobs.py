"""Jobs and studies in the store: what a submission writes, what is read back, pages, deletion, results."""

import pytest
from sqlalchemy import Connection, func, select

from domain.database import Database
from domain.errors import InvalidCursor, NotFound, NotPossible
from domain.event import EventKind
from domain.job import spec_hash
from domain.metric import MetricChoice
from domain.report import Ending, Report
from domain.run import Claim, Outcome, RunStatus
from domain.store import events, jobs, metrics, outbox, runs, studies
from domain.store.results import results
from domain.tables import metadata
from tests.domain.made import checkpoint, claim, make_spec, make_worker, points, submit_job, submit_study

KEPT_AFTER_DELETION = {"event", "event_counter", "worker"}


def test_a_submission_writes_job_runs_events_and_messages_in_one_transaction(database: Database) -> None:
    with database.write() as c:
        job = submit_job(c, seeds=[3, 5], name="first", tags={"course": "dl"}, training={"device": "cpu"})
    with database.read() as c:
        assert jobs.get(c, job.id) == job
        assert (job.name, job.tags, job.seeds, job.owner) == ("first", {"course": "dl"}, [3, 5], "ada")
        assert job.spec == make_spec(device="cpu").resolved()
        assert job.spec_hash == spec_hash(make_spec(device="cpu"))
        assert job.counts["queued"] == 2
        made = runs.of_jobs(c, [job.id])
        assert [(run.seed, run.seed_rank, run.device, run.total_steps) for run in made] == [
            (3, 0, "cpu", 100),
            (5, 1, "cpu", 100),
        ]
        assert [event.kind for event in events.after(c, 0)] == ["run_queued", "run_queued", "job_submitted"]
        assert [wakeup.run_id for wakeup in outbox.due(c)] == [run.id for run in made]


def test_a_submission_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(NotFound), database.write() as c:
        fail_after(submit_job(c).id, c)
    with database.read() as c:
        assert stored(c) == {"event_counter": 1}
        assert events.last_seq(c) == 0


def fail_after(_: str, c: Connection) -> None:
    jobs.get(c, "job_x")


def stored(c: Connection) -> dict[str, int]:
    """Rows of every table that has any."""
    counts = {
        table.name: c.execute(select(func.count()).select_from(table)).scalar_one() for table in metadata.sorted_tables
    }
    return {name: count for name, count in counts.items() if count}


def test_a_job_counts_its_runs_and_changes_when_they_do(database: Database) -> None:
    with database.write() as c:
        job = submit_job(c, seeds=[0, 1, 2])
    with database.write() as c:
        claimed = claim(c, make_worker(c))
        runs.finish(c, claimed.run.id, claimed.token, Ending.succeeded(Outcome.DIVERGED))
        claim(c, make_worker(c))
    with database.read() as c:
        now = jobs.get(c, job.id)
    assert (now.counts["succeeded"], now.counts["running"], now.counts["queued"]) == (1, 1, 1)
    assert now.outcomes == {"completed": 0, "early_stopped": 0, "diverged": 1}
    assert now.updated_at > job.updated_at


def test_jobs_are_paged_newest_first_and_new_ones_do_not_shift_the_pages(database: Database) -> None:
    with database.write() as c:
        made = [submit_job(c).id for _ in range(5)]
        first = jobs.page(c, limit=2)
        submit_job(c)
        second = jobs.page(c, limit=2, cursor=first.next_cursor)
        third = jobs.page(c, limit=2, cursor=second.next_cursor)
    assert [job.id for job in first.data + second.data + third.data] == made[::-1]
    assert third.next_cursor is None


def test_jobs_are_found_by_what_they_are(database: Database) -> None:
    with database.write() as c:
        norm = submit_job(c, normalization="rms_norm", name="100%_sure", owner="bob")
        submit_job(c)

        def found(**by: object) -> list[str]:
            return [job.id for job in jobs.page(c, **by).data]  # type: ignore[arg-type]

        assert found(normalization="rms_norm") == found(owner="bob") == found(search="100%_") == [norm.id]
        assert found(spec_hash=norm.spec_hash) == [norm.id]
        assert len(found(dataset="digits", architecture="mlp", queue="default", status=["queued", "failed"])) == 2
        assert found(search="%s") == found(status=["failed"]) == found(dataset="mnist") == []


@pytest.mark.parametrize("cursor", ["", "x", "!!!", "MTIz", "é", "a" * 5000])
def test_a_cursor_that_was_not_given_out_is_refused(database: Database, cursor: str) -> None:
    with database.read() as c, pytest.raises(InvalidCursor, match="start from the first page"):
        jobs.page(c, cursor=cursor)


def test_what_is_not_there_is_named(database: Database) -> None:
    with database.read() as c:
        for get, noun in ((jobs.get, "job"), (studies.get, "study"), (runs.get, "run")):
            with pytest.raises(NotFound, match=f"There is no {noun} 'x'"):
                get(c, "x")


def test_a_study_is_stored_with_its_cells_and_found_by_id_or_newest_of_a_name(database: Database) -> None:
    with database.write() as c:
        old = submit_study(c, name="depth")
        new = submit_study(c, name="depth")
    with database.read() as c:
        assert studies.get(c, old.id) == old
        assert studies.get(c, "depth") == new
        assert (new.cells, new.counts["queued"], new.seeds, new.axes) == (3, 6, [0, 1], ["normalization"])
        assert new.metric == MetricChoice(name="test_error")
        cells = jobs.of_study(c, new.id).data
        assert [job.key for job in cells] == [{"normalization": kind} for kind in ("none", "layer_norm", "rms_norm")]
        assert [study.id for study in studies.page(c, search="DEPTH").data] == [new.id, old.id]
        assert studies.page(c, owner="bob").data == []
        assert len(runs.ids(c, study_id=new.id)) == 6


def test_a_job_that_has_not_ended_is_not_deleted_and_one_that_has_leaves_nothing_but_events(database: Database) -> None:
    with database.write() as c:
        job = submit_job(c)
        claimed = claim(c, make_worker(c))
        runs.report(c, claimed.run.id, claimed.token, Report(number=1, points={"train_loss": points(*range(100))}))
        runs.saved_checkpoint(c, claimed.run.id, claimed.token, checkpoint(5))
    with pytest.raises(NotPossible, match="1 of its runs has not ended; cancel it first"), database.write() as c:
        jobs.delete_job(c, job.id)
    with database.write() as c:
        runs.finish(c, claimed.run.id, claimed.token, Ending.succeeded(Outcome.COMPLETED))
        assert jobs.delete_job(c, job.id) == [claimed.run.id]
    with database.read() as c:
        assert stored(c).keys() == KEPT_AFTER_DELETION
        assert events.after(c, 0)[-1].kind is EventKind.JOB_DELETED
        with pytest.raises(NotFound):
            jobs.get(c, job.id)


def test_a_study_is_deleted_whole_and_its_jobs_not_one_by_one(database: Database) -> None:
    with database.write() as c:
        study = submit_study(c)
        runs.request_study(c, study.id, "cancel")
        with pytest.raises(NotPossible, match="delete the study"):
            jobs.delete_job(c, jobs.of_study(c, study.id).data[0].id)
        assert len(studies.delete_study(c, study.id)) == 6
    with database.read() as c:
        assert stored(c).keys() == {"event", "event_counter"}


def finish(c: Connection, claimed: Claim, values: list[float]) -> None:
    """End a claimed run with these test errors and some measurements."""
    run_id, token = claimed.run.id, claimed.token
    measured = {"step_time": points(0.002, 0.004, 0.003), "peak_memory": points(5e6, 7e6)}
    told = Report(number=1, step=3, seconds=1.5, points={"test_error": points(*values), **measured})
    runs.report(c, run_id, token, told)
    runs.finish(c, run_id, token, Ending.succeeded(Outcome.COMPLETED))


def test_results_bring_the_metric_and_the_cost_of_each_run(database: Database) -> None:
    with database.write() as c:
        study = submit_study(c, seeds=[0])
        worker = make_worker(c)
        for values in ([0.5, 0.2, 0.3], [0.4, 0.4, 0.1]):
            finish(c, claim(c, worker), values)
    with database.read() as c:
        final = results(c, MetricChoice(name="test_error"), study_id=study.id)
        best = results(c, MetricChoice(name="test_error", at="best"), study_id=study.id)
        early = results(c, MetricChoice(name="test_error", at=2), study_id=study.id, threshold=0.2)
        highest = results(c, MetricChoice(name="test_error", at="best"), study_id=study.id, lower_is_better=False)
    assert [result.value for result in final] == [0.3, 0.1, None]
    assert [result.value for result in best] == [0.2, 0.1, None]
    assert [result.value for result in early] == [0.2, 0.4, None]
    assert [result.value for result in highest] == [0.5, 0.4, None]
    assert [(result.steps_to, result.seconds_to) for result in early] == [(2, 1.0), (3, 1.5), (None, None)]
    assert [result.status for result in final] == ["succeeded", "succeeded", "queued"]
    first = final[0]
    assert first.step_time_ms == pytest.approx(3.0)
    assert (first.peak_memory, first.seconds, first.steps) == (7e6, 1.5, 3)
    assert first.spec["normalization.kind"] == "none"


def test_results_take_the_newest_run_of_a_seed(database: Database) -> None:
    with database.write() as c:
        job = submit_job(c)
        old = runs.of_jobs(c, [job.id])[0]
        runs.request(c, old.id, "cancel")
        new = runs.request(c, old.id, "retry")
        found = results(c, MetricChoice(name="test_error"), job_ids=[job.id])
    assert [(result.run_id, result.status) for result in found] == [(new.id, RunStatus.QUEUED)]


def test_summaries_of_a_page_of_runs_need_no_points(database: Database) -> None:
    with database.write() as c:
        submit_job(c, seeds=[0, 1])
        worker = make_worker(c)
        for values in ([0.5], [0.4]):
            finish(c, claim(c, worker), values)
        page = runs.page(c)
        found = metrics.summaries(c, [run.id for run in page.data], names=["test_error"])
    assert [found[run.id][0].last for run in page.data] == [0.4, 0.5]
