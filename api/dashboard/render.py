"""Templates into answers: the environment, what every page knows, the theme, the content policy."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from api.auth import COOKIE
from api.dashboard import assets, numbers
from api.guard import CHART_POLICY

TEMPLATES = Path(__file__).parent / "templates"
THEMES = ("light", "dark")

NAVIGATION = (
    ("Overview", "/"),
    ("Studies", "/studies"),
    ("Jobs", "/jobs"),
    ("Compare", "/compare"),
    ("Normalizations", "/normalizations"),
    ("Workers", "/workers"),
)


@cache
def environment() -> Environment:
    """One environment for the process; unknown names are errors, everything is escaped."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "figures": numbers.figures,
        "percent": numbers.percent,
        "duration": numbers.duration,
        "about": numbers.about,
        "size": numbers.size,
        "flop": numbers.flop,
        "ago": numbers.ago,
        "clock": numbers.clock,
        "day": numbers.day,
        "iso": numbers.iso,
        "count": numbers.whole,
        "words": _words,
    }
    made.globals |= {"static": assets.url, "navigation": NAVIGATION}
    return made


def _words(text: str) -> Markup:
    """A sentence for people: what stands between backticks is code."""
    marked = [
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(text.split("`"))
    ]
    return Markup("").join(marked)


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page. `here` names its place in the navigation; `stream` the event stream that keeps it true."""
    theme = request.cookies.get("theme")
    known = {
        "here": None,
        "stream": None,
        "signed_in": True,
        "has_session": COOKIE in request.cookies,
        "hide_new": False,
        "theme": theme if theme in THEMES else None,
        "now": datetime.now(UTC),
    }
    html = environment().get_template(template).render({**known, **values})
    return HTMLResponse(html, status, headers={"Content-Security-Policy": CHART_POLICY, "Vary": "Cookie"})
