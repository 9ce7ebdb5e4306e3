"""The workers and queues at `/workers`."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from api.context import CurrentDatabase, CurrentSettings
from api.dashboard.pages.parts import heartbeat_limits, words_of_runs, worker_row
from api.dashboard.render import page
from domain.store import runs, workers

router = APIRouter(include_in_schema=False)

ENDED = 5
"""Stopped or lost workers that are still shown."""


@router.get("/workers")
def list_workers(request: Request, database: CurrentDatabase, settings: CurrentSettings) -> Response:
    now = datetime.now(UTC)
    with database.read() as c:
        alive = workers.alive(c)
        ended = [worker for worker in workers.page(c).data if worker.stopped_at is not None][:ENDED]
        words = words_of_runs(c, alive)
        depths = runs.queue_depths(c)
    served = {queue: [worker.name for worker in alive if queue in worker.queues] for queue in settings.queues}
    return page(
        request,
        "workers.html",
        here="Workers",
        stream="/v1/events",
        workers=[worker_row(worker, now, words, depths) for worker in [*alive, *ended]],
        queues=[_queue(queue, depths.get(queue, {}), served[queue]) for queue in settings.queues],
        **heartbeat_limits(settings),
    )


def _queue(name: str, depth: dict[str, int], served: list[str]) -> dict[str, Any]:
    return {
        "name": name,
        "queued": depth.get("queued", 0),
        "running": depth.get("running", 0),
        "served": ", ".join(served),
    }
