"""Studies and comparisons over HTTP: expanded, submitted, compared, exported."""

import math
from typing import Any

from fastapi.testclient import TestClient

from domain.database import Database
from domain.report import Ending, Point, Report
from domain.run import Outcome
from domain.store import runs, workers
from tests.api import specs


def submit(api: TestClient, **changes: Any) -> dict[str, Any]:
    answer = api.post("/v1/studies", json=specs.study(**changes))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_study_is_answered_with_its_size_and_found_by_name(api: TestClient) -> None:
    made = submit(api)
    assert (made["cells"], made["counts"]["queued"], made["axes"]) == (4, 12, ["normalization", "training.batch_size"])
    assert api.get("/v1/studies/small-batch").json()["id"] == made["id"]
    assert [job["key"] for job in api.get(f"/v1/studies/{made['id']}/jobs").json()["data"]] == [
        {"normalization": norm, "training.batch_size": batch} for norm in ("none", "layer_norm") for batch in (4, 128)
    ]


def test_runs_wait_breadth_first_over_seeds(api: TestClient, store: Database) -> None:
    submit(api)
    order = [api.get(f"/v1/runs/{run}").json()["seed"] for run in specs.train_all(store)]
    assert order == [0] * 4 + [1] * 4 + [2] * 4


def test_a_dry_run_expands_in_order_and_stores_nothing(api: TestClient) -> None:
    plan = api.post("/v1/studies", params={"dry_run": True}, json=specs.study()).json()
    assert (len(plan["jobs"]), plan["runs"], plan["seconds"]) == (4, 12, None)
    assert [job["key"]["training.batch_size"] for job in plan["jobs"]] == [4, 128, 4, 128]
    for listed in ("studies", "jobs", "runs"):
        assert api.get(f"/v1/{listed}").json()["data"] == []
    kinds = [event["kind"] for event in api.get("/v1/runs/x/events").json().get("data", [])]
    assert kinds == []


def test_a_dry_run_estimates_from_past_runs(api: TestClient, store: Database) -> None:
    submit(api)
    specs.train_all(store)
    plan = api.post("/v1/studies", params={"dry_run": True}, json=specs.study()).json()
    assert plan["estimate"]["known"] == 4
    sizes = [job["size"] for job in plan["jobs"]]
    assert {size["parameters"] for size in sizes} == {64 * 16 + 16 + 17 * 10, 64 * 16 + 3 * 16 + 17 * 10}
    assert plan["estimate"]["memory"] == max(size["memory"]["total"] for size in sizes)
    assert plan["estimate"]["flops"] == 3 * sum(size["flops"] for size in sizes)
    assert all(size["flops"] == 10 * size["flops_per_step"] for size in sizes)
    assert math.isclose(plan["seconds"], 12 * 10 * 0.002)


def test_an_invalid_cell_that_is_not_excluded_refuses_the_study(api: TestClient) -> None:
    vary = {"normalization": [{"kind": "batch_norm"}, {"kind": "layer_norm"}], "training.batch_size": [1, 4]}
    answer = api.post("/v1/studies", json=specs.study(vary=vary))
    assert answer.status_code == 422
    assert "batch_norm" in answer.json()["errors"][0]["detail"]
    excluded = [{"normalization": {"kind": "batch_norm"}, "training.batch_size": 1}]
    assert submit(api, vary=vary, exclude=excluded)["cells"] == 3


def test_one_key_makes_one_study(api: TestClient) -> None:
    headers = {"Idempotency-Key": "k"}
    first = api.post("/v1/studies", json=specs.study(), headers=headers)
    again = api.post("/v1/studies", json=specs.study(), headers=headers)
    assert (again.text, again.headers["idempotency-replayed"]) == (first.text, "true")
    assert len(api.get("/v1/studies").json()["data"]) == 1


