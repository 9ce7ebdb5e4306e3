"""Handwritten digits of scikit-learn, 8 × 8: small, real, and always there."""

import gzip
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch

from lncore.options import checked
from worker.loading.data import Data, Split, hold_out
from worker.loading.sources import File, Sources

_FILE = File("digits.csv.gz", ("sha256:09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",))


class Digits:
    """Handwritten digits, 1797 pictures of 8 × 8 pixels in ten classes; small enough to train in seconds.

    There is no official split: 360 cases are held out for the test and 180 for validation, always the same ones.

    Source: UCI Optical Recognition of Handwritten Digits (Alpaydin, Kaynak 1998), as shipped with scikit-learn
    Options:
        view: how a case is laid out; `pixels` is a picture of one channel
    """

    input: ClassVar[str] = "image"
    shape: ClassVar[tuple[int, ...]] = (1, 8, 8)
    classes: ClassVar[int] = 10
    sizes: ClassVar[dict[str, int]] = {"train": 1257, "validation": 180, "test": 360}
    licence: ClassVar[str] = "CC BY 4.0"

    @checked
    def __init__(self, *, view: Literal["pixels"] = "pixels") -> None:
        self.view = view

    def load(self, sources: Sources) -> Data:
        """The dataset; inputs in [0, 1]. Raises DatasetUnavailableError where scikit-learn is not installed."""
        (packed,) = sources.read("digits", [_FILE], _package_folder(), ())
        table = np.loadtxt(gzip.decompress(packed).decode().splitlines(), dtype=np.float32, delimiter=",")
        inputs = torch.from_numpy(table[:, :-1] / 16).reshape(-1, 1, 8, 8)
        rest, test = hold_out(Split(inputs, torch.from_numpy(table[:, -1].astype(np.int64))), self.sizes["test"])
        train, validation = hold_out(rest, self.sizes["validation"])
        return Data(train, validation, test, self.classes)


def _package_folder() -> list[Path]:
    """Where scikit-learn keeps its data, found without importing it, which would take two seconds of every start."""
    package = find_spec("sklearn")
    return [Path(place) / "datasets" / "data" for place in package.submodule_search_locations or ()] if package else []
