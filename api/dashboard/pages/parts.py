"""What several pages say in the same way: states of jobs and studies, who must act, workers, limits of a heartbeat."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from api.dashboard import numbers
from api.dashboard.evidence import Evidence
from api.dashboard.matrix import Matrix, matrix_of
from domain.findings import Comparison
from domain.run import Responsible, Run, RunStatus, Worker
from domain.settings import Settings
from domain.store import workers
from domain.store.pages import LIMIT
from domain.study import Study

FINISHED = ("succeeded", "failed", "cancelled")
OPEN = ("queued", "running", "paused")
ACTS = {
    Responsible.SPEC: "you: change the spec",
    Responsible.TRANSIENT: "nobody: retried",
    Responsible.INTERNAL: "us: a mistake of NormLab",
}
REASON_ACTS = {
    "oom_gpu": "you: batch size",
    "oom_host": "you: batch size",
    "too_large": "you: the spec",
    "deadline": "you: time limit",
    "dataset": "you: fetch the dataset",
}


def state_of(counts: Mapping[str, int]) -> str:
    """One word for many runs: running before queued before paused; when all ended, the worst that needs attention."""
    for word in ("running", "queued", "paused", "failed"):
        if counts.get(word):
            return word
    return "succeeded" if counts.get("succeeded") else "cancelled"


def finished_of(counts: Mapping[str, int]) -> int:
    return sum(counts.get(word, 0) for word in FINISHED)


def open_of(counts: Mapping[str, int]) -> int:
    return sum(counts.get(word, 0) for word in OPEN)


def who_acts(run: Run) -> str:
    """Who must act on what happened, in two or three words."""
    if run.status is RunStatus.FAILED and run.responsible is Responsible.TRANSIENT:
        return "you: retry"
    if run.reason in REASON_ACTS:
        return REASON_ACTS[run.reason]
    return ACTS.get(run.responsible, "") if run.responsible else ""


def heartbeat_limits(settings: Settings) -> dict[str, Any]:
    """Seconds after which a heartbeat is late, and after which contact is lost."""
    return {"late": 2.5 * settings.heartbeat, "lost": settings.lease}


@dataclass(frozen=True)
class StudyCard:
    """A study as a thumbnail."""

    study: Study
    matrix: Matrix
    finished: int
    total: int
    words: str


def study_card(study: Study, evidence: Evidence) -> StudyCard:
    total = sum(study.counts.values())
    return StudyCard(study, matrix_of(evidence), finished_of(study.counts), total, _finding(evidence.comparison))


def _finding(comparison: Comparison) -> str:
    """The shortest true thing about a comparison: how many verdicts of each word."""
    words = [verdict.verdict for verdict in comparison.verdicts]
    told = [f"{words.count(word)} {word}" for word in ("worse", "better") if word in words]
    if told:
        return ", ".join(told)
    if "no difference shown" in words:
        return "no difference shown"
    return "too few seeds" if words else ""


def worker_names(c: Connection) -> dict[str, str]:
    """Names by id, of workers that still are and that were not long ago."""
    return {worker.id: worker.name for worker in workers.page(c, limit=LIMIT).data}


@dataclass(frozen=True)
class WorkerRow:
    """A worker as the tables show it."""

    name: str
    words: str
    mark: str
    device: str
    queues: str
    run_id: str | None
    run_words: str
    busy: float | None
    memory: str
    memory_total: str
    up: str
    is_alive: bool
    last_heartbeat_at: datetime


MARKS = {"idle": "note", "busy": "running", "draining": "paused", "stopped": "cancelled", "lost": "failed"}


def worker_row(worker: Worker, now: datetime, runs: Mapping[str, str]) -> WorkerRow:
    """`runs` says what each running run is, in words."""
    measures = worker.measures
    return WorkerRow(
        name=worker.name,
        words=worker.status,
        mark=MARKS[worker.status],
        device=worker.device_name or worker.device,
        queues=", ".join(worker.queues),
        run_id=worker.run_id,
        run_words=runs.get(worker.run_id or "", "a run"),
        busy=_busy(measures),
        memory=numbers.size(measures.get("memory_used")),
        memory_total=numbers.size(measures.get("memory_total")),
        up=numbers.duration(((worker.stopped_at or now) - worker.started_at).total_seconds()),
        is_alive=worker.status not in {"stopped", "lost"},
        last_heartbeat_at=worker.last_heartbeat_at,
    )


def _busy(measures: Mapping[str, Any]) -> float | None:
    """Load of the machine as a share, None while it has not been measured."""
    percent = measures.get("cpu_percent")
    return None if percent is None else float(percent) / 100