def test_actions_reach_every_run_and_a_study_is_deleted_when_it_ended(api: TestClient) -> None:
    study = submit(api)["id"]
    assert api.post(f"/v1/studies/{study}/pause").json()["counts"]["paused"] == 12
    assert api.delete(f"/v1/studies/{study}").status_code == 409
    assert api.post("/v1/studies/small-batch/cancel").json()["counts"]["cancelled"] == 12
    assert api.delete(f"/v1/studies/{study}").status_code == 204
    assert api.get("/v1/jobs").json()["data"] == []


def trained(api: TestClient, store: Database) -> str:
    """A study whose runs have ended: layer_norm 10 points better, at both batch sizes."""
    study = submit(api)["id"]
    values = [0.3, 0.31, 0.2, 0.21, 0.32, 0.33, 0.22, 0.24, 0.34, 0.32, 0.23, 0.22]
    specs.train_all(store, values)
    return str(study)


def test_results_hold_what_each_run_contributes(api: TestClient, store: Database) -> None:
    study = trained(api, store)
    found = api.get(f"/v1/studies/{study}/results").json()["data"]
    assert len(found) == 12
    assert {each["spec"]["normalization.kind"] for each in found} == {"none", "layer_norm"}
    assert all(math.isclose(each["step_time_ms"], 2.0) for each in found)
    losses = api.get(f"/v1/studies/{study}/results", params={"metric": "train_loss"}).json()["data"]
    assert {each["value"] for each in losses} == {0.2}


def test_a_study_is_compared_as_it_was_meant(api: TestClient, store: Database) -> None:
    comparison = api.get("/v1/comparisons", params={"study": trained(api, store)}).json()
    assert (comparison["metric"], comparison["unit"], comparison["group_by"]) == (
        "test_error",
        "%",
        ["normalization", "training.batch_size"],
    )
    assert {verdict["verdict"] for verdict in comparison["verdicts"]} == {"worse"}
    assert all(group["n"] == 3 for group in comparison["groups"])
    assert math.isclose(comparison["differences"][0]["mean"], 10.333333333333334)


def test_jobs_are_compared_by_any_field_and_against_any_baseline(api: TestClient, store: Database) -> None:
    trained(api, store)
    ids = ",".join(job["id"] for job in api.get("/v1/jobs").json()["data"])
    query = {"jobs": ids, "group_by": "training.batch_size", "baseline": "training.batch_size=4", "at": "best"}
    comparison = api.get("/v1/comparisons", params=query).json()
    assert [group["key"] for group in comparison["groups"] if group["is_baseline"]] == [{"training.batch_size": 4}]


def test_a_comparison_leaves_as_csv_markdown_and_latex(api: TestClient, store: Database) -> None:
    study = trained(api, store)
    types = {"csv": "text/csv", "markdown": "text/markdown", "latex": "application/x-tex"}
    for form, media_type in types.items():
        answer = api.get("/v1/comparisons", params={"study": study, "format": form})
        assert answer.headers["content-type"].startswith(media_type)
        assert "layer" in answer.text
    pivot = {"study": study, "rows": "normalization", "columns": "training.batch_size"}
    assert api.get("/v1/comparisons", params=pivot).json()["columns"] == [4, 128]
    assert "batch" in api.get("/v1/comparisons", params={**pivot, "format": "markdown"}).text


def test_a_comparison_is_read_after_seconds_of_training_and_says_which_runs_were_not_there(
    api: TestClient, store: Database
) -> None:
    """Every run trains for one second by its own account, and evaluates once, at 20 ms."""
    study = trained(api, store)
    there = api.get("/v1/comparisons", params={"study": study, "at": "0.5s"}).json()
    assert {group["n"] for group in there["groups"]} == {3}
    assert "after 0.5 s of training is" in there["verdicts"][0]["sentence"]
    beyond = api.get("/v1/comparisons", params={"study": study, "at": "60s"}).json()
    assert {group["n"] for group in beyond["groups"]} == {0}
    assert [note["kind"] for note in beyond["notes"]] == ["short"]
    assert beyond["notes"][0]["sentence"].startswith("12 runs are not counted, having no value after 60 s of training")
    assert (
        "After 60 s of training"
        in api.get("/v1/comparisons", params={"study": study, "at": "60s", "format": "markdown"}).text
    )


