"""Comparisons: runs grouped by what differs, with the statistics that are right for three to ten seeds."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from domain.catalog import Catalog
from domain.metric import MetricChoice

__all__ = [
    "Comparison",
    "Difference",
    "Group",
    "Interval",
    "RunResult",
    "SeedValue",
    "Verdict",
    "VerdictWord",
    "compare",
]

VerdictWord = Literal["better", "worse", "no difference shown", "too few seeds"]


class RunResult(BaseModel):
    """What one run contributes: its spec by dotted paths, how it ended, the value of the metric, and what it cost."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    job_id: str
    seed: int
    status: str
    outcome: str | None = None
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


class Interval(BaseModel):
    """A mean with its 95 % interval; the bounds are None where there are too few values for one."""

    model_config = ConfigDict(frozen=True)

    n: int
    mean: float | None
    sd: float | None
    half_width: float | None
    low: float | None
    high: float | None


class SeedValue(BaseModel):
    """One seed's value or difference, with the run to look at."""

    model_config = ConfigDict(frozen=True)

    seed: int
    value: float
    run_id: str


class Share(BaseModel):
    """How often something happened, with its Wilson interval."""

    model_config = ConfigDict(frozen=True)

    count: int
    of: int
    rate: float | None
    low: float | None
    high: float | None


class Group(BaseModel):
    """The runs with one value of every field grouped by. Values are in the comparison's unit (percent, not shares)."""

    model_config = ConfigDict(frozen=True)

    key: dict[str, Any]
    label: str
    variant: str
    """What is compared with the baseline, in a word: `batch_norm`."""
    stratum: str
    """Where it is compared, in words: `batch size 4`; empty when nothing else varies."""
    is_baseline: bool
    n: int
    """Seeds with a value: finished and not diverged."""
    mean: float | None
    sd: float | None
    half_width: float | None
    low: float | None
    high: float | None
    best: float | None
    """The best seed."""
    values: list[SeedValue]
    runs: int
    finished: int
    diverged: int
    failed: int
    cancelled: int
    running: int
    queued: int
    divergence: Share
    ms_per_step: Interval
    samples_per_second: Interval
    peak_memory: Interval
    """Bytes."""
    seconds: Interval
    steps_to: Interval
    """Over the seeds that reached the threshold."""
    seconds_to: Interval
    reached: int
    """How many seeds reached the threshold."""
    bold: bool
    """The best of its stratum, or not told apart from it by the paired interval."""


class Difference(BaseModel):
    """A group minus the baseline of its stratum, in the unit of the comparison."""

    model_config = ConfigDict(frozen=True)

    key: dict[str, Any]
    label: str
    variant: str
    stratum: str
    method: Literal["paired", "welch"]
    pairs: int
    """Equal seeds; with Welch's method the smaller number of seeds."""
    mean: float | None
    half_width: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    verdict: VerdictWord
    values: list[SeedValue]
    """Per pair; empty with Welch's method."""


class Verdict(BaseModel):
    """What a difference shows, as a sentence that says no more than its interval."""

    model_config = ConfigDict(frozen=True)

    verdict: VerdictWord
    sentence: str
    key: dict[str, Any]
    variant: str
    stratum: str
    difference: Difference


class Note(BaseModel):
    """Something a reader must know beside the verdicts."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["diverges", "failed", "unfinished", "mixed", "confounded", "no baseline"]
    sentence: str
    key: dict[str, Any]


class Corrections(BaseModel):
    """How many differences were tested, and how their p-values were corrected."""

    model_config = ConfigDict(frozen=True)

    method: Literal["holm"] = "holm"
    count: int
    waiting: int
    """Differences that have too few seeds to be tested yet."""
    sentence: str


class Comparison(BaseModel):
    """Groups, their differences from the baseline and what those show. All values are in `unit`."""

    model_config = ConfigDict(frozen=True)

    metric: str
    metric_label: str
    at: Literal["final", "best"] | int
    lower_is_better: bool
    unit: str
    """`%`, `nats`, … or empty."""
    difference_unit: str
    """`points` for percent, else the unit."""
    group_by: list[str]
    baseline: dict[str, Any]
    threshold: float | None
    confidence: float
    strata: list[str]
    groups: list[Group]
    """Stratum by stratum; within one the best mean first."""
    differences: list[Difference]
    corrections: Corrections
    verdicts: list[Verdict]
    notes: list[Note]


def compare(
    results: Sequence[RunResult],
    *,
    group_by: Sequence[str],
    metric: MetricChoice,
    baseline: Mapping[str, Any],
    catalog: Catalog,
    threshold: float | None = None,
) -> Comparison:
    """Group `results` by the fields `group_by` (dotted paths, or a whole choice such as `normalization`) and compare.

    `baseline` says by path which groups the others of their stratum are compared with; empty for none. Of several runs
    of one spec and seed (a retry, a job submitted twice) the latest counts. Raises InvalidSpec when the baseline names
    no field that is grouped by, or several groups of one stratum.
    """
    raise NotImplementedError
