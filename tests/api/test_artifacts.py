"""Artifacts over HTTP: listed by the rows of checkpoints, downloaded whole or in part, never by a path."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from domain.artifact import GENERATORS, MANIFEST, OPTIMIZER, STATE, WEIGHTS
from domain.database import Database
from domain.report import Ending, LogLine, Report, SavedCheckpoint
from domain.run import Claim, Outcome
from domain.settings import Settings
from domain.store import runs, workers
from tests.api import specs
from worker.protocol import checkpoint

FILES = {WEIGHTS: b"w" * 1000, OPTIMIZER: b"o" * 2000, GENERATORS: b"g" * 30, STATE: b'{"step": 5}'}


def claimed(api: TestClient, store: Database) -> Claim:
    """A run that a worker has claimed and that has printed a line."""
    api.post("/v1/jobs", json=specs.job(seeds=[7]))
    with store.write() as c:
        worker = workers.register(c, name="w", host="h", pid=1, queues=["default"])
        claim = runs.claim(c, worker.id, queues=["default"])
        assert claim is not None
        line = LogLine(1, claim.run.created_at, "out", "hello")
        runs.report(c, claim.run.id, claim.token, Report(number=1, step=5, lines=[line]))
    return claim


def saved(
    store: Database, settings: Settings, claim: Claim, name: str, step: int, files: Mapping[str, bytes] = FILES
) -> Path:
    """A checkpoint, written and told as a worker does; returns its directory."""
    path = settings.runs_dir / claim.run.id / "ck" / name

    def fill(directory: Path) -> None:
        for file, content in files.items():
            (directory / file).write_bytes(content)

    made = checkpoint.write(path, fill)
    told = SavedCheckpoint(
        step=step,
        path=str(path.relative_to(settings.runs_dir)),
        size_bytes=made.size_bytes,
        digest=made.digest,
        best=step == 5,
    )
    with store.write() as c:
        runs.saved_checkpoint(c, claim.run.id, claim.token, told)
    return path


def listed(api: TestClient, run: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in api.get(f"/v1/runs/{run}/artifacts").json()["data"]}


def test_what_a_run_leaves_is_listed_and_each_link_leads_to_the_bytes(
    api: TestClient, store: Database, settings: Settings
) -> None:
    claim = claimed(api, store)
    saved(store, settings, claim, "5.1", 5)
    saved(store, settings, claim, "final.1", 10, {WEIGHTS: b"final"})
    with store.write() as c:
        runs.finish(c, claim.run.id, claim.token, Ending.succeeded(Outcome.COMPLETED))
    found = listed(api, claim.run.id)
    assert list(found) == [
        "spec.json",
        "log.txt",
        f"final.1.{WEIGHTS}",
        f"final.1.{MANIFEST}",
        *(f"5.1.{name}" for name in FILES),
        f"5.1.{MANIFEST}",
    ]
    weights = found[f"5.1.{WEIGHTS}"]
    assert (weights["kind"], weights["bytes"], weights["step"], weights["best"]) == ("weights", 1000, 5, True)
    for each in found.values():
        answer = api.get(each["href"])
        assert answer.status_code == 200, each
        assert answer.headers["content-disposition"] == f'attachment; filename="{claim.run.id}.{each["name"]}"'
        assert answer.headers["content-security-policy"] == "sandbox"
        assert each["bytes"] in {None, len(answer.content)}
        assert each["sha256"] in {None, hashlib.sha256(answer.content).hexdigest()}
    assert api.get(found["spec.json"]["href"]).json()["seed"] == 7
    assert api.get(found["log.txt"]["href"]).text.endswith(" hello\n")


def test_files_come_with_their_type_and_in_parts(api: TestClient, store: Database, settings: Settings) -> None:
    claim = claimed(api, store)
    saved(store, settings, claim, "5.1", 5)
    address = f"/v1/runs/{claim.run.id}/artifacts"
    types = {f"5.1.{WEIGHTS}": "application/octet-stream", f"5.1.{STATE}": "application/json"}
    for name, kind in types.items():
        assert api.get(f"{address}/{name}").headers["content-type"] == kind
    part = api.get(f"{address}/5.1.{OPTIMIZER}", headers={"Range": "bytes=1990-"})
    assert (part.status_code, part.content) == (206, b"o" * 10)
    assert part.headers["content-range"] == "bytes 1990-1999/2000"


@pytest.mark.parametrize("loss", ["directory", "manifest", "other manifest"])
def test_a_checkpoint_that_is_not_here_is_listed_as_such_and_gone(
    api: TestClient, store: Database, settings: Settings, loss: str
) -> None:
    claim = claimed(api, store)
    path = saved(store, settings, claim, "5.1", 5)
    if loss == "directory":
        checkpoint.remove(path)
    elif loss == "manifest":
        (path / MANIFEST).unlink()
    else:
        (path / MANIFEST).write_text(json.dumps({"files": {"../../owner.key": {"bytes": 1, "sha256": ""}}}))
    found = listed(api, claim.run.id)
    assert (found["5.1"]["here"], found["5.1"]["bytes"] > 3000) == (False, True)
    for name in ("5.1", f"5.1.{WEIGHTS}", "5.1.../../owner.key"):
        answer = api.get(f"/v1/runs/{claim.run.id}/artifacts/{name.replace('/', '%2F')}")
        assert answer.status_code in ({410, 404} if "/" in name else {410}), name
    assert "where the run was trained" in answer.json()["detail"] or answer.status_code == 404


def test_a_single_file_that_is_not_here_is_gone(api: TestClient, store: Database, settings: Settings) -> None:
    claim = claimed(api, store)
    path = saved(store, settings, claim, "5.1", 5)
    (path / OPTIMIZER).unlink()
    answer = api.get(f"/v1/runs/{claim.run.id}/artifacts/5.1.{OPTIMIZER}")
    assert (answer.status_code, answer.json()["type"]) == (410, "/problems/file-away")


@pytest.mark.parametrize(
    "name",
    [
        "x",
        "5.1.x",
        "5.1.",
        "5.10.weights.safetensors",
        "5.1...",
        "%2e%2e%2f%2e%2e%2fowner.key",
        "5.1.%2e%2e%2fweights.safetensors",
        "5.1.%2e%2e%5cweights.safetensors",
        "5.1.%2fetc%2fpasswd",
        "..%252f..%252fowner.key",
        "5.1.weights.safetensors%00",
        "MANIFEST.json",
        "weights.safetensors",
    ],
)
def test_only_names_of_the_list_lead_anywhere(
    api: TestClient, store: Database, settings: Settings, token: str, name: str
) -> None:
    claim = claimed(api, store)
    saved(store, settings, claim, "5.1", 5)
    settings.owner_key_file.write_text(token)
    answer = api.get(f"/v1/runs/{claim.run.id}/artifacts/{name}")
    assert answer.status_code in {404, 422}, answer.text
    assert token not in answer.text


def test_a_link_in_a_checkpoint_is_not_followed(api: TestClient, store: Database, settings: Settings) -> None:
    claim = claimed(api, store)
    path = saved(store, settings, claim, "5.1", 5)
    (path / WEIGHTS).unlink()
    (path / WEIGHTS).symlink_to("/etc/passwd")
    assert api.get(f"/v1/runs/{claim.run.id}/artifacts/5.1.{WEIGHTS}").status_code == 410


def test_a_run_that_never_began_leaves_its_spec(api: TestClient) -> None:
    api.post("/v1/jobs", json=specs.job(seeds=1))
    run = api.get("/v1/runs").json()["data"][0]["id"]
    assert list(listed(api, run)) == ["spec.json"]
    assert api.get(f"/v1/runs/{run}/artifacts/log.txt").text == ""


def test_artifacts_of_no_run_are_404(api: TestClient) -> None:
    for path in ("artifacts", "artifacts/spec.json", "artifacts/x"):
        assert api.get(f"/v1/runs/x/{path}").status_code == 404


def test_the_page_of_a_run_links_its_files(api: TestClient, store: Database, settings: Settings) -> None:
    claim = claimed(api, store)
    path = saved(store, settings, claim, "5.1", 5)
    page = api.get(f"/runs/{claim.run.id}").text
    for name in ("spec.json", "log.txt", f"5.1.{WEIGHTS}", f"5.1.{STATE}"):
        assert f'href="/v1/runs/{claim.run.id}/artifacts/{name}" download' in page
    checkpoint.remove(path)
    assert "not on this machine" in api.get(f"/runs/{claim.run.id}").text
