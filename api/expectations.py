"""What a submission meets beside its own mistakes: warnings, the runs that wait before it, a queue that is full."""

from collections.abc import Sequence

from sqlalchemy import Connection

from api.errors import TooManyRuns
from domain.comparison import VerdictWord
from domain.job import JobSpec
from domain.store import runs, workers

FEWEST_SEEDS = 3
"""Fewer seeds than this, and a comparison says so instead of giving a verdict."""
TOO_FEW: VerdictWord = "too few seeds"


def warnings(c: Connection, specs: Sequence[JobSpec], seeds: Sequence[int], *, queue: str) -> list[str]:
    """Sentences about what will work, but perhaps not as meant."""
    alive = workers.alive(c)
    found = []
    if not any(queue in worker.queues for worker in alive):
        found.append(f"No worker serves the queue {queue!r} just now; the runs wait until one does.")
    gpu_queues = sorted({name for worker in alive if worker.device == "cuda" for name in worker.queues})
    if queue not in gpu_queues and any(spec.training.device == "cuda" for spec in specs):
        found.append(_no_gpu(queue, gpu_queues))
    if len(seeds) < FEWEST_SEEDS:
        found.append(f"With {len(seeds)} of at least {FEWEST_SEEDS} seeds a comparison answers {TOO_FEW!r}.")
    return found


def _no_gpu(queue: str, gpu_queues: Sequence[str]) -> str:
    """What to say to runs that insist on a GPU where no worker of their queue has one, and what would take them."""
    elsewhere = f" Workers with a GPU serve {', '.join(map(repr, gpu_queues))}." if gpu_queues else ""
    return (
        f"No worker with a GPU serves the queue {queue!r} just now; runs with device 'cuda' wait until one does."
        f"{elsewhere} With device 'auto' they would train on a CPU, too."
    )


def refuse_when_full(c: Connection, *, more: int, most: int) -> None:
    """Raises TooManyRuns when `more` queued runs would pass the limit of the settings."""
    queued = sum(depth["queued"] for depth in runs.queue_depths(c).values())
    if queued + more > most:
        raise TooManyRuns(queued, more, most)


def runs_ahead(c: Connection, *, queue: str) -> int:
    """How many runs are queued in a queue; the place a run submitted now has, priorities and seeds aside."""
    return runs.queue_depths(c).get(queue, {}).get("queued", 0)
