"""What is left out while reports don't keep up with the steps: losses of single steps, ever more of them, counted."""

import math
from collections.abc import Sequence

from worker.training.ledger import Row

DROPPED = "dropped"
"""The series that says how many points were left out since it was last said."""
LIMIT = 4 << 20
"""Bytes of the spool that may wait to be shipped, some hundred thousand points, before the first point is left out."""
_FEWEST = 3
_EACH_STEP = "train_"


def thin(rows: Sequence[Row], waiting: int) -> tuple[list[Row], int]:
    """The rows to record while `waiting` bytes are not shipped, and how many points they leave out.

    Beyond the limit the loss of one step in ten is kept, beyond twice the limit of one in a hundred, and so on. What an
    evaluation or a measurement says, a loss that isn't finite, and the last of the rows are always kept.
    """
    stride = 10 ** min(_FEWEST, waiting // LIMIT)
    kept = [row for row in rows if row is rows[-1] or _is_kept(row, stride)]
    left_out = len(rows) - len(kept)
    return ([*kept, (DROPPED, rows[-1][1], float(left_out))] if left_out else kept), left_out


def _is_kept(row: Row, stride: int) -> bool:
    series, step, value = row
    return step % stride == 0 or not series.startswith(_EACH_STEP) or not math.isfinite(value)
