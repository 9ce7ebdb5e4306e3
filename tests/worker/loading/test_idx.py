"""The IDX format: what a broken file is refused for."""

import gzip
import struct

import numpy as np
import pytest

from worker.loading import idx
from worker.loading.idx import BadIdxError


def packed(array: np.ndarray) -> bytes:
    """An array as a gzipped IDX file."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes(), mtime=0)


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (b"no gzip", "not a whole gzip file"),
        (gzip.compress(b"\0\0\x0d\x01", mtime=0), "does not begin like an IDX file"),
        (gzip.compress(b"\0\0\x08\x02\0\0", mtime=0), "ends inside its header"),
        (gzip.compress(b"\0\0\x08\x01\0\0\0\x05abc", mtime=0), "states the shape"),
        (packed(np.arange(9))[:-9], "not a whole gzip file"),
    ],
)
def test_a_broken_idx_file_is_refused(contents: bytes, words: str) -> None:
    with pytest.raises(BadIdxError, match=words):
        idx.parse(contents, "x")
