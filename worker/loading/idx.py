"""The IDX file format of MNIST and its kin: a header of big-endian sizes, then unsigned bytes."""

import gzip
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from worker.loading.data import Data, Split, hold_out
from worker.loading.sources import File, Sources

NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
VALIDATION = 5000
"""Cases held out of the 60000: the paper trains on 55000 (§6.6)."""
_UNSIGNED_BYTES = 8


class BadIdxError(ValueError):
    """A file that is not IDX, or not the whole of it."""


def parse(packed: bytes, name: str) -> Tensor:
    """The array in a gzipped IDX file, uint8, in the shape its header states. Raises BadIdxError."""
    try:
        raw = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise BadIdxError(f"{name} is not a whole gzip file: {error}.") from error
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] != _UNSIGNED_BYTES:
        raise BadIdxError(f"{name} does not begin like an IDX file of unsigned bytes.")
    start = 4 + 4 * raw[3]
    if len(raw) < start:
        raise BadIdxError(f"{name} ends inside its header.")
    shape = struct.unpack(f">{raw[3]}I", raw[4:start])
    values = np.frombuffer(raw, np.uint8, offset=start)
    if values.size != int(np.prod(shape, dtype=np.int64)):
        raise BadIdxError(f"{name} states the shape {shape} but holds {values.size} bytes.")
    return torch.from_numpy(values.copy().reshape(shape))


def load_pictures(
    dataset: str,
    checksums: Sequence[tuple[str, ...]],
    folders: Sequence[Path],
    addresses: Sequence[str],
    sources: Sources,
) -> Data:
    """The four files of an MNIST-like dataset as pictures (1, 28, 28) in [0, 1], 55000 / 5000 / 10000."""
    files = [File(name, accepted) for name, accepted in zip(NAMES, checksums, strict=True)]
    contents = sources.read(dataset, files, folders, addresses)
    images, labels, test_images, test_labels = (
        parse(packed, name) for packed, name in zip(contents, NAMES, strict=True)
    )
    train, validation = hold_out(_split(images, labels), VALIDATION)
    return Data(train, validation, _split(test_images, test_labels), classes=10)


def _split(images: Tensor, labels: Tensor) -> Split:
    if len(images) != len(labels):
        raise BadIdxError(f"There are {len(images)} pictures but {len(labels)} labels.")
    return Split(images.unsqueeze(1).float().div_(255), labels.long())
