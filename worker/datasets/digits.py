"""Handwritten digits of scikit-learn, 8 × 8: small, real, and always there."""

from typing import ClassVar, Literal

import numpy as np
import torch

from lncore.options import checked
from worker.loading.data import Data, Split, hold_out
from worker.loading.sources import Sources


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
        """The dataset; inputs in [0, 1]."""
        from sklearn.datasets import load_digits  # noqa: PLC0415 - a second and more, paid by runs that use it

        sources.announce("digits: read from the package scikit-learn")
        pixels, labels = load_digits(return_X_y=True)
        inputs = torch.from_numpy(pixels.astype(np.float32) / 16).reshape(-1, 1, 8, 8)
        rest, test = hold_out(Split(inputs, torch.from_numpy(labels.astype(np.int64))), self.sizes["test"])
        train, validation = hold_out(rest, self.sizes["validation"])
        return Data(train, validation, test, self.classes)
