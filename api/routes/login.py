"""/login: a one-time code, or a key, becomes a browser session; /logout ends it."""

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.auth import COOKIE, refuse_foreign_page
from api.context import CurrentDatabase, CurrentSettings, context_of
from api.dashboard.render import page
from domain.errors import NotAuthenticated
from domain.store import keys

router = APIRouter(include_in_schema=False)

Code = Annotated[str | None, Query(max_length=200)]


@router.get("/login")
def login(request: Request, database: CurrentDatabase, settings: CurrentSettings, code: Code = None) -> Response:
    """Exchange a code for a session; without one, the page that says how to get one."""
    if code is None:
        return _sign_in(request, None)
    try:
        with context_of(request).limits.trying(request, code), database.write() as c:
            secret = keys.use_login_code(c, code, hours=settings.session_hours)
    except NotAuthenticated as error:
        return _sign_in(request, str(error))
    return _opened(secret, settings.session_hours)


async def _form_key(request: Request) -> str:
    """The field `key` of a form. A browser sends forms in this one way."""
    fields = parse_qs((await request.body()).decode("utf-8", "replace"))
    return fields.get("key", [""])[0].strip()


@router.post("/login")
def login_with_key(
    request: Request, database: CurrentDatabase, settings: CurrentSettings, key: Annotated[str, Depends(_form_key)]
) -> Response:
    """Exchange a key for a session."""
    refuse_foreign_page(request)
    try:
        with context_of(request).limits.trying(request, key), database.write() as c:
            secret = keys.open_session(c, keys.find(c, key).id, hours=settings.session_hours)
    except NotAuthenticated as error:
        return _sign_in(request, str(error))
    return _opened(secret, settings.session_hours)


@router.post("/logout", status_code=204)
def logout(request: Request, database: CurrentDatabase) -> Response:
    """End the browser's session."""
    with database.write() as c:
        keys.end_session(c, request.cookies.get(COOKIE, ""))
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/")
    return response


def _sign_in(request: Request, problem: str | None) -> Response:
    answer = page(request, "login.html", status=401 if problem else 200, signed_in=False, problem=problem)
    # With no-referrer, which is the rule elsewhere, a browser sends a form without its Origin.
    answer.headers["Referrer-Policy"] = "same-origin"
    return answer


def _opened(secret: str, hours: float) -> Response:
    """To the overview, with a cookie that scripts can't read and foreign pages don't send."""
    response = RedirectResponse("/", status_code=303)
    response.set_cookie(COOKIE, secret, max_age=int(hours * 3600), httponly=True, samesite="strict", path="/")
    return response
