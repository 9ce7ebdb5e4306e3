"""Fashion-MNIST: pictures of clothes, 28 × 28."""

from pathlib import Path
from typing import ClassVar, Literal

from lncore.options import checked
from worker.loading import idx
from worker.loading.data import Data
from worker.loading.sources import Sources

_CHECKSUMS = (
    # First the archives of Debian's package dataset-fashion-mnist, then those of the authors' server.
    (
        "sha256:b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
        "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    ),
    (
        "sha256:0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
        "md5:25c81989df183df01b3e8a0aad5dffbe",
    ),
    (
        "sha256:cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
        "md5:bef4ecab320f06d8554ea6380940ec79",
    ),
    (
        "sha256:8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
        "md5:bb300cfdad3c16e7a12a480ee83cd310",
    ),
)
_FOLDERS = (Path("/usr/share/datasets/fashion-mnist"),)
_ADDRESSES = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
)


class FashionMnist:
    """Fashion-MNIST: 70000 grey pictures of clothes, 28 × 28, in ten classes; as large as MNIST and harder.

    Of the 60000 training cases 5000 are held out for validation, always the same ones, as many as the paper holds out
    of MNIST. Inputs lie in [0, 1].

    Source: Xiao, Rasul, Vollgraf 2017 (arXiv 1708.07747); the package dataset-fashion-mnist of Debian, or its address
    Options:
        view: how a case is laid out; `pixels` is a picture of one channel
    """

    input: ClassVar[str] = "image"
    shape: ClassVar[tuple[int, ...]] = (1, 28, 28)
    classes: ClassVar[int] = 10
    sizes: ClassVar[dict[str, int]] = {"train": 55000, "validation": 5000, "test": 10000}
    licence: ClassVar[str] = "MIT"

    @checked
    def __init__(self, *, view: Literal["pixels"] = "pixels") -> None:
        self.view = view

    def load(self, sources: Sources) -> Data:
        """The dataset. Raises DatasetUnavailableError when no source has it, BadIdxError when a file is broken."""
        return idx.load_pictures("fashion_mnist", _CHECKSUMS, _FOLDERS, _ADDRESSES, sources)
