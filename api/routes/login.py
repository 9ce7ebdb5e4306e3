"""/login: a one-time code becomes a browser session; without one, how to get one."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.auth import COOKIE, refuse_forgery
from api.context import CurrentDatabase, CurrentSettings
from domain.errors import NotAuthenticated
from domain.store import keys

router = APIRouter(include_in_schema=False)

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>NormLab: sign in</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head><body><main><h1>Sign in</h1>
<p>{sentence}</p><p>In a terminal on the machine of the service, run <code>normlab login</code> and open the address
it prints. It works once.</p></main></body></html>"""

Code = Annotated[str | None, Query(max_length=200)]


@router.get("/login")
def login(database: CurrentDatabase, settings: CurrentSettings, code: Code = None) -> Response:
    """Exchange the code for a cookie that scripts can't read and foreign pages don't send."""
    if code is None:
        return HTMLResponse(PAGE.format(sentence="This browser is not signed in."), status_code=401)
    try:
        with database.write() as c:
            secret = keys.use_login_code(c, code, hours=settings.session_hours)
    except NotAuthenticated:
        return HTMLResponse(PAGE.format(sentence="This address was used already, or is too old."), status_code=401)
    response = RedirectResponse("/", status_code=303)
    seconds = int(settings.session_hours * 3600)
    response.set_cookie(COOKIE, secret, max_age=seconds, httponly=True, samesite="strict", path="/")
    return response


@router.post("/logout", status_code=204)
def logout(request: Request, database: CurrentDatabase) -> Response:
    """End the browser's session."""
    refuse_forgery(request)
    with database.write() as c:
        keys.end_session(c, request.cookies.get(COOKIE, ""))
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/")
    return response
