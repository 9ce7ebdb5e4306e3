"""The menu of datasets: each states what the catalog needs, and is what it says."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lncore.menu import load
from tests.worker.specs import spec_of
from worker import menus
from worker.loading.sources import DatasetUnavailableError, Sources


@pytest.mark.parametrize("name", menus.variants("datasets"))
def test_every_dataset_states_what_the_catalog_needs(name: str) -> None:
    dataset: Any = load("worker.datasets", name)
    architectures: list[Any] = [load("worker.architectures", each) for each in menus.variants("architectures")]
    assert set(dataset.sizes) == {"train", "validation", "test"}
    assert any(dataset.input in each.inputs for each in architectures), "no architecture takes it"
    assert dataset.classes >= 2
    assert dataset.licence


@pytest.mark.parametrize("name", menus.variants("datasets"))
def test_every_dataset_that_is_here_is_what_it_states(name: str, tmp_path: Path) -> None:
    stated: Any = load("worker.datasets", name)
    try:
        data = stated().load(Sources(tmp_path, addresses=()))
    except DatasetUnavailableError as error:
        pytest.skip(str(error).splitlines()[0])
    assert {"train": len(data.train), **{name: len(split) for name, split in data.held_out.items()}} == stated.sizes
    assert data.shape == stated.shape
    assert data.train.inputs.dtype == torch.float32
    assert bool(data.train.inputs.isfinite().all())
    assert set(data.train.targets.tolist()) == set(range(stated.classes)) >= set(data.test.targets.tolist())


def test_digits_are_between_black_and_white(tmp_path: Path) -> None:
    data = menus.make_dataset(spec_of().dataset).load(Sources(tmp_path))
    assert 0 == data.train.inputs.min() < data.train.inputs.max() == 1


def test_fashion_mnist_is_what_it_says_where_it_is_installed(tmp_path: Path) -> None:
    folder = Path("/usr/share/datasets/fashion-mnist")
    if not folder.exists():
        pytest.skip("the package dataset-fashion-mnist is not installed")
    dataset = load("worker.datasets", "fashion_mnist")()
    data = dataset.load(Sources(tmp_path, addresses=()))
    assert (len(data.train), len(data.validation), len(data.test)) == (55000, 5000, 10000)
    assert data.shape == (1, 28, 28)
    assert torch.bincount(torch.cat([data.train.targets, data.validation.targets])).tolist() == [6000] * 10
