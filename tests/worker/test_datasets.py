"""The menu of datasets: each states what the catalog needs, and is what it says."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lncore.menu import load
from tests.worker.specs import spec_of
from worker import menus
from worker.loading.sources import Sources


@pytest.mark.parametrize("name", menus.variants("datasets"))
def test_every_dataset_states_what_the_catalog_needs(name: str) -> None:
    dataset: Any = load("worker.datasets", name)
    assert set(dataset.sizes) == {"train", "validation", "test"}
    assert dataset.input == "image"
    assert dataset.classes == 10
    assert dataset.licence


def test_digits_are_what_they_say(tmp_path: Path) -> None:
    data = menus.make_dataset(spec_of().dataset).load(Sources(tmp_path))
    stated: Any = load("worker.datasets", "digits")
    assert {"train": len(data.train), **{name: len(split) for name, split in data.held_out.items()}} == stated.sizes
    assert data.shape == stated.shape
    assert 0 == data.train.inputs.min() < data.train.inputs.max() == 1
    assert set(data.test.targets.tolist()) == set(range(10))


def test_fashion_mnist_is_what_it_says_where_it_is_installed(tmp_path: Path) -> None:
    folder = Path("/usr/share/datasets/fashion-mnist")
    if not folder.exists():
        pytest.skip("the package dataset-fashion-mnist is not installed")
    dataset = load("worker.datasets", "fashion_mnist")()
    data = dataset.load(Sources(tmp_path, addresses=()))
    assert (len(data.train), len(data.validation), len(data.test)) == (55000, 5000, 10000)
    assert data.shape == (1, 28, 28)
    assert torch.bincount(torch.cat([data.train.targets, data.validation.targets])).tolist() == [6000] * 10
