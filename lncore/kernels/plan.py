"""What a fused recurrent sequence is told once for all its steps."""

from typing import NamedTuple


class Plan(NamedTuple):
    """What is the same at every step: norms by name with their ε, and where the loop begins."""

    norm: str
    eps: tuple[float, float]
    cell_norm: str = "none"
    cell_eps: float = 0.0
    carry: bool = False
    joint: bool = False
    reverse: bool = False
