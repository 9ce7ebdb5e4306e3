"""Jobs over HTTP: submitted once, answered in full, refused with pointers."""

from typing import Any

from fastapi.testclient import TestClient

from domain.database import Database
from domain.settings import Settings
from domain.store import runs, workers
from tests.api import specs


def submit(api: TestClient, **changes: Any) -> dict[str, Any]:
    answer = api.post("/v1/jobs", json=specs.job(**changes))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_job_is_answered_with_its_place_and_its_resolved_spec(api: TestClient) -> None:
    answer = api.post("/v1/jobs", json=specs.job(name="first", tags={"course": "dl"}))
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/jobs/{made['id']}"
    assert made["spec"]["training"]["optimizer"]["kind"] == "adam"
    assert made["spec"]["normalization"]["eps"] == 1e-5
    assert (made["seeds"], made["counts"]["queued"], made["queue_position"]) == ([0, 1], 2, 0)
    assert api.get(answer.headers["location"]).json()["tags"] == {"course": "dl"}


def test_the_second_job_is_told_how_many_runs_wait_before_it(api: TestClient) -> None:
    submit(api)
    assert submit(api)["queue_position"] == 1


def test_a_job_nobody_can_run_now_and_one_with_few_seeds_are_warned_about(api: TestClient) -> None:
    said = " ".join(submit(api, queue="gpu", seeds=[7])["warnings"])
    assert "'gpu'" in said
    assert "seeds" in said


def test_a_job_that_insists_on_a_gpu_is_told_who_has_one(api: TestClient, store: Database) -> None:
    training = {"batch_size": 32, "budget": {"steps": 10}, "device": "cuda"}
    with store.write() as c:
        workers.register(c, name="w", host="h", pid=1, queues=["default"])
    (said,) = submit(api, training=training, seeds=3)["warnings"]
    assert "No worker with a GPU serves the queue 'default'" in said
    assert "device 'auto'" in said
    with store.write() as c:
        workers.register(c, name="g", host="h", pid=2, queues=["gpu"], device="cuda")
    dry = api.post("/v1/jobs", params={"dry_run": True}, json=specs.job(training=training, seeds=3)).json()
    assert "One does in 'gpu'." in dry["warnings"][0]
    assert submit(api, training=training, seeds=3, queue="gpu")["warnings"] == []
    assert submit(api, seeds=3)["warnings"] == []


def test_a_job_that_insists_on_a_cpu_is_told_that_only_gpus_serve_its_queue(api: TestClient, store: Database) -> None:
    """A worker with a GPU trains on the CPU, too, unless it was told to serve the GPU alone."""
    training = {"batch_size": 32, "budget": {"steps": 10}, "device": "cpu"}
    with store.write() as c:
        workers.register(c, name="b", host="h", pid=9, queues=["gpu"], device="cuda", devices=["cpu", "cuda"])
    assert submit(api, training=training, seeds=3, queue="gpu")["warnings"] == []
    with store.write() as c:
        workers.register(c, name="g", host="h", pid=1, queues=["default"], device="cuda")
    (said,) = submit(api, training=training, seeds=3)["warnings"]
    assert "No worker that trains on CPUs serves the queue 'default'" in said
    assert "With device 'auto' they would train on a GPU, too." in said
    with store.write() as c:
        workers.register(c, name="w", host="h", pid=2, queues=["cpu"])
    assert "One does in 'cpu', 'gpu'." in submit(api, training=training, seeds=3)["warnings"][0]
    assert submit(api, training=training, seeds=3, queue="cpu")["warnings"] == []


def test_a_run_that_waits_for_no_worker_says_so_on_its_page_until_one_comes(api: TestClient, store: Database) -> None:
    job = submit(api, seeds=1)["id"]
    run = api.get("/v1/runs", params={"job": job}).json()["data"][0]["id"]
    said = "No worker serves the queue &#39;default&#39; just now"
    pages = (f"/jobs/{job}", f"/runs/{run}")
    assert all(said in api.get(page).text for page in pages)
    with store.write() as c:
        workers.register(c, name="w", host="h", pid=1, queues=["default"])
    assert not any(said in api.get(page).text for page in pages)


