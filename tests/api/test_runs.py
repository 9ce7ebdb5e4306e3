"""Runs over HTTP: pages, waiting, history, lines, summaries, actions."""

import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from domain.database import Database
from domain.report import LogLine, Report
from domain.store import runs, workers
from tests.api import specs


def submitted(api: TestClient, seeds: int = 2) -> list[str]:
    """Ids of the runs of a new job, newest first."""
    job = api.post("/v1/jobs", json=specs.job(seeds=seeds)).json()["id"]
    return [run["id"] for run in api.get("/v1/runs", params={"job": job}).json()["data"]]


def test_pages_walk_the_whole_list_once_while_new_runs_arrive(api: TestClient) -> None:
    expected = submitted(api, seeds=7)
    page = api.get("/v1/runs", params={"limit": 3, "status": "queued"})
    seen = [run["id"] for run in page.json()["data"]]
    submitted(api, seeds=2)
    while page.json()["has_more"]:
        next_address = page.headers["link"].removeprefix("<").partition(">")[0]
        page = api.get(next_address)
        seen += [run["id"] for run in page.json()["data"]]
    assert seen == expected
    assert page.json()["next_cursor"] is None
    assert "link" not in page.headers


def test_a_cursor_that_is_not_ours_is_refused(api: TestClient) -> None:
    for cursor in ("x", "AAAA", "MSAA", "é", "9" * 150):
        answer = api.get("/v1/runs", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-cursor"), cursor


def test_a_run_shows_its_history_and_its_end(api: TestClient, store: Database) -> None:
    run = submitted(api, seeds=1)[0]
    waiting = api.get(f"/v1/runs/{run}")
    assert waiting.headers["retry-after"]
    specs.train_all(store)
    done = api.get(f"/v1/runs/{run}")
    assert (done.json()["status"], done.json()["outcome"]) == ("succeeded", "completed")
    assert [change["status"] for change in done.json()["status_history"]] == ["queued", "running", "succeeded"]
    assert "retry-after" not in done.headers
    assert "token" not in done.json()


def test_waiting_for_a_run_answers_when_it_ends(api: TestClient, store: Database) -> None:
    run = submitted(api, seeds=1)[0]
    answers = []
    thread = threading.Thread(target=lambda: answers.append(api.get(f"/v1/runs/{run}", params={"wait": "30s"})))
    thread.start()
    specs.train_all(store)
    thread.join(20)
    assert answers[0].json()["status"] == "succeeded"


def test_waiting_in_vain_answers_with_the_run_as_it_is(api: TestClient) -> None:
    run = submitted(api, seeds=1)[0]
    began = time.monotonic()
    assert api.get(f"/v1/runs/{run}", params={"wait": 0.3}).json()["status"] == "queued"
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("wait", ["0", "30", "59.5s", "60s", "1m", "0.5m", "0.25"])
def test_a_wait_is_written_in_seconds_or_minutes(wait: str, api: TestClient, store: Database) -> None:
    run = submitted(api, seeds=1)[0]
    specs.train_all(store)
    assert api.get(f"/v1/runs/{run}", params={"wait": wait}).status_code == 200


@pytest.mark.parametrize("wait", ["61s", "1.1m", "2m", "-1", "1h", "30 s", "s", "", "1e1", "١s"])
def test_a_wait_that_is_too_long_or_no_time_is_refused_in_words(wait: str, api: TestClient) -> None:
    answer = api.get("/v1/runs/x", params={"wait": wait})
    assert answer.status_code == 422
    error = answer.json()["errors"][0]
    assert (error["pointer"], error["code"]) == ("?wait", "invalid_duration")
    assert "30s, 1m or 30" in error["detail"]


def test_what_is_unchanged_costs_no_body(api: TestClient, store: Database) -> None:
    run = submitted(api, seeds=1)[0]
    first = api.get(f"/v1/runs/{run}")
    again = api.get(f"/v1/runs/{run}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    specs.train_all(store)
    assert api.get(f"/v1/runs/{run}", headers={"If-None-Match": first.headers["etag"]}).status_code == 200


def test_the_last_page_of_events_and_of_lines_says_that_it_is_the_last(api: TestClient) -> None:
    job = api.post("/v1/jobs", json=specs.job(seeds=1)).json()["id"]
    run = api.get("/v1/runs", params={"job": job}).json()["data"][0]["id"]
    page = api.get(f"/v1/runs/{run}/events", params={"limit": 1}).json()
    assert (len(page["data"]), page["has_more"], page["next_cursor"]) == (1, False, None)


def test_what_an_ended_attempt_left_is_gone_when_somebody_steers_the_run(api: TestClient, store: Database) -> None:
    job = api.post("/v1/jobs", json=specs.job(seeds=1)).json()["id"]
    with store.write() as c:
        worker = workers.register(c, name="w", host="h", pid=1, queues=["default"])
        claimed = runs.claim(c, worker.id, queues=["default"])
        assert claimed is not None
        runs.request(c, claimed.run.id, "pause")
        runs.lose(c, claimed.run.id, claimed.token, message="gone")
    run = claimed.run.id
    at_rest = api.get(f"/v1/runs/{run}").json()
    assert (at_rest["status"], at_rest["reason"], at_rest["responsible"]) == ("paused", "lost_worker", "transient")
    resumed = api.post(f"/v1/runs/{run}/resume").json()
    assert (resumed["status"], resumed["reason"], resumed["responsible"], resumed["message"]) == (
        "queued",
        None,
        None,
        None,
    )
    assert api.get(f"/v1/runs/{run}/attempts").json()["data"][0]["message"] == "gone"
    assert api.get(f"/v1/jobs/{job}").json()["counts"]["queued"] == 1


def test_events_of_a_run_come_in_order_and_in_pages(api: TestClient, store: Database) -> None:
    run = submitted(api, seeds=1)[0]
    specs.train_all(store)
    kinds = [event["kind"] for event in api.get(f"/v1/runs/{run}/events").json()["data"]]
    assert (kinds[0], kinds[-1]) == ("run_queued", "run_succeeded")
    walked: list[str] = []
    cursor: str | None = "0"
    while cursor is not None:
        page = api.get(f"/v1/runs/{run}/events", params={"cursor": cursor, "limit": 2}).json()
        walked += [event["kind"] for event in page["data"]]
        cursor = page["next_cursor"]
    assert walked == kinds
    begun = api.get(f"/v1/runs/{run}/events", params={"limit": 2})
    following = api.get(begun.headers["link"].removeprefix("<").partition(">")[0])
    assert [event["kind"] for event in following.json()["data"]] == kinds[2:4]


def with_log(api: TestClient, store: Database, count: int) -> tuple[str, int]:
    """A running run that has reported so many lines, and its token."""
    run = submitted(api, seeds=1)[0]
    with store.write() as c:
        worker = workers.register(c, name="w", host="h", pid=1, queues=["default"])
        claim = runs.claim(c, worker.id, queues=["default"])
        assert claim is not None
        runs.report(c, run, claim.token, Report(number=1, lines=lines(1, count)))
    return run, claim.token


def test_lines_are_read_from_the_end_and_then_followed(api: TestClient, store: Database) -> None:
    run, token = with_log(api, store, 5)
    tail = api.get(f"/v1/runs/{run}/logs", params={"limit": 2}).json()
    assert [line["line"] for line in tail["data"]] == ["line 4", "line 5"]
    with store.write() as c:
        runs.report(c, run, token, Report(number=2, lines=lines(6, 7)))
    news = api.get(f"/v1/runs/{run}/logs", params={"cursor": tail["next_cursor"]}).json()
    assert [line["line"] for line in news["data"]] == ["line 6", "line 7"]


def test_the_whole_log_is_read_in_pages_and_as_text(api: TestClient, store: Database) -> None:
    run, _ = with_log(api, store, 1500)
    expected = [f"line {number}" for number in range(1, 1501)]
    walked: list[str] = []
    page: dict[str, Any] = {"next_cursor": "0.0", "has_more": True}
    while page["has_more"]:
        page = api.get(f"/v1/runs/{run}/logs", params={"cursor": page["next_cursor"]}).json()
        walked += [line["line"] for line in page["data"]]
    assert walked == expected
    text = api.get(f"/v1/runs/{run}/logs/export")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    stamped = [line.split(" ", 1) for line in text.text.splitlines()]
    assert [line for _, line in stamped] == expected
    assert datetime.fromisoformat(stamped[0][0]).tzinfo is not None
    assert f'href="/v1/runs/{run}/logs/export"' in api.get(f"/runs/{run}").text


def lines(first: int, last: int) -> list[LogLine]:
    return [LogLine(number, datetime.now(UTC), "out", f"line {number}") for number in range(first, last + 1)]


def test_attempts_checkpoints_and_summaries_of_a_run(api: TestClient, store: Database) -> None:
    run = submitted(api, seeds=1)[0]
    specs.train_all(store)
    assert [each["ending"] for each in api.get(f"/v1/runs/{run}/attempts").json()["data"]] == ["succeeded"]
    assert api.get(f"/v1/runs/{run}/checkpoints").json()["data"] == []
    summaries = {each["name"]: each for each in api.get(f"/v1/runs/{run}/metrics").json()["data"]}
    assert (summaries["train_loss"]["min"], summaries["train_loss"]["count"]) == (0.2, 10)


def test_a_cancelled_run_is_retried_as_a_new_one(api: TestClient) -> None:
    run = submitted(api, seeds=1)[0]
    assert api.post(f"/v1/runs/{run}/cancel").json()["status"] == "cancelled"
    assert api.post(f"/v1/runs/{run}/resume").status_code == 409
    new = api.post(f"/v1/runs/{run}/retry").json()
    assert (new["retry_of"], new["status"], new["seed"]) == (run, "queued", 0)


def test_what_does_not_exist_is_404_everywhere(api: TestClient) -> None:
    for path in (
        "runs/x",
        "runs/x/events",
        "runs/x/logs",
        "runs/x/logs/export",
        "runs/x/checkpoints",
        "runs/x/attempts",
        "runs/x/metrics",
    ):
        assert api.get(f"/v1/{path}").status_code == 404
    for path in ("jobs/x", "studies/x", "studies/x/results", "workers/x", "keys/x", "catalog/norms/x"):
        assert api.get(f"/v1/{path}").status_code == 404
    for path in ("runs/x/cancel", "jobs/x/cancel", "studies/x/cancel", "workers/x/drain"):
        assert api.post(f"/v1/{path}").status_code == 404
    for path in ("jobs/x", "studies/x", "keys/x"):
        assert api.delete(f"/v1/{path}").status_code == 404


def test_an_unknown_action_is_refused(api: TestClient) -> None:
    assert api.post("/v1/runs/x/explode").status_code == 422


def test_an_action_answers_the_run_as_it_is_read_then(api: TestClient) -> None:
    job = api.post("/v1/jobs", json=specs.job(seeds=1)).json()["id"]
    run = api.get("/v1/runs", params={"job": job}).json()["data"][0]["id"]
    for action, status in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled"), ("retry", "queued")):
        before = api.get(f"/v1/runs/{run}").headers["etag"]
        acted = api.post(f"/v1/runs/{run}/{action}", headers={"If-None-Match": "*"})
        read = api.get(f"/v1/runs/{acted.json()['id']}")
        assert acted.json() == read.json()
        assert acted.headers["etag"] == read.headers["etag"] != before
        assert acted.json()["status_history"][-1]["status"] == acted.json()["status"] == status
