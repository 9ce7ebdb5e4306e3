"""What one run contributes to a comparison: its spec, how it ended, its value and what it cost."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from domain.run import Outcome, RunStatus

__all__ = ["RunResult"]


class RunResult(BaseModel):
    """What one run contributes: its spec by dotted paths, how it ended, the value of the metric, and what it cost."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    job_id: str
    seed: int
    status: RunStatus
    outcome: Outcome | None = None
    spec: dict[str, Any]
    """As `domain.job.flat` gives it."""
    value: float | None = None
    """The metric as it is stored (a share, not percent), where `MetricChoice.at` says; None while there is none."""
    best: float | None = None
    """The best value of the metric over the run, as stored."""
    step_time_ms: float | None = None
    """Median over the run, milliseconds."""
    samples_per_second: float | None = None
    peak_memory: float | None = None
    """Bytes."""
    seconds: float | None = None
    """Training time."""
    steps: int | None = None
    steps_to: float | None = None
    """Step of the first value at or beyond the threshold, None where it was not reached or not asked."""
    seconds_to: float | None = None
    """Seconds of training until then."""