def test_a_comparison_that_cannot_be_made_names_the_parameter(api: TestClient, store: Database) -> None:
    study = trained(api, store)
    wrong = [
        ({}, "?study"),
        ({"study": study, "jobs": "job_x"}, "?study"),
        ({"study": study, "metric": "test_eror"}, "?metric"),
        ({"study": study, "baseline": "layer_norm"}, "?baseline"),
        ({"study": study, "baseline": "normalization.kind=rms_norm"}, "?baseline"),
        ({"study": study, "group_by": "training.batchsize"}, "?group_by"),
        ({"study": study, "rows": "dataset"}, "?rows"),
        ({"study": study, "at": "middle"}, "?at"),
        ({"study": study, "at": "0s"}, "?at"),
        ({"study": study, "threshold": "nan"}, "?threshold"),
    ]
    for query, pointer in wrong:
        answer = api.get("/v1/comparisons", params=query)
        assert answer.status_code == 422, (query, answer.text)
        assert answer.json()["errors"][0]["pointer"] == pointer, query
    assert api.get("/v1/comparisons", params={"jobs": "job_x"}).status_code == 404


def test_a_diverged_run_is_a_result_and_its_nan_is_valid_json(api: TestClient, store: Database) -> None:
    submit(api, seeds=1)
    with store.write() as c:
        worker = workers.register(c, name="w", host="h", pid=1, queues=["default"])
        claim = runs.claim(c, worker.id, queues=["default"])
        assert claim is not None
        points = [specs.point(step, value) for step, value in ((1, 1.0), (2, math.inf), (3, math.nan))]
        series: dict[str, list[Point]] = {"train_loss": points, "test_error": [specs.point(3, math.nan)]}
        runs.report(c, claim.run.id, claim.token, Report(number=1, step=3, points=series))
        runs.finish(c, claim.run.id, claim.token, Ending.succeeded(Outcome.DIVERGED))
    run = claim.run.id
    curve = api.get("/v1/metrics/series", params={"runs": run, "key": "train_loss"}).json()["curves"][0]
    assert [mark["kind"] for mark in curve["marks"]] == ["Infinity", "NaN"]
    assert "nan" in api.get("/v1/metrics/export", params={"runs": run}).text
    last = {each["name"]: each["last"] for each in api.get(f"/v1/runs/{run}/metrics").json()["data"]}
    assert last["test_error"] == "NaN"
    comparison = api.get("/v1/comparisons", params={"study": "small-batch"}).json()
    assert sum(group["diverged"] for group in comparison["groups"]) == 1


def test_notes_and_tags_can_be_changed_and_a_stale_edit_is_refused(api: TestClient) -> None:
    made = submit(api)
    address = f"/v1/studies/{made['id']}"
    before = api.get(address).headers["etag"]
    words = "Seeds 0 to 2.\nBatch norm fails below 4."
    edited = api.patch(address, json={"notes": words}, headers={"If-Match": before})
    assert (edited.status_code, edited.json()["notes"], edited.json()["tags"]) == (200, words, {})
    assert edited.headers["etag"] == api.get(address).headers["etag"] != before
    stale = api.patch(address, json={"notes": "mine"}, headers={"If-Match": before})
    assert (stale.status_code, stale.json()["type"]) == (412, "/problems/stale")
    assert stale.headers["etag"] == edited.headers["etag"]
    tagged = api.patch("/v1/studies/small-batch", json={"tags": {"a": "b"}}).json()
    assert (tagged["notes"], tagged["tags"]) == (words, {"a": "b"})
    assert api.get(address).json()["question"] == made["question"]


def test_what_a_study_asks_cannot_be_changed(api: TestClient) -> None:
    made = submit(api)
    for wrong, pointer in (
        ({"question": "?"}, "/question"),
        ({"notes": "x" * 5001}, "/notes"),
        ({"tags": None}, "/tags"),
    ):
        answer = api.patch(f"/v1/studies/{made['id']}", json=wrong)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert api.patch("/v1/studies/x", json={}).status_code == 404