def test_runs_jobs_and_studies_wait_for_no_worker_until_one_takes_them(api: TestClient, store: Database) -> None:
    job = submit(api, seeds=1)
    study = api.post("/v1/studies", json=specs.study(queue="gpu")).json()
    run = api.get("/v1/runs", params={"job": job["id"]}).json()["data"][0]
    said = "No worker serves the queue 'default' just now; the runs wait until one does."
    assert (run["status"], run["reason"], run["message"]) == ("queued", "no_worker", said)
    assert api.get(f"/v1/runs/{run['id']}").json()["reason"] == "no_worker"
    assert job["waiting"] == api.get(f"/v1/jobs/{job['id']}").json()["waiting"] == [said]
    assert "the queue 'gpu'" in api.get(f"/v1/studies/{study['id']}").json()["waiting"][0]
    with store.write() as c:
        serving = workers.register(c, name="w", host="h", pid=1, queues=["default"])
    asked = api.get(f"/v1/runs/{run['id']}").json()
    assert (asked["status"], asked["reason"], asked["message"]) == ("queued", None, None)
    assert api.get(f"/v1/jobs/{job['id']}").json()["waiting"] == []
    assert "Workers serve 'default'." in api.get(f"/v1/studies/{study['id']}").json()["waiting"][0]
    with store.write() as c:
        workers.drain(c, serving.id)
    assert api.get(f"/v1/runs/{run['id']}").json()["reason"] == "no_worker"
    assert next(q for q in api.get("/v1/queues").json()["data"] if q["name"] == "default")["workers"] == 0


def test_a_run_that_was_lost_keeps_that_reason_and_its_job_says_that_no_worker_is_left(
    api: TestClient, store: Database
) -> None:
    job = submit(api, seeds=1)["id"]
    with store.write() as c:
        worker = workers.register(c, name="w", host="h", pid=1, queues=["default"])
        claimed = runs.claim(c, worker.id, queues=["default"])
        workers.lose(c, worker.id)
    assert claimed is not None
    run = api.get(f"/v1/runs/{claimed.run.id}").json()
    assert (run["status"], run["reason"]) == ("queued", "lost_worker")
    assert "No worker serves" in api.get(f"/v1/jobs/{job}").json()["waiting"][0]
    assert "No worker serves" in api.get(f"/runs/{run['id']}").text


def test_every_wrong_field_is_named_with_its_pointer_and_nothing_is_stored(api: TestClient) -> None:
    answer = api.post("/v1/jobs", json=specs.job(normalization={"kind": "layer_nrm"}, dataset={"kind": "digit"}, hue=1))
    problem = answer.json()
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert {error["pointer"] for error in problem["errors"]} >= {"/normalization/kind", "/dataset/kind", "/hue"}
    assert "layer_norm" in next(e["detail"] for e in problem["errors"] if e["pointer"] == "/normalization/kind")
    assert api.get("/v1/jobs").json()["data"] == []
    assert api.get("/v1/runs").json()["data"] == []


def test_batch_norm_at_batch_size_one_is_refused(api: TestClient) -> None:
    training = {"batch_size": 1, "budget": {"steps": 10}}
    answer = api.post("/v1/jobs", json=specs.job(normalization={"kind": "batch_norm"}, training=training))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/training/batch_size"


def test_a_model_too_large_is_refused_with_numbers(api: TestClient) -> None:
    answer = api.post("/v1/jobs", json=specs.job(architecture={"kind": "mlp", "hidden": [16384] * 64}))
    assert answer.status_code == 422
    assert "resource_limit" in {error["code"] for error in answer.json()["errors"]}


def test_a_queue_that_is_not_in_the_settings_is_refused(api: TestClient) -> None:
    answer = api.post("/v1/jobs", json=specs.job(queue="moon"))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/queue")


def test_a_dry_run_shows_the_job_and_stores_nothing(api: TestClient) -> None:
    answer = api.post("/v1/jobs", params={"dry_run": True}, json=specs.job())
    assert answer.status_code == 200
    assert answer.json()["runs"] == 2
    assert answer.json()["jobs"][0]["spec"]["normalization"]["kind"] == "layer_norm"
    assert api.get("/v1/jobs").json()["data"] == []


def test_the_estimate_comes_from_past_runs_of_the_same_shape(api: TestClient, store: Database) -> None:
    assert submit(api)["estimate"]["seconds"] is None
    specs.train_all(store)
    training = {"batch_size": 32, "budget": {"steps": 1000}}
    estimate = submit(api, training=training)["estimate"]
    assert estimate["known"] == 1
    assert abs(estimate["seconds"] - 2 * 1000 * 0.002) < 1e-9


def test_jobs_are_found_by_what_they_train_and_by_words(api: TestClient) -> None:
    plain = submit(api, normalization={"kind": "none"}, name="Plain one")
    submit(api)
    for query in ({"normalization": "none"}, {"search": "plain"}):
        assert [job["id"] for job in api.get("/v1/jobs", params=query).json()["data"]] == [plain["id"]]
    assert len(api.get("/v1/jobs", params={"status": ["queued", "running"]}).json()["data"]) == 2
    assert api.get("/v1/jobs", params={"status": "failed"}).json()["data"] == []


