"""The estimate that needs no torch against the model itself: parameters, bytes, operations of every norm."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from domain.catalog import load_catalog
from domain.job import JobSpec
from domain.size import Size, size_of
from lncore.menu import norms
from tests.worker.specs import spec_of
from worker import menus
from worker.training.size import measure_need

SHAPE, CLASSES = (1, 8, 8), 10
ARCHITECTURES: list[dict[str, Any]] = [
    {"kind": "mlp", "hidden": [128, 64]},
    {"kind": "convnet", "channels": [64, 96], "kernel": 3, "dense": 128},
]


def estimated(spec: JobSpec) -> Size:
    return size_of(spec.resolved(), load_catalog())


def model_of(spec: JobSpec) -> nn.Module:
    with torch.device("meta"):
        return menus.make_model(spec.architecture, spec.normalization, SHAPE, CLASSES)


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda architecture: architecture["kind"])
@pytest.mark.parametrize("norm", norms())
def test_the_estimate_is_at_least_what_the_model_needs_and_within_ten_percent(
    norm: str, architecture: dict[str, Any]
) -> None:
    spec = spec_of(architecture=architecture, normalization={"kind": norm})
    need, size = measure_need(spec, SHAPE, CLASSES), estimated(spec)
    pairs = {
        "parameters": (size.parameters, need.parameter_count),
        "weights": (size.memory.weights, need.parameters),
        "gradients": (size.memory.gradients, need.gradients),
        "optimizer": (size.memory.optimizer, need.optimizer),
        "activations": (size.memory.activations, need.activations),
    }
    wrong = {name: pair for name, pair in pairs.items() if not pair[1] <= pair[0] <= 1.1 * pair[1]}
    assert wrong == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": {"kind": "mlp", "hidden": [64], "activation": "gelu"}},
        {"architecture": {"kind": "convnet", "channels": [16, 16, 16, 16, 16], "kernel": 5, "dense": 32}},
        {"batch_size": 64, "accumulate": 4},
        {"optimizer": {"kind": "sgd", "lr": 0.1, "momentum": 0.9}},
        {"optimizer": {"kind": "rmsprop", "lr": 0.1, "momentum": 0.9}},
    ],
)
def test_the_estimate_follows_activation_kernel_parts_and_optimizer(changes: dict[str, Any]) -> None:
    spec = spec_of(**changes)
    need, memory = measure_need(spec, SHAPE, CLASSES), estimated(spec).memory
    estimate = memory.weights + memory.gradients + memory.optimizer + memory.activations
    assert need.total <= estimate <= 1.1 * need.total


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda architecture: architecture["kind"])
@pytest.mark.parametrize("norm", ["none", "layer_norm", "weight_standardization", "evonorm_s0"])
def test_the_operations_of_a_step_are_those_that_torch_counts(norm: str, architecture: dict[str, Any]) -> None:
    spec = spec_of(architecture=architecture, normalization={"kind": norm}, batch_size=48, accumulate=1)
    model = model_of(spec)
    with torch.device("meta"), FlopCounterMode(display=False) as counted:
        cross_entropy(model(torch.empty(48, *SHAPE)), torch.empty(48, dtype=torch.long)).backward()
    assert estimated(spec).flops_per_step == counted.get_total_flops()


def test_the_operations_of_a_budget_are_those_of_its_steps() -> None:
    for budget, steps in (({"steps": 70}, 70), ({"epochs": 2}, 2 * (1257 // 64)), ({"seconds": 5}, None)):
        size = estimated(spec_of(batch_size=64, budget=budget))
        assert size.flops == (None if steps is None else steps * size.flops_per_step)
