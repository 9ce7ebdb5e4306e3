"""Keys for programs, and login codes that open a browser session."""

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from api.answers import PageOf, answered, json_of, paged
from api.auth import AdminKey, CurrentKey, admin_key
from api.body import JsonObject, validated
from api.context import CurrentDatabase, CurrentSettings
from api.openapi import body
from api.parameters import Cursor, Limit
from domain.clock import now
from domain.job import Line
from domain.patterns import TEXT
from domain.store import keys
from domain.store.keys import ApiKey
from domain.training import Strict

router = APIRouter(tags=["keys"])
ADMIN = [Depends(admin_key)]


class KeyRequest(Strict):
    """A key to make."""

    name: Annotated[Line, Field(min_length=1)]
    owner: Annotated[str, Field(min_length=1, max_length=64, pattern=TEXT)] | None = None
    """Whose key it is; without it, of whoever makes it. What is submitted with it belongs to that owner."""
    scopes: list[Literal["read", "write", "admin"]] = Field(default=["read", "write"], min_length=1)
    days: Annotated[float, Field(gt=0, le=3650)] | None = None
    """How long it is valid; without it, until it is revoked."""


class NewKey(ApiKey):
    """A key just made, with its token, which is shown this once."""

    token: str


class LoginCode(BaseModel):
    """An address that opens the dashboard, signed in; it works once."""

    url: str
    seconds: float = Field(description="How long it works.")


@router.get("/keys", response_model=PageOf[ApiKey], dependencies=ADMIN)
def list_keys(request: Request, database: CurrentDatabase, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """All keys, the newest first; their secrets are not stored."""
    with database.read() as c:
        return paged(request, keys.page(c, cursor=cursor, limit=limit))


@router.post(
    "/keys",
    status_code=201,
    response_model=NewKey,
    openapi_extra=body(KeyRequest, {"name": "notebook", "owner": "ann", "scopes": ["read", "write"]}),
)
def create_key(raw: JsonObject, database: CurrentDatabase, key: AdminKey) -> Response:
    """Make a key. Its token is in this answer and nowhere else."""
    wanted = validated(KeyRequest, raw)
    with database.write() as c:
        expires = None if wanted.days is None else now(c) + timedelta(days=wanted.days)
        made, token = keys.create(
            c, owner=wanted.owner or key.owner, name=wanted.name, scopes=wanted.scopes, expires_at=expires
        )
    record = NewKey(**made.model_dump(), token=token)
    headers = {"Location": f"/v1/keys/{made.id}"}
    return Response(json_of(record), status_code=201, media_type="application/json", headers=headers)


@router.get("/keys/{key_id}", response_model=ApiKey, dependencies=ADMIN)
def read_key(request: Request, database: CurrentDatabase, key_id: str) -> Response:
    """One key."""
    with database.read() as c:
        return answered(request, keys.get(c, key_id))


@router.delete("/keys/{key_id}", status_code=204, dependencies=ADMIN)
def revoke_key(database: CurrentDatabase, key_id: str) -> Response:
    """From now on the key and its browser sessions are refused. It stays in the list, with when."""
    with database.write() as c:
        keys.revoke(c, key_id)
    return Response(status_code=204)


@router.post("/login-codes", status_code=201, response_model=LoginCode)
def create_login_code(
    request: Request, database: CurrentDatabase, settings: CurrentSettings, key: CurrentKey
) -> Response:
    """Make an address that opens the dashboard once, with what this key may do."""
    with database.write() as c:
        code = keys.make_login_code(c, key.id, seconds=settings.login_code_seconds)
    record = LoginCode(url=f"{request.base_url}login?code={code}", seconds=settings.login_code_seconds)
    return Response(json_of(record), status_code=201, media_type="application/json")
