"""The examples of docs/adding.md are variants: described by the menus, and used."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from lncore.menu import NormFactory, describe, normalization
from tests.worker.plant import ROOT
from worker.generate import _describe
from worker.loading.sources import Sources

EXAMPLE = re.compile(r"^## [^\n]*`([\w/]+)\.py`\n.*?```python\n(.*?)```", re.DOTALL | re.MULTILINE)
EXAMPLES = dict(EXAMPLE.findall((ROOT / "docs" / "adding.md").read_text(encoding="utf-8")))


Variants = Callable[[str], Any]


@pytest.fixture
def variant(monkeypatch: pytest.MonkeyPatch) -> Variants:
    """Gives the one public class of an example, in a module of the name it would have."""

    def load(path: str) -> Any:
        module = ModuleType(path.replace("/", "."))
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(EXAMPLES[path], path, "exec"), vars(module))
        own = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
        assert len(own) == 1
        return own[0]

    return load


@pytest.mark.parametrize("path", EXAMPLES)
def test_every_example_can_be_described(path: str, variant: Variants) -> None:
    assert _describe(variant(path))["summary"]


def test_there_is_an_example_for_every_menu() -> None:
    assert {path.rpartition("/")[0] for path in EXAMPLES} == {
        "lncore/norms", "worker/architectures", "worker/datasets", "worker/metrics",
    }  # fmt: skip


def test_the_normalization_normalizes(variant: Variants) -> None:
    norm = variant("lncore/norms/max_norm")
    assert describe(norm)["options"]["eps"]["default"] == 1e-5
    for shape in ((2, 6), (2, 3, 6), (2, 6, 4, 4)):
        x = torch.randn(shape) * 100
        assert norm(6)(x).abs().max().item() == pytest.approx(1, abs=1e-5)
        assert norm(6)(x.half()).dtype == torch.float16


def test_the_architecture_learns_from_the_dataset_and_the_metric_counts(tmp_path: Path, variant: Variants) -> None:
    data = variant("worker/datasets/breast_cancer")().load(Sources(tmp_path))
    stated = variant("worker/datasets/breast_cancer")
    assert {"train": len(data.train), **{name: len(split) for name, split in data.held_out.items()}} == stated.sizes
    assert data.shape == stated.shape
    for norm in (normalization("layer_norm"), NormFactory("max_norm", variant("lncore/norms/max_norm"))):
        model = variant("worker/architectures/single")(data.shape, data.classes, norm, width=8)
        assert model(data.test.inputs).shape == (len(data.test), 2)
    logits = torch.tensor([[9.0, 8.0, 7.0, 0.0], [0.0, 7.0, 8.0, 9.0]])
    assert variant("worker/metrics/top_three_error").total(logits, torch.tensor([0, 0])) == 1
