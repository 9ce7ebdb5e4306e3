"""Small jobs for tests of the worker."""

from typing import Any

from domain.catalog import load_catalog
from domain.job import JobSpec, parse_job

DIGITS: dict[str, Any] = {
    "dataset": {"kind": "digits"},
    "architecture": {"kind": "mlp", "hidden": [16]},
    "normalization": {"kind": "batch_norm"},
    "training": {
        "batch_size": 64,
        "budget": {"steps": 60},
        "optimizer": {"kind": "adam", "lr": 0.01},
        "evaluate_every": {"steps": 20},
    },
}
"""A job that takes a fraction of a second; batch normalization, since it has state beside its parameters."""


def raw_job(seeds: int = 1, *, architecture: Any = None, normalization: Any = None, **training: Any) -> dict[str, Any]:
    """A job as it is submitted, with parts of DIGITS replaced."""
    raw: dict[str, Any] = {**DIGITS, "seeds": seeds, "training": {**DIGITS["training"], **training}}
    if architecture is not None:
        raw["architecture"] = architecture
    if normalization is not None:
        raw["normalization"] = normalization
    return raw


def spec_of(**changes: Any) -> JobSpec:
    """The checked and completed spec of `raw_job`."""
    return parse_job(raw_job(**changes), load_catalog()).spec
