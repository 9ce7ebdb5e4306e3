"""Writes api/examples.json: what the service answers in a small story, with ids, times and secrets of its own.

`python -m tests.api.examples` tells the story anew; a test fails while the file and the answers differ.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unittest import mock

from fastapi.testclient import TestClient
from sqlalchemy import Engine, event

from api.application import create_app
from api.openapi import EXAMPLES
from api.routes.health import Part
from domain.artifact import WEIGHTS
from domain.clock import now
from domain.database import Database
from domain.report import Ending, LogLine, Report, SavedCheckpoint
from domain.run import Claim, Outcome, Worker
from domain.settings import Settings
from domain.store import runs, workers
from tests.api import specs
from tests.api.conftest import prepare
from worker.protocol import checkpoint

STUDY = specs.study(
    base={
        "dataset": {"kind": "digits"},
        "architecture": {"kind": "mlp", "hidden": [16]},
        "training": {"batch_size": 32, "budget": {"steps": 10}},
    },
    vary={"normalization": [{"kind": "batch_norm"}, {"kind": "layer_norm"}]},
)
ERRORS = (0.21, 0.12, 0.19, 0.11, 0.24, 0.14)
"""Test errors of the study's runs as they are claimed: seed by seed, in each both normalizations."""
BEGIN = 2461045.875
"""2026-01-05 09:00 UTC, as SQLite counts days."""
MEASURES = {"cpu_percent": 96.5, "memory_used": 2_147_483_648, "memory_total": 8_589_934_592}


