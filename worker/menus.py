"""The worker's menus, and what a JobSpec's choices become: a dataset, a model, metrics."""

import functools
from pathlib import Path
from typing import Any

from torch import nn

from domain.job import Choice
from lncore.menu import load, names, normalization

MENUS = {"architectures": "worker.architectures", "datasets": "worker.datasets", "metrics": "worker.metrics"}


def variants(menu: str) -> list[str]:
    """The names on one of the worker's menus; imports nothing."""
    return names(Path(__file__).parent / menu)


@functools.cache
def metrics() -> dict[str, Any]:
    """The metrics by name."""
    return {name: load(MENUS["metrics"], name) for name in variants("metrics")}


def make_dataset(choice: Choice) -> Any:
    """The dataset of a choice; it is not loaded yet."""
    return load(MENUS["datasets"], choice.kind)(**choice.options)


def make_model(architecture: Choice, norm: Choice, shape: tuple[int, ...], classes: int) -> nn.Module:
    """The model of an architecture and a normalization, for inputs of `shape` and so many classes."""
    variant = load(MENUS["architectures"], architecture.kind)
    return variant(shape, classes, normalization(norm.kind, **norm.options), **architecture.options)
