"""What a route may ask for: the database, the catalog, the settings, and who is asking."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from api.limits import Limits
from api.running_keys import RunningKeys
from api.stream import EventStream
from domain.catalog import Catalog
from domain.database import Database
from domain.settings import Settings


@dataclass(frozen=True)
class Context:
    """Everything the process holds; made when it starts, closed when it ends."""

    settings: Settings
    database: Database
    catalog: Catalog
    stream: EventStream
    running_keys: RunningKeys
    limits: Limits
    loop: asyncio.AbstractEventLoop
    """Where the stream lives; signal handlers reach it from outside."""


def context_of(request: Request) -> Context:
    return cast("Context", request.app.state.context)


async def _settings(request: Request) -> Settings:
    return context_of(request).settings


async def _database(request: Request) -> Database:
    return context_of(request).database


async def _catalog(request: Request) -> Catalog:
    return context_of(request).catalog


# `async`, so that reading an attribute costs no thread.
CurrentSettings = Annotated[Settings, Depends(_settings)]
CurrentDatabase = Annotated[Database, Depends(_database)]
CurrentCatalog = Annotated[Catalog, Depends(_catalog)]
