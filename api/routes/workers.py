"""Workers and queues: who trains, and what waits."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from api.answers import PageOf, answered, listed, paged
from api.auth import admin_key
from api.context import CurrentDatabase, CurrentSettings
from api.parameters import Cursor, Limit
from domain.run import Worker
from domain.store import runs, workers

router = APIRouter(tags=["workers"])

WorkerId = str
Live = Annotated[bool, Query(description="Leave out those that stopped or were lost.")]


class Queue(BaseModel):
    """A queue of the settings' closed list."""

    name: str
    queued: int
    running: int
    paused: int
    workers: int
    """Live workers that take its runs; one that is draining takes no more."""


@router.get("/workers", response_model=PageOf[Worker])
def list_workers(
    request: Request, database: CurrentDatabase, live: Live = False, cursor: Cursor = None, limit: Limit = 50
) -> Response:
    """Workers, the newest first, with what they last measured."""
    with database.read() as c:
        found = workers.page(c, live=live, cursor=cursor, limit=limit)
    return paged(request, found)


@router.get("/workers/{worker_id}", response_model=Worker)
def read_worker(request: Request, database: CurrentDatabase, worker_id: WorkerId) -> Response:
    """One worker."""
    with database.read() as c:
        return answered(request, workers.get(c, worker_id))


@router.post("/workers/{worker_id}/drain", response_model=Worker, dependencies=[Depends(admin_key)])
def drain_worker(request: Request, database: CurrentDatabase, worker_id: WorkerId) -> Response:
    """Let it take no more runs: the one in hand is saved and goes back to the queue, whoever owns it. For admins."""
    with database.write() as c:
        return answered(request, workers.drain(c, worker_id))


@router.get("/queues", response_model=PageOf[Queue])
def list_queues(request: Request, database: CurrentDatabase, settings: CurrentSettings) -> Response:
    """The queues a job may name, with what waits in them and who serves them."""
    with database.read() as c:
        depths = runs.queue_depths(c)
        taking = [worker for worker in workers.alive(c) if not worker.draining]
    none = {"queued": 0, "running": 0, "paused": 0}
    found = [
        Queue(name=name, workers=sum(name in worker.queues for worker in taking), **{**none, **depths.get(name, {})})
        for name in settings.queues
    ]
    return listed(request, found)
