"""Pages along a key: every row once and in order, whatever the page's size; a cursor that is not ours is refused."""

import pytest
from sqlalchemy import update

from domain.database import Database
from domain.errors import InvalidCursor
from domain.metric import MetricChoice
from domain.store import jobs, pages, runs
from domain.store.results import results, results_page
from domain.tables import run
from tests.domain.made import submit_study


@pytest.mark.parametrize("limit", [1, 2, 5, 200])
def test_the_runs_of_a_study_come_once_each_by_cell_and_seed(database: Database, limit: int) -> None:
    with database.write() as c:
        study = submit_study(c)
        every = runs.ids(c, study_id=study.id)
        assert every == [each.id for each in runs.of_jobs(c, [job.id for job in jobs.of_study(c, study.id).data])]
        walked, cursor = [], None
        while True:
            page = runs.page_in_order(c, study_id=study.id, cursor=cursor, limit=limit)
            assert len(page.data) <= limit
            walked += [each.id for each in page.data]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert walked == every


def test_pages_of_jobs_and_results_are_the_whole_cut_up(database: Database) -> None:
    with database.write() as c:
        study = submit_study(c)
        whole = results(c, MetricChoice(), study_id=study.id)
        first = results_page(c, MetricChoice(), study_id=study.id, limit=len(whole) - 1)
        rest = results_page(c, MetricChoice(), study_id=study.id, cursor=first.next_cursor)
        assert (first.data + rest.data, rest.next_cursor) == (whole, None)
        cells = jobs.of_study(c, study.id)
        one = jobs.of_study(c, study.id, limit=1)
        assert one.data + jobs.of_study(c, study.id, cursor=one.next_cursor).data == cells.data


def test_of_a_seed_that_was_retried_only_the_newest_run_is_listed(database: Database) -> None:
    with database.write() as c:
        study = submit_study(c)
        old = runs.ids(c, study_id=study.id)[0]
        runs.request(c, old, "cancel")
        new = runs.request(c, old, "retry").id
        listed = runs.ids(c, study_id=study.id)
        assert (old in listed, new in listed) == (False, True)


@pytest.mark.parametrize(
    "values",
    [
        "x", 7, [], ["job", 0], ["job", 0, "run", 1], ["job", "0", "run"], ["job", 0.5, "run"], ["job", True, "run"],
        ["job", 2**63, "run"], ["job\0", 0, "run"], [["job"], 0, "run"], {"job": 0}, None, [None, 0, "run"],
    ],
)  # fmt: skip
def test_a_cursor_that_this_service_did_not_write_is_refused(database: Database, values: object) -> None:
    cursor = pages._write_key(values)  # type: ignore[arg-type]
    with database.write() as c, pytest.raises(InvalidCursor):
        runs.page_in_order(c, study_id="x", cursor=cursor)


def test_a_cursor_whose_row_is_gone_goes_on_behind_it(database: Database) -> None:
    with database.write() as c:
        study = submit_study(c)
        every = runs.ids(c, study_id=study.id)
        page = runs.page_in_order(c, study_id=study.id, limit=2)
        c.execute(update(run).where(run.c.id == every[1]).values(retried_by="run_x"))
        after = runs.page_in_order(c, study_id=study.id, cursor=page.next_cursor)
        assert [each.id for each in after.data] == every[2:]
