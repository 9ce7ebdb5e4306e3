"""Run results made for tests of comparisons."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.comparison import Comparison, Difference, Group, RunResult, Verdict, compare
from domain.metric import MetricChoice
from tests.domain.small_catalog import CATALOG


def result(kind: str, seed: int, value: float | None, *, batch: int = 4, **changes: Any) -> RunResult:
    """A finished run of a normalization at a batch size; the value is a share, as it is stored."""
    spec: dict[str, Any] = {"normalization.kind": kind, "training.batch_size": batch, "training.optimizer.lr": 1e-3}
    if kind != "none":
        spec["normalization.eps"] = 1e-5
    spec |= changes.pop("spec", {})
    job_id = changes.pop("job_id", f"job_{kind}_{batch}")
    fields = {"status": "succeeded", "outcome": "completed", "run_id": f"run_{kind}_{batch}_{seed}", **changes}
    return RunResult(job_id=job_id, seed=seed, spec=spec, value=value, **fields)


def results(values: Mapping[str, Sequence[float | None]], *, batch: int = 4) -> list[RunResult]:
    """Finished runs, seeds 0, 1, …; None skips a seed. Values are in percent."""
    return [
        result(kind, seed, value / 100, batch=batch)
        for kind, shares in values.items()
        for seed, value in enumerate(shares)
        if value is not None
    ]


def compared(runs: Sequence[RunResult], **changes: Any) -> Comparison:
    """The runs compared with layer_norm by normalization and batch size, in final test error."""
    arguments: dict[str, Any] = {
        "group_by": ["normalization", "training.batch_size"],
        "metric": MetricChoice(),
        "baseline": {"normalization.kind": "layer_norm"},
        "catalog": CATALOG,
    }
    return compare(runs, **{**arguments, **changes})


def group(comparison: Comparison, label: str) -> Group:
    return next(group for group in comparison.groups if group.label == label)


def difference(comparison: Comparison, label: str) -> Difference:
    return next(found for found in comparison.differences if found.label == label)


def verdict(comparison: Comparison, variant: str) -> Verdict:
    return next(found for found in comparison.verdicts if found.variant == variant)
