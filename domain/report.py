"""What a worker tells about a run: heartbeats with their metrics and log lines, saved checkpoints, and endings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from domain.event import EventKind, Level
from domain.run import Outcome, Phase, Responsible, RunStatus


class Point(NamedTuple):
    """One value of a series. It may be NaN or infinite."""

    step: int
    """Optimizer steps done when it was measured; 0 is before the first."""
    value: float
    at: float
    """Wall time, seconds since 1970."""
    relative: float
    """Seconds of training until then, over all attempts."""
    epoch: float
    samples: int


class LogLine(NamedTuple):
    """One line of a runner's output."""

    number: int
    """Rises within an attempt; sending a line twice stores it once."""
    at: datetime
    stream: str
    """`out` or `error`."""
    line: str


class Note(NamedTuple):
    """Something a runner wants in the event log, such as a fetched data set or a warning."""

    kind: EventKind
    message: str
    level: Level = Level.INFO
    data: Mapping[str, Any] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """One heartbeat. What is None stays as it was."""

    number: int
    """1, 2, 3, … within an attempt. A report sent again (its commit unknown) is known by it; nothing is done twice."""
    step: int | None = None
    total_steps: int | None = None
    progress: float | None = None
    seconds: float | None = None
    seconds_left: float | None = None
    phase: Phase | None = None
    exact: bool | None = None
    """False when the attempt resumed under another fingerprint."""
    points: Mapping[str, Sequence[Point]] = field(default_factory=dict)
    lines: Sequence[LogLine] = ()
    notes: Sequence[Note] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedCheckpoint:
    """A checkpoint whose files are complete and synced to disk."""

    step: int
    path: str
    """Relative to the runs directory."""
    size_bytes: int
    digest: str
    """SHA-256 of its MANIFEST.json."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    best: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How an attempt ended. A failure that is `transient` is tried again."""

    status: RunStatus
    outcome: Outcome | None = None
    reason: str | None = None
    responsible: Responsible | None = None
    message: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    traceback: str | None = None

    @classmethod
    def succeeded(cls, outcome: Outcome, message: str | None = None) -> "Ending":
        return cls(status=RunStatus.SUCCEEDED, outcome=outcome, message=message, exit_code=0)

    @classmethod
    def failed(cls, responsible: Responsible, reason: str, message: str, **facts: Any) -> "Ending":
        return cls(status=RunStatus.FAILED, responsible=responsible, reason=reason, message=message, **facts)

    @classmethod
    def cancelled(cls, message: str | None = None) -> "Ending":
        return cls(status=RunStatus.CANCELLED, message=message)
