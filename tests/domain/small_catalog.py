"""A small catalog of the shape the generator writes, and a job and a study that fit it."""

from typing import Any

import pytest

from domain.catalog import Catalog
from domain.errors import FieldError, InvalidSpec
from domain.job import parse_job
from domain.study import parse_study

EPS = {"type": "float", "bounds": {"ge": 0, "le": 1}, "choices": None, "nullable": False, "required": False}
WIDTH = {"type": "int", "bounds": {"ge": 1, "le": 16384}, "choices": None, "nullable": False}

NORMALIZATIONS = {
    "none": {"summary": "Nothing.", "options": {}, "rules": []},
    "layer_norm": {
        "summary": "Each case by its own features.",
        "options": {
            "eps": {**EPS, "default": 1e-5, "doc": "added to the variance"},
            "bias": {"type": "bool", "bounds": {}, "choices": None, "default": True, "doc": "whether to learn β"},
            "image_axes": {"type": "str", "bounds": {}, "choices": ["chw", "c"], "default": "chw", "doc": "one case"},
        },
        "rules": [],
    },
    "batch_norm": {
        "summary": "Each feature over the batch.",
        "options": {"eps": {**EPS, "default": 1e-5, "doc": "added to the variance"}},
        "rules": [
            {"path": "training.batch_size", "op": "ge", "value": 2, "message": "batch_norm wants a batch of at least 2"}
        ],
    },
    "group_norm": {
        "summary": "Groups of features.",
        "options": {"groups": {**WIDTH, "required": False, "default": 8, "doc": "how many groups"}},
        "rules": [
            {"path": "architecture.width*", "op": "divides", "value": "groups", "message": "groups divide every width"}
        ],
    },
    "fitted": {
        "summary": "Has an option that must be given.",
        "options": {
            "scale": {**EPS, "required": True, "default": None, "doc": "how far"},
            "limit": {**EPS, "nullable": True, "default": None, "doc": "an optional bound"},
        },
        "rules": [{"path": "training.precision", "op": "in", "value": ["fp32"], "message": "fitted needs float32"}],
    },
}
HIDDEN = {
    "type": "list[int]",
    "bounds": {},
    "choices": None,
    "nullable": False,
    "items": WIDTH,
    "length": {"ge": 1, "le": 64},
    "required": False,
    "default": [32, 32],
    "doc": "the widths of the hidden layers",
}
ARCHITECTURES = {
    "mlp": {"options": {"hidden": HIDDEN}, "inputs": ["image", "vector"], "widths": ["hidden"], "rules": []},
    "convnet": {
        "options": {
            "channels": {**HIDDEN, "default": [32, 64]},
            "dense": {**WIDTH, "required": False, "default": 128, "doc": "the width of the dense layer"},
            "kernel": {"type": "int", "bounds": {}, "choices": [1, 3, 5], "default": 3, "doc": "of the convolutions"},
        },
        "inputs": ["image"],
        "widths": ["channels", "dense"],
        "convolutions": ["channels"],
        "rules": [],
    },
}
SIZES = {"train": 1257, "validation": 180, "test": 360}
DATASETS = {
    "digits": {"options": {}, "rules": [], "input": "image", "shape": [1, 8, 8], "classes": 10, "sizes": SIZES},
    "wine": {"options": {}, "rules": [], "input": "vector", "shape": [13], "classes": 3, "sizes": SIZES},
    "letters": {"options": {}, "rules": [], "input": "sequence", "shape": [100], "classes": 26, "sizes": SIZES},
}
METRICS = {
    "loss": {"splits": ["train", "validation", "test"], "unit": "nats", "lower_is_better": True},
    "error": {"splits": ["validation", "test"], "unit": "share", "lower_is_better": True},
    "accuracy": {"splits": ["validation", "test"], "unit": "share", "lower_is_better": False},
}

CATALOG = Catalog.from_data(
    {
        "normalizations": NORMALIZATIONS,
        "architectures": ARCHITECTURES,
        "datasets": DATASETS,
        "metrics": METRICS,
        "placements": {},
    }
)


def job(**changes: Any) -> dict[str, Any]:
    """A valid job submission with some of its fields changed."""
    return {
        "dataset": {"kind": "digits"},
        "architecture": {"kind": "mlp", "hidden": [32, 16]},
        "normalization": {"kind": "layer_norm"},
        "training": training(),
        "seeds": [0, 1, 2],
        **changes,
    }


def training(**changes: Any) -> dict[str, Any]:
    return {"batch_size": 4, "budget": {"steps": 100}, **changes}


def study(**changes: Any) -> dict[str, Any]:
    """A valid study submission with some of its fields changed: three normalizations at two batch sizes."""
    base = {name: value for name, value in job().items() if name not in {"seeds", "normalization"}}
    return {
        "name": "small-batch",
        "question": "Does it keep working when the batch shrinks?",
        "base": base,
        "vary": {
            "normalization": [{"kind": "none"}, {"kind": "batch_norm"}, {"kind": "layer_norm"}],
            "training.batch_size": [4, 128],
        },
        "seeds": 3,
        "metric": {"name": "test_error", "at": "final"},
        "baseline": {"normalization.kind": "layer_norm"},
        **changes,
    }


def refused_job(raw: Any) -> list[FieldError]:
    """What is wrong with a job; fails when nothing is."""
    with pytest.raises(InvalidSpec) as refused:
        parse_job(raw, CATALOG)
    return refused.value.errors


def refused_study(raw: Any) -> list[FieldError]:
    """What is wrong with a study; fails when nothing is."""
    with pytest.raises(InvalidSpec) as refused:
        parse_study(raw, CATALOG)
    return refused.value.errors
