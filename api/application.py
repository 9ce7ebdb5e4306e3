"""The application: routes, layers and what they share, put together for one process."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache

import anyio.to_thread
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from api import docs, errors, openapi
from api.auth import Authentication
from api.body import BodyLimit
from api.context import Context
from api.dashboard import pages
from api.dashboard.render import page
from api.guard import Guard
from api.limits import Limits, RateLimit
from api.routes import (
    artifacts,
    catalog,
    comparisons,
    events,
    figures,
    health,
    jobs,
    keys,
    login,
    runs,
    series,
    studies,
    workers,
)
from api.routes.jobs import JobEdit
from api.routes.keys import KeyRequest
from api.routes.studies import StudyEdit
from api.running_keys import RunningKeys
from api.stream import EventStream
from domain.catalog import load_catalog
from domain.database import READERS, Database
from domain.errors import DatabaseNotReady
from domain.job import JobRequest
from domain.question import ComparisonRequest
from domain.settings import Settings
from domain.study import StudyRequest

log = logging.getLogger("normlab.api")

VERSION = "0.1.0"
RESOURCES = (studies, jobs, runs, artifacts, series, comparisons, figures, catalog, events, workers, keys)
BODIES: list[type[BaseModel]] = [StudyRequest, JobRequest, JobEdit, StudyEdit, KeyRequest, ComparisonRequest]


Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(settings: Settings) -> FastAPI:
    """The application of one installation. The database is opened when it starts and closed when it ends."""
    app = _with_routes(_lifespan(settings))
    errors.install(app)
    app.state.problem_page = _problem_page
    app.state.document = document()
    app.openapi = lambda: document().made  # type: ignore[method-assign]
    # The last one added is the outermost.
    app.add_middleware(RateLimit)
    app.add_middleware(Authentication)
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, allowed_hosts=settings.allowed_hosts)
    return app


def _with_routes(lifespan: Lifespan | None) -> FastAPI:
    app = FastAPI(
        title="NormLab",
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        generate_unique_id_function=openapi.operation_id,
    )
    app.include_router(health.router)
    app.include_router(docs.router)
    app.include_router(login.router)
    for resource in RESOURCES:
        app.include_router(resource.router, prefix="/v1", dependencies=[Depends(openapi.known_parameters)])
    app.include_router(pages.router)
    return app


@cache
def document() -> openapi.Document:
    """The OpenAPI document. It depends on the routes alone, so one serves every application of the process."""
    return openapi.Document(_with_routes(None), BODIES)


def _problem_page(request: Request, document: JSONResponse) -> Response:
    """The same problem as a page, for a browser that was on its way to one."""
    problem = json.loads(bytes(document.body))
    signed_in = getattr(request.state, "key", None) is not None
    return page(
        request,
        "problem.html",
        status=document.status_code,
        title=problem["title"],
        words=problem["detail"],
        signed_in=signed_in,
    )


def _lifespan(settings: Settings) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # More threads than connections would only wait for each other.
        anyio.to_thread.current_default_thread_limiter().total_tokens = READERS
        # A third of a second: better now than in the first request.
        await run_in_threadpool(lambda: document().made)
        database = Database.open(settings)
        _warn_of_schema(database)
        stream = EventStream(database)
        loop = asyncio.get_running_loop()
        app.state.context = Context(settings, database, load_catalog(), stream, RunningKeys(), Limits(settings), loop)
        try:
            yield
        finally:
            stream.stop()
            database.close()

    return lifespan


def _warn_of_schema(database: Database) -> None:
    """The service starts all the same: /readyz says what is missing, and it recovers when the migration has run."""
    try:
        database.check_schema()
    except DatabaseNotReady as error:
        log.warning("%s", error)
