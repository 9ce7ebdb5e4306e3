"""What a checkpoint holds: everything, for every normalization and every optimizer."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from domain.artifact import WEIGHTS
from domain.job import JobSpec
from lncore.menu import norms
from tests.worker.specs import spec_of
from tests.worker.training.test_trainer import CPU, Notebook
from worker.loading.data import Data, Split
from worker.training import state
from worker.training.learner import Learner, make_learner, prepare
from worker.training.trainer import train

OPTIMIZERS: list[dict[str, Any]] = [
    {"kind": "sgd", "momentum": 0.9},
    {"kind": "adam"},
    {"kind": "adamw"},
    {"kind": "rmsprop", "momentum": 0.5},
]


def pictures(cases: int) -> Split:
    generator = torch.Generator().manual_seed(cases)
    return Split(torch.rand(cases, 1, 8, 8, generator=generator), torch.randint(10, (cases,), generator=generator))


DATA = Data(pictures(64), pictures(8), pictures(9), 10)


def learner_of(spec: JobSpec) -> Learner:
    prepare(spec.training, 0)
    return make_learner(spec, DATA.shape, DATA.classes, CPU)


def bytes_of(learner: Learner) -> list[bytes]:
    return [tensor.numpy().tobytes() for tensor in learner.model.state_dict().values()]


def assert_resumes_exactly(directory: Path, **changes: Any) -> None:
    torch.set_num_threads(1)
    whole = spec_of(batch_size=8, budget={"steps": 12}, evaluate_every={"steps": 5}, **changes)
    half = spec_of(batch_size=8, budget={"steps": 6}, evaluate_every={"steps": 5}, **changes)
    straight = learner_of(whole)
    train(whole, 0, straight, DATA, Notebook(), {})

    first = learner_of(half)
    train(half, 0, first, DATA, Notebook(), {})
    state.save(first, {}, directory)
    torch.rand(100)  # Whatever happens in between, the generators come from the checkpoint.
    second = learner_of(whole)
    _, exact = state.restore(second, directory)
    train(whole, 0, second, DATA, Notebook(), {})
    assert exact
    assert bytes_of(second) == bytes_of(straight)


@pytest.mark.parametrize("norm", norms())
def test_every_normalization_resumes_bit_for_bit(norm: str, tmp_path: Path) -> None:
    assert_resumes_exactly(tmp_path, normalization={"kind": norm}, architecture={"kind": "mlp", "hidden": [64]})


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: optimizer["kind"])
def test_every_optimizer_resumes_bit_for_bit(optimizer: dict[str, Any], tmp_path: Path) -> None:
    assert_resumes_exactly(tmp_path, optimizer=optimizer)


def test_the_generators_come_back(tmp_path: Path) -> None:
    learner = learner_of(spec_of())
    state.save(learner, {}, tmp_path)
    expected = (random.random(), np.random.rand(), torch.rand(1).item())  # noqa: NPY002 - the global one is meant
    state.restore(learner, tmp_path)
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == expected  # noqa: NPY002


def test_a_tensor_with_two_names_is_written_once_and_comes_back_twice(tmp_path: Path) -> None:
    def tied() -> Learner:
        learner = learner_of(spec_of())
        learner.model.register_module("again", learner.model.get_submodule("head"))
        return learner

    saved = tied()
    state.save(saved, {}, tmp_path)
    assert not any(name.startswith("again") for name in load_file(tmp_path / WEIGHTS)) or not any(
        name.startswith("head") for name in load_file(tmp_path / WEIGHTS)
    )
    restored = tied()
    torch.nn.init.zeros_(restored.model.get_parameter("head.weight"))
    state.restore(restored, tmp_path)
    assert bytes_of(restored) == bytes_of(saved)


def test_another_number_of_threads_is_another_machine(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    learner = learner_of(spec_of())
    state.save(learner, {}, tmp_path)
    torch.set_num_threads(2)
    try:
        assert not state.restore(learner, tmp_path)[1]
    finally:
        torch.set_num_threads(1)
