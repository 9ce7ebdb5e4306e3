"""Static files under URLs that hold a hash of their content: compressed once, kept by the browser for a year."""

import gzip
import hashlib
import importlib.util
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response

STATIC = Path(__file__).parent / "static"
PLOTLY = "plotly.min.js"
FOREVER = "public, max-age=31536000, immutable"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}

# `import … from "./morph.js"` and `url(tokens.css)` inside our own files point at other hashed files.
REFERENCE = re.compile(rb"""(?<=["'(])\./([a-z_]+\.(?:js|css|json))(?=["')])""")

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Asset:
    """One file as it is served: its bytes, the same compressed, and the hash in its URL."""

    content: bytes
    compressed: bytes
    media_type: str
    digest: str


def plotly_path() -> Path:
    """Plotly's JavaScript inside the installed wheel, found without importing the package."""
    spec = importlib.util.find_spec("plotly")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("plotly is not installed, so the figures cannot be drawn; run `make setup`.")
    return Path(spec.origin).parent / "package_data" / PLOTLY


def names() -> list[str]:
    return [PLOTLY, *sorted(path.name for path in STATIC.iterdir() if path.suffix in TYPES)]


@cache
def asset(name: str) -> Asset:
    """A file by its plain name. References to other files of ours are rewritten to their hashed URLs."""
    path = plotly_path() if name == PLOTLY else STATIC / name
    content = path.read_bytes()
    if name != PLOTLY:
        content = REFERENCE.sub(lambda found: f".{url(found[1].decode()).removeprefix('/static')}".encode(), content)
    digest = hashlib.sha256(content).hexdigest()[:12]
    return Asset(content, gzip.compress(content, 9, mtime=0), TYPES[path.suffix], digest)


def url(name: str) -> str:
    """The address of a static file; it changes whenever the content does."""
    stem, _, suffix = name.rpartition(".")
    return f"/static/{stem}-{asset(name).digest}.{suffix}"


def plain_name(hashed: str) -> str | None:
    """The file behind an address; None for what we do not serve, also for the hash of another version."""
    found = re.fullmatch(r"(.+)-([0-9a-f]{12})\.(\w+)", hashed)
    name = f"{found[1]}.{found[3]}" if found else None
    return name if found and name in names() and asset(name).digest == found[2] else None


@router.get("/static/{hashed}")
def static_file(hashed: str, request: Request) -> Response:
    name = plain_name(hashed)
    if name is None:
        return Response("There is no such file; reload the page.", status_code=404, media_type="text/plain")
    found = asset(name)
    headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.compressed, media_type=found.media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(found.content, media_type=found.media_type, headers=headers)
