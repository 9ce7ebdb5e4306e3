"""How rows are divided over Triton programs: fixed tables instead of tuning at run time.

A table costs nothing at a call and never recompiles for another number of rows. Its entries follow published choices:
about 4 to 8 thousand numbers for each program and row block, more warps for wider rows (Liger), and few enough backward
programs that their partial gradients stay small beside the inputs (QuACK).
"""

from typing import NamedTuple

# Longer rows no longer fit the registers of a program and are walked over in blocks (lncore.kernels.gpu.long_rows).
LONGEST_FORWARD = 16384
LONGEST_BACKWARD = 8192
LONG_BLOCK, LONG_WARPS = 4096, 8
# tanh has no statistics of a row, so a program takes at most this much of one.
TANH_COLUMNS = 4096


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


class Sums(NamedTuple):
    """Rows and columns of a program's block, into how many shares the rows are divided, and how many each has."""

    rows: int
    columns: int
    shares: int
    each: int


def parameter_sums_shape(m: int, n: int, processors: int) -> Sums:
    """How the sums over the rows of a matrix are divided: four programs for each processor, where rows suffice."""
    rows, columns = 16, 128
    shares = max(1, min(processors * 4 // -(-n // columns), -(-m // rows)))
    each = -(-m // shares // rows) * rows
    return Sums(rows, columns, -(-m // each), each)


def _warps(numbers: int) -> int:
    return 4 if numbers <= 4096 else 8


def backward_programs(m: int, n: int, processors: int) -> int:
    """How many programs walk over the rows; each writes one row of partial weight gradients.

    It depends on shape and device alone, so that sums always have the same order there.
    """
    each = 8 if n <= 256 else 4 if n <= 1024 else 2 if n <= 4096 else 1
    return max(1, min(processors * each, -(-m // backward_shape(n).rows)))
