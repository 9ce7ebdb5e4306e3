"""/login: a one-time code, or a key, becomes a browser session; /logout ends it."""

import re
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

# A path of ours: a second slash or a backslash at its start would make it another host's address.
OURS = re.compile(r"/(?![/\\])[\x21-\x7e]{0,2000}")

Code = Annotated[str | None, Query(max_length=200)]


def _next(request: Request) -> str:
    """Where to go after signing in: a page of this service, the overview unless `next` names another."""
    wanted = request.query_params.get("next", "/")
    return wanted if OURS.fullmatch(wanted) else "/"


Next = Annotated[str, Depends(_next)]


@router.get("/login")
def login(
    request: Request, database: CurrentDatabase, settings: CurrentSettings, then: Next, code: Code = None
) -> Response:
    """Exchange a code for a session; without one, the page that says how to get one."""
    if code is None:
        return _sign_in(request, then)
    try:
        with context_of(request).limits.trying(request, code), database.write() as c:
            secret = keys.use_login_code(c, code, hours=settings.session_hours)
    except NotAuthenticated as error:
        return _sign_in(request, then, error.why)
    return _opened(secret, settings.session_hours, then)


async def _form_key(request: Request) -> str:
    """The field `key` of a form. A browser sends forms in this one way."""
    fields = parse_qs((await request.body()).decode("utf-8", "replace"))
    return fields.get("key", [""])[0].strip()


@router.post("/login")
def login_with_key(
    request: Request,
    database: CurrentDatabase,
    settings: CurrentSettings,
    then: Next,
    key: Annotated[str, Depends(_form_key)],
) -> Response:
    """Exchange a key for a session."""
    refuse_foreign_page(request)
    try:
        with context_of(request).limits.trying(request, key), database.write() as c:
            secret = keys.open_session(c, keys.find(c, key).id, hours=settings.session_hours)
    except NotAuthenticated as error:
        return _sign_in(request, then, error.why)
    return _opened(secret, settings.session_hours, then)


@router.post("/logout", status_code=204)
def logout(request: Request, database: CurrentDatabase) -> Response:
    """End the browser's session."""
    with database.write() as c:
        keys.end_session(c, request.cookies.get(COOKIE, ""))
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/")
    return response


def _sign_in(request: Request, then: str, problem: str = "") -> Response:
    status = 401 if problem else 200
    sent = "next" in request.query_params and not problem
    answer = page(request, "login.html", status=status, signed_in=False, problem=problem, then=then, was_sent=sent)
    # With no-referrer, which is the rule elsewhere, a browser sends a form without its Origin.
    answer.headers["Referrer-Policy"] = "same-origin"
    return answer


def _opened(secret: str, hours: float, then: str) -> Response:
    """To the page that was wanted, with a cookie that scripts can't read and foreign pages don't send."""
    response = RedirectResponse(then, status_code=303)
    response.set_cookie(COOKIE, secret, max_age=int(hours * 3600), httponly=True, samesite="strict", path="/")
    return response
