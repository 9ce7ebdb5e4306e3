"""Why queued runs wait for more than their turn: no worker alive takes them. Asked on reading, so true at any time."""

from collections.abc import Iterable, Sequence

from domain.run import Reason, Run, RunStatus, Worker

__all__ = ["takes", "why_waiting", "with_reason"]

WORKERS_WITH = {"cuda": ("with a GPU", "a CPU"), "cpu": ("that trains on CPUs", "a GPU")}


def why_waiting(devices: Iterable[str], alive: Iterable[Worker], *, queue: str) -> list[str]:
    """Sentences about runs of a queue, on these devices, that no worker takes; empty where one takes each.

    `alive` are the workers that neither stopped nor were lost; one that is draining takes no more runs.
    """
    taking = [worker for worker in alive if not worker.draining]
    serving = [worker for worker in taking if queue in worker.queues]
    if not serving:
        return [_unserved(queue, _queues(taking))]
    lacking = sorted(set(devices) - {"auto"} - {device for worker in serving for device in takes(worker)})
    return [_lacking(device, queue, _queues([one for one in taking if device in takes(one)])) for device in lacking]


def with_reason(run: Run, alive: Iterable[Worker]) -> Run:
    """The run; with the reason `no_worker` where it is queued for no other and none of the workers takes it."""
    if run.status is not RunStatus.QUEUED or run.reason is not None:
        return run
    said = why_waiting([run.device], alive, queue=run.queue)
    return run.model_copy(update={"reason": Reason.NO_WORKER.value, "message": " ".join(said)}) if said else run


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
