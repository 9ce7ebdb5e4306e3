"""What a comparison finds, as records: groups, differences from the baseline, verdicts, notes."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from domain.metric import At
from domain.statistics import Interval, Share

__all__ = ["Comparison", "Corrections", "Difference", "Group", "Note", "SeedValue", "Verdict", "VerdictWord"]

VerdictWord = Literal["better", "worse", "no difference shown", "too few seeds"]


class SeedValue(BaseModel):
    """One seed's value or difference, with the run to look at."""

    model_config = ConfigDict(frozen=True)

    seed: int
    value: float
    run_id: str


class Group(BaseModel):
    """The runs with one value of every field grouped by. Values are in the comparison's unit (percent, not shares)."""

    model_config = ConfigDict(frozen=True)

    key: dict[str, Any]
    """The fields grouped by, with scalar values; a whole choice by its label."""
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
    """Succeeded runs, the diverged among them."""
    diverged: int
    """Runs whose loss, or whose value, was NaN or infinite: results, counted and never averaged."""
    failed: int
    cancelled: int
    running: int
    paused: int
    queued: int
    divergence: Share
    """Diverged among finished."""
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

    kind: Literal["diverges", "failed", "unfinished", "mixed", "confounded", "no baseline", "short", "unrecorded"]
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
    at: At
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
    """One per difference."""
    headlines: list[Verdict]
    """The verdicts of one variant and word over several strata drawn together; each has the largest difference."""
    notes: list[Note]
