"""Is the process alive, and can it do its work."""

from typing import Any, Literal

import redis
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from api.answers import json_of
from api.context import CurrentDatabase, CurrentSettings
from domain.database import Database
from domain.errors import DatabaseNotReady
from domain.settings import Settings

router = APIRouter(tags=["health"])

BROKER_SECONDS = 2.0


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str


class Part(BaseModel):
    """One thing the service needs."""

    ok: bool
    detail: str


class Ready(BaseModel):
    """What the service needs, each with its state. Jobs are accepted while the broker is away; they start later."""

    ready: bool
    database: Part
    broker: Part


AWAY = {"ok": False, "detail": "The broker does not answer (ConnectionError)."}
MISSING: dict[str, Any] = {
    "model": Ready,
    "description": "Something is missing.",
    "content": {
        "application/json": {
            "example": {"ready": False, "database": {"ok": True, "detail": "sqlite"}, "broker": AWAY},
        }
    },
}


@router.get("/healthz")
async def alive(request: Request) -> Alive:
    """200 as long as the process answers; restart it when it doesn't."""
    return Alive(version=request.app.version)


@router.get("/readyz", response_model=Ready, responses={503: MISSING})
def ready(database: CurrentDatabase, settings: CurrentSettings) -> Response:
    """200 when the database (at the right revision) and the broker answer, else 503 and which of them is missing."""
    parts = Ready(ready=False, database=check_database(database), broker=check_broker(settings))
    parts = parts.model_copy(update={"ready": parts.database.ok and parts.broker.ok})
    return Response(json_of(parts), status_code=200 if parts.ready else 503, media_type="application/json")


def check_database(database: Database) -> Part:
    try:
        database.check_schema()
    except DatabaseNotReady as error:
        return Part(ok=False, detail=str(error))
    except SQLAlchemyError as error:
        return Part(ok=False, detail=f"The database does not answer ({type(error).__name__}).")
    return Part(ok=True, detail=database.writer.dialect.name)


def check_broker(settings: Settings) -> Part:
    """A ping of its own connection, with short timeouts: a hung broker must not hang this."""
    # kombu and redis-py name sockets differently: redis+socket:///path and unix:///path.
    url = settings.broker_url.get_secret_value().replace("redis+socket://", "unix://", 1)
    client = redis.Redis.from_url(url, socket_timeout=BROKER_SECONDS, socket_connect_timeout=BROKER_SECONDS)
    try:
        client.ping()
    except redis.RedisError as error:
        return Part(ok=False, detail=f"The broker does not answer ({type(error).__name__}).")
    finally:
        client.close()
    return Part(ok=True, detail="answers")
