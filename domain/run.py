"""What a run is: its words, the transitions between its states, and the records people read."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class RunStatus(StrEnum):
    """The six states; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in FINAL


FINAL = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED})

TRANSITIONS: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.QUEUED: frozenset({RunStatus.RUNNING, RunStatus.PAUSED, RunStatus.CANCELLED}),
    RunStatus.RUNNING: frozenset(
        {
            RunStatus.QUEUED,
            RunStatus.PAUSED,
            RunStatus.SUCCEEDED,
            RunStatus.FAILED,
            RunStatus.CANCELLED,
        }
    ),
    RunStatus.PAUSED: frozenset({RunStatus.QUEUED, RunStatus.CANCELLED}),
    RunStatus.SUCCEEDED: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
}
"""From each state, the states it may become. A retry of a failed or cancelled run is a new run."""


class Outcome(StrEnum):
    """How a succeeded run ended. A diverged run is a result, and is counted."""

    COMPLETED = "completed"
    EARLY_STOPPED = "early_stopped"
    DIVERGED = "diverged"


class Phase(StrEnum):
    """What a running run is doing, as of its worker's last report; a phase between two reports is not seen."""

    STARTING = "starting"
    """Claimed for the first time: loading data, building the model."""
    RECOVERING = "recovering"
    """Claimed again: the same, and loading the checkpoint where there is one."""
    COMPILING = "compiling"
    """The first step of an attempt whose job asks for `compile`."""
    WARMING_UP = "warming_up"
    """The first step of any other attempt, which loads kernels and reserves memory."""
    TRAINING = "training"
    EVALUATING = "evaluating"
    SAVING = "saving"
    PAUSING = "pausing"
    """Asked to pause, and not yet at rest."""
    CANCELLING = "cancelling"
    """Asked to cancel, and not yet ended."""


ASKED = {"cancel": Phase.CANCELLING, "pause": Phase.PAUSING}
"""By request, the phase of a run that was asked, until it has stopped."""


class Responsible(StrEnum):
    """Who must act on a failure: `spec` change the job; `transient` nobody, it is retried; `internal` our bug."""

    SPEC = "spec"
    TRANSIENT = "transient"
    INTERNAL = "internal"


class Reason(StrEnum):
    """Why an attempt ended badly, or why a run waits. A death by signal n is `signal_n` (see `signal_reason`)."""

    OOM_GPU = "oom_gpu"
    OOM_HOST = "oom_host"
    LOST_WORKER = "lost_worker"
    STALLED = "stalled"
    DEADLINE = "deadline"
    TOO_LARGE = "too_large"
    STORAGE = "storage"
    CUDA = "cuda"
    DATASET = "dataset"
    ERROR = "error"
    PREEMPTED = "preempted"
    NO_WORKER = "no_worker"
    """Of a queued run that no worker alive takes, as of when it is read; it is never stored."""


def signal_reason(number: int) -> str:
    return f"signal_{number}"


class Request(StrEnum):
    """What somebody asked of a running run; the answer to the next heartbeat carries it."""

    CANCEL = "cancel"
    PAUSE = "pause"


class Action(StrEnum):
    """What people can do to a run, a job or a study."""

    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"


class Orders(StrEnum):
    """The answer to a heartbeat: go on, or stop at the next step for one of these reasons."""

    GO = "go"
    CANCEL = "cancel"
    PAUSE = "pause"
    DRAIN = "drain"
    DEADLINE = "deadline"
    """Given by the supervising process itself: the run has had its time."""


class Record(BaseModel):
    """A row as people read it: frozen, and made straight from a database row."""

    model_config = ConfigDict(frozen=True, extra="ignore", from_attributes=True)


class StatusChange(Record):
    """One entry of a run's history."""

    at: datetime
    status: RunStatus
    reason: str | None = None


class Run(Record):
    """One seed of a job."""

    id: str
    job_id: str
    study_id: str | None
    seed: int
    seed_rank: int
    """Position of the seed in the job's list: rank 0 of every job runs before rank 1 of any."""
    status: RunStatus
    outcome: Outcome | None
    phase: Phase | None
    reason: str | None
    responsible: Responsible | None
    message: str | None
    queue: str
    device: Literal["auto", "cpu", "cuda"]
    """Where the spec allows it to run."""
    priority: int
    attempt: int
    """Attempts that count: claims less those that were drained or paused."""
    step: int
    """Last optimizer step reported (0 before the first)."""
    total_steps: int | None
    """None while the budget is in seconds."""
    progress: float
    """Share of the budget done, 0 to 1."""
    seconds: float
    """Seconds of training so far, over all attempts that count."""
    seconds_left: float | None
    worker: str | None
    last_heartbeat_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime
    not_before: datetime | None
    """A run that failed for a transient reason waits until then."""
    retry_of: str | None
    exact: bool
    """False once it resumed under another fingerprint, so bit-equality cannot be claimed."""
    request: Request | None
    status_history: list[StatusChange] = []
    """Filled when one run is read, empty in lists."""


class Attempt(Record):
    """One try at a run by one worker."""

    run_id: str
    token: int
    """Fencing token: rises with every claim of the run."""
    number: int
    worker: str
    started_at: datetime
    start_step: int
    """Step of the checkpoint it resumed from, 0 for a fresh start."""
    ended_at: datetime | None
    ending: Literal["succeeded", "failed", "cancelled", "paused", "drained", "retried", "lost"] | None
    """None while it runs."""
    exit_code: int | None
    signal: int | None
    reason: str | None
    message: str | None
    traceback: str | None


class Checkpoint(Record):
    """A saved state of a run that was accepted under its token."""

    id: str
    run_id: str
    step: int
    token: int
    path: str
    """Relative to the runs directory of the settings."""
    size_bytes: int
    digest: str
    """SHA-256 of its MANIFEST.json."""
    metrics: dict[str, Any]
    best: bool
    good: bool
    """False once its files failed verification."""
    created_at: datetime


class Worker(Record):
    """A Celery worker process on one slot."""

    id: str
    name: str
    host: str
    pid: int
    queues: list[str]
    device: Literal["cpu", "cuda"]
    device_name: str
    devices: list[str] | None
    """Those it takes runs for: with a GPU mostly both. None for a worker that began before it told."""
    status: Literal["idle", "busy", "draining", "stopped", "lost"]
    draining: bool
    run_id: str | None
    started_at: datetime
    last_heartbeat_at: datetime
    stopped_at: datetime | None
    measures: dict[str, Any]
    """What it last measured: `cpu_percent`, and in bytes `memory_used`, `memory_total`, `disk_free`; on a GPU also
    `gpu_name`, `gpu_percent` (left out where the driver doesn't say), `gpu_memory_used` and `gpu_memory_total`.
    """


class Claim(Record):
    """What a worker gets when it claims a run: everything the runner needs."""

    run: Run
    token: int
    spec: dict[str, Any]
    """The job's resolved spec."""
    checkpoint: Checkpoint | None
    """Where to resume, None for a fresh start."""
    lease_seconds: float
    spent_seconds: float = 0.0
    """What the attempts before this one took, from each one's claim to its end."""