def test_name_and_tags_can_be_changed_and_a_stale_edit_is_refused(api: TestClient) -> None:
    made = submit(api)
    before = api.get(f"/v1/jobs/{made['id']}").headers["etag"]
    edited = api.patch(f"/v1/jobs/{made['id']}", json={"name": "mine"}, headers={"If-Match": before})
    assert edited.json()["name"] == "mine"
    stale = api.patch(f"/v1/jobs/{made['id']}", json={"name": "yours"}, headers={"If-Match": before})
    assert stale.status_code == 412
    tagged = api.patch(f"/v1/jobs/{made['id']}", json={"tags": {"a": "b"}})
    assert (tagged.json()["name"], tagged.json()["tags"]) == ("mine", {"a": "b"})
    noted = api.patch(f"/v1/jobs/{made['id']}", json={"notes": "Too short.", "name": None}).json()
    assert (noted["name"], noted["tags"], noted["notes"]) == (None, {"a": "b"}, "Too short.")


def test_what_a_job_trains_cannot_be_changed(api: TestClient) -> None:
    made = submit(api)
    answer = api.patch(f"/v1/jobs/{made['id']}", json={"spec": {}})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/spec")


def test_cancel_reaches_every_run_and_retry_makes_new_ones(api: TestClient) -> None:
    made = submit(api)
    assert api.post(f"/v1/jobs/{made['id']}/cancel").json()["counts"]["cancelled"] == 2
    assert api.post(f"/v1/jobs/{made['id']}/pause").status_code == 409
    assert api.post(f"/v1/jobs/{made['id']}/retry").json()["counts"] == {
        "queued": 2, "running": 0, "paused": 0, "succeeded": 0, "failed": 0, "cancelled": 0,
    }  # fmt: skip


def test_pause_and_resume_reach_every_run(api: TestClient) -> None:
    made = submit(api)
    assert api.post(f"/v1/jobs/{made['id']}/pause").json()["counts"]["paused"] == 2
    assert api.post(f"/v1/jobs/{made['id']}/resume").json()["counts"]["queued"] == 2


def test_a_job_is_deleted_with_its_files_once_it_has_ended(api: TestClient, settings: Settings) -> None:
    made = submit(api)
    run = api.get("/v1/runs", params={"job": made["id"]}).json()["data"][0]["id"]
    files = settings.runs_dir / run
    files.mkdir(parents=True)
    assert api.delete(f"/v1/jobs/{made['id']}").status_code == 409
    api.post(f"/v1/jobs/{made['id']}/cancel")
    assert api.delete(f"/v1/jobs/{made['id']}").status_code == 204
    assert not files.exists()
    assert api.get(f"/v1/jobs/{made['id']}").status_code == 404
    assert api.get(f"/v1/runs/{run}").status_code == 404


def test_the_etag_of_a_submission_lets_its_edit_through(api: TestClient) -> None:
    for path, body in (("/v1/jobs", specs.job()), ("/v1/studies", specs.study())):
        made = api.post(path, json=body, headers={"Idempotency-Key": "k"})
        again = api.post(path, json=body, headers={"Idempotency-Key": "k"})
        assert made.headers["etag"] == again.headers["etag"] == api.get(made.headers["location"]).headers["etag"]
        edited = api.patch(made.headers["location"], json={"notes": "x"}, headers={"If-Match": made.headers["etag"]})
        assert edited.status_code == 200


def test_the_queue_position_counts_the_runs_that_are_taken_before_its_first(api: TestClient) -> None:
    submit(api, seeds=5)
    submit(api, seeds=5, priority=3)
    assert submit(api, seeds=5, priority=9)["queue_position"] == 0
    assert submit(api, seeds=5, priority=3)["queue_position"] == 5 + 1
    assert submit(api, seeds=5)["queue_position"] == 5 + 5 + 5 + 1
    assert submit(api, seeds=5, priority=-1)["queue_position"] == 25
    assert submit(api, seeds=5, queue="gpu")["queue_position"] == 0


def test_jobs_and_runs_of_a_study_are_listed_by_its_name_too(api: TestClient) -> None:
    study = api.post("/v1/studies", json=specs.study()).json()
    submit(api)
    for path in ("jobs", "runs"):
        by_name = api.get(f"/v1/{path}", params={"study": study["name"]}).json()
        assert by_name == api.get(f"/v1/{path}", params={"study": study["id"]}).json()
        assert {found["study_id"] for found in by_name["data"]} == {study["id"]}
