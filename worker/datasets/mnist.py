"""MNIST: handwritten digits, 28 × 28."""

from pathlib import Path
from typing import ClassVar, Literal

from lncore.options import checked
from worker.loading import idx
from worker.loading.data import Data
from worker.loading.sources import Sources

_CHECKSUMS = (
    ("md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",),
    ("md5:d53e105ee54ea40749a09fcbcd1e9432",),
    ("md5:9fb629c4189551a2d022fa330f9573f3",),
    ("md5:ec29112dd5afa0611ce80d1b7f02629c",),
)
_FOLDERS = (Path("/usr/share/datasets/mnist"),)
_ADDRESSES = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "http://yann.lecun.com/exdb/mnist",
)


class Mnist:
    """MNIST: 70000 grey pictures of handwritten digits, 28 × 28, in ten classes.

    Of the 60000 training cases 5000 are held out for validation, always the same ones, as many as the paper does
    (§6.6). Inputs lie in [0, 1].

    Source: LeCun, Cortes, Burges 1998
    Options:
        view: how a case is laid out; `pixels` is a picture of one channel
    """

    input: ClassVar[str] = "image"
    shape: ClassVar[tuple[int, ...]] = (1, 28, 28)
    classes: ClassVar[int] = 10
    sizes: ClassVar[dict[str, int]] = {"train": 55000, "validation": 5000, "test": 10000}
    licence: ClassVar[str] = "CC BY-SA 3.0"

    @checked
    def __init__(self, *, view: Literal["pixels"] = "pixels") -> None:
        self.view = view

    def load(self, sources: Sources) -> Data:
        """The dataset. Raises DatasetUnavailableError when no source has it, BadIdxError when a file is broken."""
        return idx.load_pictures("mnist", _CHECKSUMS, _FOLDERS, _ADDRESSES, sources)