@contextmanager
def repeatable() -> Iterator[None]:
    """Ids that count, a clock that goes on by a second at each look, secrets that are none, a broker that answers."""
    seconds, ids = count(), count(1)

    def connected(connection: Any, _record: Any) -> None:
        connection.create_function("julianday", 1, lambda _now: BEGIN + next(seconds) / 86400)

    def ulid() -> str:
        return f"01JZ{next(ids):022d}"

    secrets = SimpleNamespace(token_hex=lambda size: "00" * size, token_urlsafe=lambda size: "A" * (size * 4 // 3 + 1))
    event.listen(Engine, "connect", connected)
    try:
        with ExitStack() as patches:
            patches.enter_context(mock.patch("domain.store.ids.ULID", ulid))
            patches.enter_context(mock.patch("domain.store.keys.ULID", ulid))
            patches.enter_context(mock.patch("domain.store.keys.secrets", secrets))
            answers = Part(ok=True, detail="answers")
            patches.enter_context(mock.patch("api.routes.health.check_broker", return_value=answers))
            yield
    finally:
        event.remove(Engine, "connect", connected)


class Story:
    """An installation with one worker; `told` holds its answers, by schema or by operation and media type."""

    def __init__(self, api: TestClient, store: Database, settings: Settings) -> None:
        self.api = api
        self.store = store
        self.settings = settings
        self.told: dict[str, Any] = {}

    def tell(self, name: str, address: str, given: Any = None, *, method: str | None = None) -> Any:
        """Ask, and keep the answer under `name`; with `given` a POST of it."""
        answer = self.api.request(method or ("GET" if given is None else "POST"), address, json=given)
        assert answer.is_success, answer.text
        is_json = answer.headers["content-type"] == "application/json"
        self.told[name] = short(answer.json()) if is_json else answer.text
        return self.told[name]

    def serve(self) -> Worker:
        with self.store.write() as c:
            return workers.register(
                c,
                name="cpu-1@lab",
                host="lab",
                pid=4242,
                queues=["default"],
                device_name="8 cores",
                measures=MEASURES,
            )

    def train(self, worker: Worker, error: float) -> str:
        """Claim the next run and finish it as a worker would; returns its id."""
        with self.store.write() as c:
            claim = runs.claim(c, worker.id, queues=["default"])
            assert claim is not None
            line = LogLine(1, now(c), "out", "step 10 of 10, train_loss 0.2")
            points = specs.series_of(error, 10)
            told = Report(number=1, step=10, total_steps=10, progress=1, seconds=0.5, points=points, lines=[line])
            runs.report(c, claim.run.id, claim.token, told)
        saved = self.save(claim, error)
        with self.store.write() as c:
            runs.saved_checkpoint(c, claim.run.id, claim.token, saved)
            runs.finish(c, claim.run.id, claim.token, Ending.succeeded(Outcome.COMPLETED))
        return claim.run.id

    def save(self, claim: Claim, error: float) -> SavedCheckpoint:
        path = self.settings.runs_dir / claim.run.id / "ck" / "final.1"
        made = checkpoint.write(path, lambda directory: void(directory / WEIGHTS))
        relative = str(path.relative_to(self.settings.runs_dir))
        metrics = {"test_error": error}
        return SavedCheckpoint(
            step=10, path=relative, size_bytes=made.size_bytes, digest=made.digest, metrics=metrics, best=True
        )


def void(file: Path) -> None:
    file.write_bytes(b"\0" * 5000)


def tell_of_submissions(story: Story) -> str:
    """A study that is trained, a job that waits; returns the study's first run."""
    worker = story.serve()
    story.tell("SubmittedStudy", "/v1/studies", STUDY)
    trained = [story.train(worker, error) for error in ERRORS]
    story.tell("SubmittedJob", "/v1/jobs", specs.job(seeds=3))
    story.tell("Plan", "/v1/jobs?dry_run=true", specs.job(seeds=3))
    return trained[0]


def tell_of_lists(story: Story, run: str) -> None:
    study = story.tell("PageOf_Study_", "/v1/studies?limit=1")["data"][0]["id"]
    story.tell("Study", f"/v1/studies/{study}")
    job = story.tell("PageOf_Job_", f"/v1/studies/{study}/jobs?limit=1")["data"][0]["id"]
    story.tell("Job", f"/v1/jobs/{job}")
    story.tell("PageOf_Run_", f"/v1/studies/{study}/runs?limit=1")
    story.tell("PageOf_RunResult_", f"/v1/studies/{study}/results?limit=1")
    worker = story.tell("PageOf_Worker_", "/v1/workers")["data"][0]["id"]
    story.tell("Worker", f"/v1/workers/{worker}")
    story.tell("PageOf_Queue_", "/v1/queues")
    story.tell("Run", f"/v1/runs/{run}")


def tell_of_a_run(story: Story, run: str) -> None:
    story.tell("PageOf_Artifact_", f"/v1/runs/{run}/artifacts")
    story.tell("download_artifact application/json", f"/v1/runs/{run}/artifacts/spec.json")
    story.tell("download_artifact text/plain", f"/v1/runs/{run}/artifacts/log.txt")
    story.tell("PageOf_Attempt_", f"/v1/runs/{run}/attempts")
    story.tell("PageOf_Checkpoint_", f"/v1/runs/{run}/checkpoints")
    happened = story.tell("PageOf_Event_", f"/v1/runs/{run}/events?limit=2")["data"]
    story.told["follow_events text/event-stream"] = "".join(streamed(each) for each in happened)
    story.tell("PageOf_StoredLine_", f"/v1/runs/{run}/logs")
    story.tell("export_run_logs text/plain", f"/v1/runs/{run}/logs/export")
    story.tell("PageOf_Summary_", f"/v1/runs/{run}/metrics")
    story.tell("Series", f"/v1/metrics/series?runs={run}&key=train_loss&max_points=4")
    story.tell("export_points text/csv", f"/v1/metrics/export?runs={run}&key=test_error")


def streamed(happened: dict[str, Any]) -> str:
    return f"event: {happened['kind']}\ndata: {json.dumps(happened, separators=(',', ':'))}\nid: {happened['seq']}\n\n"


def tell_of_comparisons(story: Story) -> None:
    question = "study=small-batch"
    saved = {"title": "Small batches", "study": "small-batch"}
    kept = story.tell("AnsweredComparison", "/v1/comparisons", saved)["id"]
    story.tell("PageOf_SavedComparison_", "/v1/comparisons/saved")
    story.tell("Comparison", f"/v1/comparisons?{question}")
    story.tell("Pivot", f"/v1/comparisons?{question}&rows=normalization")
    forms = {"csv": "text/csv", "markdown": "text/markdown", "latex": "application/x-tex"}
    for form, kind in forms.items():
        story.tell(f"read_comparison {kind}", f"/v1/comparisons?{question}&format={form}")
        story.tell(f"read_saved_comparison {kind}", f"/v1/comparisons/{kept}?format={form}")
    story.tell("read_figure application/json", f"/v1/figures/forest?{question}")
    story.tell("read_figure text/csv", f"/v1/figures/forest?{question}&format=csv")


def tell_of_the_rest(story: Story) -> None:
    story.tell("Alive", "/healthz")
    story.tell("Ready", "/readyz")
    menus = story.tell("CatalogAnswer", "/v1/catalog")
    menus["menus"] = {"normalizations": only(menus["menus"]["normalizations"], "rms_norm")}
    menus["optimizers"] = only(menus["optimizers"], "sgd")
    menus["schedules"] = only(menus["schedules"], "constant")
    story.tell("Variant", "/v1/catalog/normalizations/layer_norm")
    key = {"name": "notebook", "owner": "ann", "scopes": ["read", "write"], "days": 30}
    made = story.tell("NewKey", "/v1/keys", key)["id"]
    story.tell("ApiKey", f"/v1/keys/{made}")
    story.tell("PageOf_ApiKey_", "/v1/keys?limit=1")
    story.tell("LoginCode", "/v1/login-codes", method="POST")


def only(menu: dict[str, Any], name: str) -> dict[str, Any]:
    return {name: menu[name]}


def short(node: Any) -> Any:
    """The same with six digits of every fraction: the last ones are another machine's to choose."""
    if isinstance(node, float):
        return float(f"{node:.6g}")
    if isinstance(node, dict):
        return {name: short(item) for name, item in node.items()}
    return [short(item) for item in node] if isinstance(node, list) else node


def told() -> dict[str, Any]:
    """The answers of the story."""
    with repeatable(), TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        token = prepare(settings)
        store = Database.open(settings)
        headers = {"Authorization": f"Bearer {token}"}
        with TestClient(create_app(settings), base_url="http://127.0.0.1:8787", headers=headers) as api:
            story = Story(api, store, settings)
            run = tell_of_submissions(story)
            tell_of_lists(story, run)
            tell_of_a_run(story, run)
            tell_of_comparisons(story)
            tell_of_the_rest(story)
        store.close()
    return story.told


def text() -> str:
    return json.dumps(told(), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write api/examples.json."""
    EXAMPLES.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"wrote {EXAMPLES.name}\n")


if __name__ == "__main__":
    main()
