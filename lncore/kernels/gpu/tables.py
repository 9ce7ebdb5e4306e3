"""How rows are divided over Triton programs: fixed tables instead of tuning at run time.

A table costs nothing at a call and never recompiles for another number of rows. Its entries follow published choices:
about 4 to 8 thousand numbers for each program and row block, more warps for wider rows (Liger), and few enough backward
programs that their partial gradients stay small beside the inputs (QuACK).
"""

from typing import NamedTuple

# Beyond this a row no longer fits the registers of a program, and the plain path takes over.
LONGEST_ROW = 32768


class Shape(NamedTuple):
    """Rows and (padded) columns of a program's block, and its warps."""

    rows: int
    columns: int
    warps: int


def _power_of_two(n: int) -> int:
    return 1 << max(n - 1, 0).bit_length()


def forward_shape(n: int) -> Shape:
    """Block of the forward kernels for rows of n."""
    columns = max(_power_of_two(n), 16)
    rows = max(1, min(16, 4096 // columns))
    return Shape(rows, columns, _warps(rows * columns))


def backward_shape(n: int) -> Shape:
    """Block of the backward kernels, which hold twice as many numbers in registers."""
    columns = max(_power_of_two(n), 16)
    rows = max(1, min(8, 2048 // columns))
    return Shape(rows, columns, _warps(rows * columns * 2))


def _warps(numbers: int) -> int:
    return 4 if numbers <= 4096 else 8 if numbers <= 16384 else 16 if numbers <= 32768 else 32


def backward_programs(m: int, n: int, processors: int) -> int:
    """How many programs walk over the rows; each writes one row of partial weight gradients.

    It depends on shape and device alone, so that sums always have the same order there.
    """
    each = 8 if n <= 256 else 4 if n <= 1024 else 2 if n <= 4096 else 1
    return max(1, min(processors * each, -(-m // backward_shape(n).rows)))
