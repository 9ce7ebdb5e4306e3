"""What the supervising process hands a runner, and the one-line messages between the two."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Assignment:
    """One attempt at a run."""

    run_id: str
    token: int
    seed: int
    spec: dict[str, Any]
    """The job's resolved spec."""
    directory: str
    """The run's own directory."""
    resume: str | None
    """The directory of a verified checkpoint, None for a fresh start."""
    fence_at: float
    """When to stop unless another heartbeat is told (see spool.uptime)."""

    @property
    def attempt_directory(self) -> Path:
        """Where the spool, the log and the pulse of this attempt lie."""
        return Path(self.directory) / "attempts" / str(self.token)

    @property
    def checkpoints(self) -> Path:
        return Path(self.directory) / "ck"

    def to_line(self) -> bytes:
        return message(order="begin", **asdict(self))

    @classmethod
    def from_message(cls, received: dict[str, Any]) -> "Assignment":
        return cls(**{name: received[name] for name in cls.__dataclass_fields__})


def message(**parts: Any) -> bytes:
    """One message as a line."""
    return json.dumps(parts, separators=(",", ":")).encode() + b"\n"
