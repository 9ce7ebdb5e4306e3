"""Metrics: what a name such as `test_error` measures, in which unit it is read, which way is better, and when."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from domain.catalog import Catalog
from domain.nearest import suggest
from domain.words import shown

__all__ = [
    "MEASURED",
    "SPLITS",
    "At",
    "Metric",
    "MetricChoice",
    "describe_metric",
    "metric_names",
    "metric_problem",
    "place_words",
    "seconds_of",
]

SPLITS = ("train", "validation", "test")


def _one_sentence(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """What is no place at all is said once, and not once for each form that a place can have."""
    try:
        return check(value)
    except ValidationError as error:
        raise ValueError(
            f"it is {shown(value)}, but must be final, best, the number of a step, or seconds as in 60s"
        ) from error


At = Annotated[
    Literal["final", "best"]
    | Annotated[int, Field(ge=1, le=999_999_999)]
    | Annotated[str, Field(pattern=r"^([1-9][0-9]{0,6}(\.[0-9]{1,3})?|0\.[0-9]{1,3})s$")],
    WrapValidator(_one_sentence),
]
"""The end of a run, its best point, the number of a step, or seconds of training as in `60s`."""


def seconds_of(at: At) -> float | None:
    """The seconds of training that `60s` names; None for the other places."""
    return float(at[:-1]) if isinstance(at, str) and at not in {"final", "best"} else None


def place_words(at: At) -> str:
    """Where a run is read: `at step 500`, `after 60 s of training`."""
    seconds = seconds_of(at)
    if seconds is not None:
        return f"after {seconds:.10g} s of training"
    return {"final": "at the end of its budget", "best": "at its best"}.get(str(at), f"at step {at}")


class MetricChoice(BaseModel):
    """Which number of a run counts: a metric, at the end, at its best, or at a step."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(max_length=100)] = "test_error"
    at: At = "final"
    """`final`, `best`, the number of a step, or seconds of training as in `60s`."""


class Metric(BaseModel):
    """A metric as it is read by people. Stored values times `scale` are in `unit`."""

    model_config = ConfigDict(frozen=True)

    name: str
    label: str
    unit: str = ""
    scale: float = 1.0
    lower_is_better: bool = True

    @property
    def difference_unit(self) -> str:
        """Differences of percents are points."""
        return "points" if self.unit == "%" else self.unit


MEASURED = {
    "step_time": Metric(name="step_time", label="time per step", unit="ms", scale=1000.0),
    "samples_per_second": Metric(
        name="samples_per_second", label="samples per second", unit="1/s", lower_is_better=False
    ),
    "peak_memory": Metric(name="peak_memory", label="peak memory", unit="MB", scale=1e-6),
    "gpu_utilization": Metric(
        name="gpu_utilization", label="GPU utilization", unit="%", scale=100.0, lower_is_better=False
    ),
    "gpu_memory": Metric(name="gpu_memory", label="GPU memory in use", unit="MB", scale=1e-6),
    "dropped": Metric(name="dropped", label="points left out"),
}
"""What every run measures of itself, stored in seconds, 1/s, bytes, shares and points: `gpu_…` on a GPU only, and
`dropped` where reports could not keep up with the steps."""


def metric_names(catalog: Catalog, *, splits: Sequence[str] = SPLITS, measured: bool = True) -> list[str]:
    """Every name a series can have: `<split>_<metric>` for the catalog's metrics, and what is measured."""
    scored = [
        f"{split}_{metric}"
        for split in splits
        for metric, entry in catalog.menu("metrics").items()
        if split in entry.fact("splits", SPLITS)
    ]
    return [*scored, *(MEASURED if measured else ())]


def metric_problem(name: str, catalog: Catalog, *, splits: Sequence[str] = SPLITS, measured: bool = True) -> str | None:
    """A sentence when there is no such metric, None when there is."""
    names = metric_names(catalog, splits=splits, measured=measured)
    return None if name in names else f"There is no metric {name[:60]!r}. {suggest(name, names)}"


def describe_metric(name: str, catalog: Catalog) -> Metric:
    """What the metric `name` measures; a name that no menu has (a diagnostic, an older version's) reads as itself."""
    if name in MEASURED:
        return MEASURED[name]
    split, _, kind = name.partition("_")
    entry = catalog.menu("metrics").get(kind) if split in SPLITS else None
    label = name.replace("_", " ")
    if entry is None:
        return Metric(name=name, label=label)
    unit = str(entry.fact("unit", ""))
    share = unit in {"share", "fraction", "%"}
    return Metric(
        name=name,
        label=label,
        unit="%" if share else unit,
        scale=100.0 if share else 1.0,
        lower_is_better=bool(entry.fact("lower_is_better", True)),
    )
