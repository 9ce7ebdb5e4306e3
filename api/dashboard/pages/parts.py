"""What several pages say in the same way: states of jobs and studies, who must act, workers, limits of a heartbeat."""

from collections.abc import Mapping, Sequence
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
from domain.store import jobs, runs, workers
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

    id: str
    name: str
    words: str
    mark: str
    device: str
    gpu: str | None
    """Its name; None for a worker that trains on the CPU."""
    gpu_busy: float | None
    gpu_memory: str
    gpu_memory_total: str
    queues: str
    waiting: int
    """Runs that wait in the queues it serves."""
    run_id: str | None
    run_words: str
    busy: float | None
    memory: str
    memory_total: str
    up: str
    is_alive: bool
    last_heartbeat_at: datetime


MARKS = {"idle": "note", "busy": "running", "draining": "paused", "stopped": "cancelled", "lost": "failed"}


def worker_row(
    worker: Worker, now: datetime, words: Mapping[str, str], depths: Mapping[str, Mapping[str, int]]
) -> WorkerRow:
    """`words` says what each running run is, in words; `depths` how many runs each queue has by status."""
    measures = worker.measures
    return WorkerRow(
        id=worker.id,
        name=worker.name,
        words=worker.status,
        mark=MARKS[worker.status],
        device=worker.device_name or worker.device,
        gpu=_gpu(worker),
        gpu_busy=_share(measures.get("gpu_percent")),
        gpu_memory=numbers.size(measures.get("gpu_memory_used")),
        gpu_memory_total=numbers.size(measures.get("gpu_memory_total")),
        queues=", ".join(worker.queues),
        waiting=sum(depths.get(queue, {}).get("queued", 0) for queue in worker.queues),
        run_id=worker.run_id,
        run_words=words.get(worker.run_id or "", "a run"),
        busy=_share(measures.get("cpu_percent")),
        memory=numbers.size(measures.get("memory_used")),
        memory_total=numbers.size(measures.get("memory_total")),
        up=numbers.duration(((worker.stopped_at or now) - worker.started_at).total_seconds()),
        is_alive=worker.status not in {"stopped", "lost"},
        last_heartbeat_at=worker.last_heartbeat_at,
    )


def _gpu(worker: Worker) -> str | None:
    """The GPU by the name that its driver gives, else by torch's."""
    name = worker.measures.get("gpu_name")
    return str(name) if name else worker.device_name or "GPU" if worker.device == "cuda" else None


def _share(percent: float | None) -> float | None:
    """None while it has not been measured."""
    return None if percent is None else float(percent) / 100


def words_of_runs(c: Connection, held: Sequence[Worker]) -> dict[str, str]:
    """What each of the runs that workers have in hand is."""
    found = [runs.get(c, worker.run_id) for worker in held if worker.run_id]
    return {run.id: f"{jobs.get(c, run.job_id).label}, seed {run.seed}" for run in found}
