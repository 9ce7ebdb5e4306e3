"""What a submission meets beside its own mistakes: warnings, the runs that wait before it, a queue that is full."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from api.errors import TooManyRuns
from domain.comparison import VerdictWord
from domain.job import JobSpec
from domain.run import Worker
from domain.store import runs, workers

FEWEST_SEEDS = 3
"""Fewer seeds than this, and a comparison says so instead of giving a verdict."""
TOO_FEW: VerdictWord = "too few seeds"


def warnings(c: Connection, specs: Sequence[JobSpec], seeds: Sequence[int], *, queue: str) -> list[str]:
    """Sentences about what will work, but perhaps not as meant."""
    found = why_waiting(c, [spec.training.device for spec in specs], queue=queue)
    if len(seeds) < FEWEST_SEEDS:
        found.append(f"With {len(seeds)} of at least {FEWEST_SEEDS} seeds a comparison answers {TOO_FEW!r}.")
    return found


def why_waiting(c: Connection, devices: Iterable[str], *, queue: str) -> list[str]:
    """Sentences about runs of a queue, on these devices, that no worker alive takes; empty where one takes each."""
    alive = workers.alive(c)
    serving = [worker for worker in alive if queue in worker.queues]
    if not serving:
        return [_unserved(queue, _queues(alive))]
    lacking = sorted(set(devices) - {"auto"} - {device for worker in serving for device in takes(worker)})
    return [_lacking(device, queue, _queues([one for one in alive if device in takes(one)])) for device in lacking]


def takes(worker: Worker) -> Sequence[str]:
    """The devices that a worker takes runs for."""
    return worker.devices or [worker.device]


def _queues(some: Iterable[Worker]) -> list[str]:
    return sorted({queue for worker in some for queue in worker.queues})


def _unserved(queue: str, served: Sequence[str]) -> str:
    elsewhere = f" Workers serve {', '.join(map(repr, served))}." if served else ""
    return f"No worker serves the queue {queue!r} just now; the runs wait until one does.{elsewhere}"


def _lacking(device: str, queue: str, elsewhere: Sequence[str]) -> str:
    """What to say to runs that insist on a device that no worker of their queue has, and what would take them."""
    with_device, other = WORKERS_WITH[device]
    there = f" One does in {', '.join(map(repr, elsewhere))}." if elsewhere else ""
    return (
        f"No worker {with_device} serves the queue {queue!r} just now; runs with device {device!r} wait until one "
        f"does.{there} With device 'auto' they would train on {other}, too."
    )


WORKERS_WITH = {"cuda": ("with a GPU", "a CPU"), "cpu": ("that trains on CPUs", "a GPU")}


def refuse_when_full(c: Connection, *, more: int, most: int) -> None:
    """Raises TooManyRuns when `more` queued runs would pass the limit of the settings."""
    queued = sum(depth["queued"] for depth in runs.queue_depths(c).values())
    if queued + more > most:
        raise TooManyRuns(queued, more, most)


def runs_ahead(c: Connection, *, queue: str) -> int:
    """How many runs are queued in a queue; the place a run submitted now has, priorities and seeds aside."""
    return runs.queue_depths(c).get(queue, {}).get("queued", 0)
