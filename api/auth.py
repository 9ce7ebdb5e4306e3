"""Who is asking: an API key, or a browser session that a login code opened. What isn't listed as open is closed.

A browser sends its cookie along with any request, also one that a foreign page makes. So with a cookie an unsafe method
needs two things a foreign page can't send: this service's own Origin, and the header `X-NormLab: 1`.
"""

from datetime import UTC, datetime
from typing import Annotated, cast
from urllib.parse import urlencode

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from api.context import context_of
from api.errors import ForgedRequest, Refusal, answer, wants_page
from api.limits import SAFE_METHODS
from domain.errors import NormLabError, NotAllowed, NotAuthenticated, NotYours
from domain.store import keys
from domain.store.keys import ApiKey

COOKIE = "normlab_session"
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/login", "/favicon.ico"})
OPEN_FOLDERS = ("/static/", "/problems/")


class Authentication:
    """Lets nobody pass to a route without knowing who they are; `request.state.key` is the key they came with.

    Safe methods need the scope `read`, all others `write`; routes that need `admin` say so themselves.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_open(scope["path"]):
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        try:
            key = await run_in_threadpool(authenticate, request)
            require(key, "read" if request.method in SAFE_METHODS else "write")
        except (NormLabError, Refusal) as error:
            if isinstance(error, NotAuthenticated) and wants_page(request):
                await RedirectResponse(sign_in_address(request), status_code=303)(scope, receive, send)
            else:
                await answer(error, scope, receive, send)
            return
        request.state.key = key
        await self.app(scope, receive, send)


def sign_in_address(request: Request) -> str:
    """The page to sign in at, which then leads to where the browser was on its way."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/login?{urlencode({'next': wanted})}"


def is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def authenticate(request: Request) -> ApiKey:
    """The key of the request. Raises NotAuthenticated, or ForgedRequest where a cookie alone isn't enough."""
    context = context_of(request)
    if not context.settings.auth:
        return _nobody_asks()
    header = request.headers.get("authorization")
    if header is not None:
        return _bearer(request, header)
    secret = request.cookies.get(COOKIE)
    if secret is None:
        raise NotAuthenticated("This needs a key.")
    with context.limits.trying(request, secret), context.database.read() as c:
        key = keys.find_session(c, secret)
    if request.method not in SAFE_METHODS:
        refuse_forgery(request)
    return key


def _bearer(request: Request, header: str) -> ApiKey:
    kind, _, token = header.partition(" ")
    if kind.lower() != "bearer" or not token:
        raise NotAuthenticated("The Authorization header isn't `Bearer <key>`.")
    context = context_of(request)
    with context.limits.trying(request, token), context.database.read() as c:
        return keys.find(c, token.strip())


def refuse_forgery(request: Request) -> None:
    """Raises ForgedRequest unless a page of this service sent the request, by a script of its own."""
    refuse_foreign_page(request)
    if request.headers.get("x-normlab") != "1":
        raise ForgedRequest("With a browser session the header `X-NormLab: 1` is needed to change things.")


def refuse_foreign_page(request: Request) -> None:
    """Raises ForgedRequest unless the page that sent the request is one of this service."""
    origin = request.headers.get("origin", "")
    if origin.partition("://")[2] != request.headers.get("host"):
        raise ForgedRequest(f"The Origin {origin[:100]!r} is not this service, whose own pages alone may do that.")


def require(key: ApiKey, scope: str) -> None:
    """Raises NotAllowed unless the key has the scope; `admin` includes `write`, `write` includes `read`."""
    if not any(key.may(each) for each in keys.SCOPES[keys.SCOPES.index(scope) :]):
        raise NotAllowed(scope)


def require_owner(key: ApiKey, owner: str | None) -> None:
    """Raises NotYours unless the key is of that owner, or may everything (docs/decisions)."""
    if owner is not None and key.owner != owner and not key.may("admin"):
        raise NotYours(owner)


def _nobody_asks() -> ApiKey:
    """Stands for everybody where authentication is off, which the settings allow on loopback only."""
    made = datetime.fromtimestamp(0, UTC)
    return ApiKey(
        id="key_none",
        owner="owner",
        name="",
        scopes=list(keys.SCOPES),
        created_at=made,
        expires_at=None,
        revoked_at=None,
    )


async def _key(request: Request) -> ApiKey:
    return cast("ApiKey", request.state.key)


async def admin_key(request: Request) -> ApiKey:
    """The key a request came with. Raises NotAllowed unless it has the scope `admin`."""
    key = cast("ApiKey", request.state.key)
    require(key, "admin")
    return key


CurrentKey = Annotated[ApiKey, Depends(_key)]
"""The key a request came with."""
AdminKey = Annotated[ApiKey, Depends(admin_key)]
"""The same, for routes that only a key with the scope `admin` may use."""
