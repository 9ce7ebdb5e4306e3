"""What a submission meets beside its own mistakes: warnings, the runs that wait before it, a queue that is full."""

from collections.abc import Sequence

from sqlalchemy import Connection

from api.errors import TooManyRuns
from domain.comparison import VerdictWord
from domain.job import JobSpec
from domain.store import runs, workers
from domain.waiting import why_waiting

FEWEST_SEEDS = 3
"""Fewer seeds than this, and a comparison says so instead of giving a verdict."""
TOO_FEW: VerdictWord = "too few seeds"


def warnings(c: Connection, specs: Sequence[JobSpec], seeds: Sequence[int], *, queue: str) -> list[str]:
    """Sentences about what will work, but perhaps not as meant."""
    found = why_waiting([spec.training.device for spec in specs], workers.alive(c), queue=queue)
    if len(seeds) < FEWEST_SEEDS:
        found.append(f"With {len(seeds)} of at least {FEWEST_SEEDS} seeds a comparison answers {TOO_FEW!r}.")
    return found


def refuse_when_full(c: Connection, *, owner: str, more: int, most: int) -> None:
    """Raises TooManyRuns when `more` queued runs would take the owner past the limit of the settings."""
    queued = runs.queued_of(c, owner)
    if queued + more > most:
        raise TooManyRuns(owner, queued, more, most)
