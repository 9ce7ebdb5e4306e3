"""Saved comparisons over HTTP: a question stored, shared, asked again, and what is left when its jobs are deleted."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from domain.database import Database
from tests.api import specs

VALUES = {"layer_norm": [0.2, 0.21, 0.22], "none": [0.3, 0.33, 0.31], "batch_norm": [0.25, 0.2, 0.24]}


@pytest.fixture
def jobs(api: TestClient, store: Database) -> dict[str, str]:
    """Ids of three trained jobs that belong to no study, by normalization."""
    made = {}
    for kind, values in VALUES.items():
        made[kind] = api.post("/v1/jobs", json=specs.job(normalization={"kind": kind}, seeds=3)).json()["id"]
        specs.train_all(store, values)
    return made


def question(jobs: dict[str, str], /, **changes: Any) -> dict[str, Any]:
    asked = {"group_by": ["normalization"], "metric": "test_error", "baseline": {"normalization.kind": "layer_norm"}}
    return {"title": "Which one?", "jobs": list(jobs.values()), **asked, **changes}


def test_a_saved_question_gives_the_same_answer_as_the_address_that_asks_it(
    api: TestClient, jobs: dict[str, str]
) -> None:
    made = api.post("/v1/comparisons", json=question(jobs, notes="Three of a kind.", at=10))
    assert made.status_code == 201, made.text
    saved = api.get(made.headers["location"]).json()
    assert saved == made.json()
    assert (saved["id"][:4], saved["title"], saved["notes"]) == ("cmp_", "Which one?", "Three of a kind.")
    query = {"jobs": ",".join(jobs.values()), "group_by": "normalization", "metric": "test_error", "at": "10"}
    query["baseline"] = "normalization.kind=layer_norm"
    assert saved["comparison"] == api.get("/v1/comparisons", params=query).json()
    assert [verdict["verdict"] for verdict in saved["comparison"]["verdicts"]] == ["no difference shown", "worse"]


def test_a_study_is_remembered_by_its_id_though_it_was_named(api: TestClient, store: Database) -> None:
    study = api.post("/v1/studies", json=specs.study()).json()["id"]
    specs.train_all(store)
    saved = api.post("/v1/comparisons", json={"title": "As meant", "study": "small-batch"}).json()
    assert saved["question"]["study"] == study
    assert saved["comparison"]["group_by"] == ["normalization", "training.batch_size"]
    unchanged = api.post("/v1/comparisons", json={"title": "None", "study": study, "baseline": {}}).json()
    assert unchanged["comparison"]["differences"] == []


def test_a_saved_comparison_leaves_as_a_table_or_a_pivot(api: TestClient, jobs: dict[str, str]) -> None:
    path = api.post("/v1/comparisons", json=question(jobs)).headers["location"]
    assert "layer_norm" in api.get(path, params={"format": "csv"}).text
    assert "normalization" in api.get(path, params={"format": "markdown", "rows": "normalization"}).text
    assert api.get(path, params={"rows": "normalization"}).json()["row_field"] == "normalization"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"title": ""}, "/title"),
        ({"jobs": []}, "/study"),
        ({"study": "small-batch"}, "/study"),
        ({"jobs": [], "study": "none-such"}, "/study"),
        ({"jobs": ["job_x"]}, "/jobs/0"),
        ({"metric": "test_eror"}, "/metric"),
        ({"at": "middle"}, "/at"),
        ({"at": 0}, "/at"),
        ({"group_by": ["training.batchsize"], "baseline": {}}, "/group_by"),
        ({"group_by": ["Nothing"]}, "/group_by/0"),
        ({"baseline": {"normalization.kind": "rms_norm"}}, "/baseline"),
        ({"baseline": {"dataset.kind": "digits"}}, "/baseline/dataset.kind"),
        ({"threshold": "low"}, "/threshold"),
        ({"colour": "blue"}, "/colour"),
    ],
)
def test_a_bad_question_is_refused_at_its_field_and_nothing_is_stored(
    api: TestClient, jobs: dict[str, str], changes: dict[str, Any], pointer: str
) -> None:
    answer = api.post("/v1/comparisons", json=question(jobs, **changes))
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert api.get("/v1/comparisons/saved").json()["data"] == []


def test_every_job_that_is_not_there_is_pointed_at(api: TestClient, jobs: dict[str, str]) -> None:
    wrong = ["job_x", *jobs.values(), "job_y"]
    errors = api.post("/v1/comparisons", json=question(jobs, jobs=wrong)).json()["errors"]
    assert [error["pointer"] for error in errors] == ["/jobs/0", "/jobs/4"]


def test_one_key_saves_one_comparison(api: TestClient, jobs: dict[str, str]) -> None:
    headers = {"Idempotency-Key": "k"}
    first = api.post("/v1/comparisons", json=question(jobs), headers=headers)
    again = api.post("/v1/comparisons", json=question(jobs), headers=headers)
    assert (again.text, again.headers["idempotency-replayed"]) == (first.text, "true")
    assert len(api.get("/v1/comparisons/saved").json()["data"]) == 1


def test_saved_comparisons_are_listed_searched_paged_and_deleted(api: TestClient, jobs: dict[str, str]) -> None:
    ids = [api.post("/v1/comparisons", json=question(jobs, title=f"Take {n}")).json()["id"] for n in range(3)]
    page = api.get("/v1/comparisons/saved", params={"limit": 2}).json()
    assert [each["id"] for each in page["data"]] == ids[:0:-1]
    rest = api.get("/v1/comparisons/saved", params={"cursor": page["next_cursor"]}).json()
    assert [each["id"] for each in rest["data"]] == ids[:1]
    assert [e["id"] for e in api.get("/v1/comparisons/saved", params={"search": "take 1"}).json()["data"]] == ids[1:2]
    assert api.delete(f"/v1/comparisons/{ids[1]}").status_code == 204
    assert api.get(f"/v1/comparisons/{ids[1]}").status_code == 404
    assert api.delete(f"/v1/comparisons/{ids[1]}").status_code == 404
    assert api.get(f"/v1/jobs/{jobs['none']}").status_code == 200


def test_a_deleted_job_is_named_and_the_rest_is_compared(api: TestClient, jobs: dict[str, str]) -> None:
    path = api.post("/v1/comparisons", json=question(jobs)).headers["location"]
    assert api.delete(f"/v1/jobs/{jobs['none']}").status_code == 204
    saved = api.get(path).json()
    assert saved["missing"] == [jobs["none"]]
    assert [difference["variant"] for difference in saved["comparison"]["differences"]] == ["batch_norm"]


def test_without_its_baseline_or_any_job_a_saved_comparison_says_why_it_has_no_answer(
    api: TestClient, jobs: dict[str, str]
) -> None:
    path = api.post("/v1/comparisons", json=question(jobs)).headers["location"]
    api.delete(f"/v1/jobs/{jobs['layer_norm']}")
    saved = api.get(path).json()
    assert saved["comparison"] is None
    assert saved["unanswered"] == "None of the groups has normalization.kind=layer_norm"
    for kind in ("none", "batch_norm"):
        api.delete(f"/v1/jobs/{jobs[kind]}")
    assert api.get(path).json()["unanswered"] == "Each of the jobs this compares was deleted"
    answer = api.get(path, params={"format": "csv"})
    assert (answer.status_code, "was deleted" in answer.json()["detail"]) == (409, True)


def test_a_deleted_study_leaves_its_saved_comparison_readable(api: TestClient, store: Database) -> None:
    study = api.post("/v1/studies", json=specs.study()).json()["id"]
    specs.train_all(store)
    path = api.post("/v1/comparisons", json={"title": "As meant", "study": study}).headers["location"]
    assert api.delete(f"/v1/studies/{study}").status_code == 204
    saved = api.get(path).json()
    assert (saved["missing"], saved["comparison"]) == ([study], None)
    assert saved["unanswered"] == "The study this compares was deleted"


def test_columns_without_rows_are_refused(api: TestClient) -> None:
    api.post("/v1/studies", json=specs.study())
    answer = api.get("/v1/comparisons", params={"study": "small-batch", "columns": "normalization"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "?columns")


def test_a_misspelt_choice_is_near_the_whole_of_it(api: TestClient) -> None:
    api.post("/v1/studies", json=specs.study())
    answer = api.get("/v1/comparisons", params={"study": "small-batch", "group_by": "normalisation"})
    assert answer.json()["errors"][0]["detail"] == "No spec has normalisation. Did you mean normalization?"
