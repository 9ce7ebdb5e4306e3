"""What an event is: one row of the single log that pages, streams and the command line follow."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.run import Record


class EventKind(StrEnum):
    """The closed list of things that are recorded."""

    JOB_SUBMITTED = "job_submitted"
    JOB_DELETED = "job_deleted"
    STUDY_SUBMITTED = "study_submitted"
    STUDY_DELETED = "study_deleted"
    RUN_QUEUED = "run_queued"
    RUN_STARTED = "run_started"
    RUN_RESUMED = "run_resumed"
    RUN_PHASE = "run_phase"
    RUN_REQUESTED = "run_requested"
    RUN_PAUSED = "run_paused"
    RUN_SUCCEEDED = "run_succeeded"
    RUN_FAILED = "run_failed"
    RUN_CANCELLED = "run_cancelled"
    RUN_LOST = "run_lost"
    CHECKPOINT = "checkpoint"
    METRICS = "metrics"
    DATASET = "dataset"
    WARNING = "warning"
    WORKER_STARTED = "worker_started"
    WORKER_LOST = "worker_lost"
    WORKER_STOPPED = "worker_stopped"


class Level(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Event(Record):
    """Something that happened, in the one order everybody sees."""

    seq: int
    """Rises by one with every event, in the order of commits; also the id of the event stream."""
    at: datetime
    kind: EventKind
    study_id: str | None
    job_id: str | None
    run_id: str | None
    level: Level
    message: str
    data: dict[str, Any]
