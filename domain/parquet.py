"""Tables and points as Parquet: the numbers of a CSV with their types, in few bytes, and written piece by piece.

Whoever needs it imports it then: pyarrow takes a while and 40 MB.
"""

import io
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import parquet as pq

__all__ = ["points_as_parquet", "table_as_parquet"]

POINTS = pa.schema(
    [
        pa.field("run_id", pa.dictionary(pa.int32(), pa.string())),
        pa.field("name", pa.dictionary(pa.int32(), pa.string())),
        pa.field("step", pa.int64()),
        pa.field("value", pa.float64()),
        pa.field("at", pa.float64()),
        pa.field("relative", pa.float64()),
        pa.field("epoch", pa.float64()),
        pa.field("samples", pa.int64()),
    ]
)
GROUP_ROWS = 50_000
"""Points of a row group, which is what is held in memory at a time."""


class _Pieces(io.RawIOBase):
    """A file that is only written, whose bytes are taken away as they come."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._at += len(piece)
        return len(piece)

    def taken(self) -> bytes:
        """What was written since it was last asked."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def points_as_parquet(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """A Parquet file of points, in pieces: each is a row group, the last one the file's end."""
    sink, left = _Pieces(), iter(rows)
    with pq.ParquetWriter(sink, POINTS, compression="zstd") as writer:
        while group := list(itertools.islice(left, GROUP_ROWS)):
            writer.write_table(pa.Table.from_pylist(group, schema=POINTS))
            yield sink.taken()
    yield sink.taken()


def table_as_parquet(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """A small table; a column whose values are of several kinds is text."""
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in heads]
    sink = io.BytesIO()
    table = pa.table({head: _column(values) for head, values in zip(heads, columns, strict=True)})
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _column(values: Sequence[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} or len(kinds) == 1:
        return pa.array([float(value) if kinds == {int, float} and value is not None else value for value in values])
    return pa.array([None if value is None else str(value) for value in values], pa.string())
