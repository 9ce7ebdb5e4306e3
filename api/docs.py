"""/docs without internet: Swagger UI from its wheel, under our content policy; /problems explains each refusal."""

import copy
from html import escape
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from swagger_ui_bundle import swagger_ui_path

from api.errors import PROBLEMS, NoSuchAddress
from api.guard import CHART_POLICY

router = APIRouter(include_in_schema=False)

FILES = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript", "favicon-32x32.png": "image/png"}

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>NormLab API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/docs/favicon-32x32.png"><link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body></html>
"""

# The cookie of a browser session may change things only with this header (see api/auth.py).
START = """SwaggerUIBundle({
  url: "/docs/openapi.json", dom_id: "#swagger-ui", deepLinking: true,
  requestInterceptor: (request) => { request.headers["X-NormLab"] = "1"; return request; },
});
"""


@router.get("/docs")
def docs() -> HTMLResponse:
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": CHART_POLICY})


@router.get("/docs/start.js")
def start() -> Response:
    return Response(START, media_type="text/javascript")


@router.get("/docs/openapi.json")
def openapi_for_swagger(request: Request) -> JSONResponse:
    return JSONResponse(as_openapi_30(request.app.openapi()))


@router.get("/docs/{name}")
def swagger_file(name: str) -> FileResponse:
    if name not in FILES:
        raise NoSuchAddress(f"/docs/{name}")
    return FileResponse(
        Path(str(swagger_ui_path)) / name, media_type=FILES[name], headers={"Cache-Control": "max-age=86400"}
    )


@router.get("/problems/{code}")
def explain_problem(code: str) -> HTMLResponse:
    """What the `type` of a problem document leads to."""
    kind = PROBLEMS.get(code)
    if kind is None:
        raise NoSuchAddress(f"/problems/{code}")
    title = f"{int(kind.status)} {code}"
    head = f'<meta charset="utf-8"><title>{escape(title)}</title>'
    return HTMLResponse(
        f"<!doctype html><html lang=en>{head}<h1>{escape(title)}</h1><p>{escape(kind.meaning)}</p></html>"
    )


def as_openapi_30(document: dict[str, Any]) -> dict[str, Any]:
    """The document in OpenAPI 3.0's words: the Swagger UI of the wheel refuses to draw 3.1."""
    older: dict[str, Any] = _without_null(copy.deepcopy(document))
    older["openapi"] = "3.0.3"
    return older


def _without_null(node: Any) -> Any:
    """`anyOf: [X, null]` becomes X with `nullable`, and `const: x` becomes `enum: [x]`."""
    if isinstance(node, list):
        return [_without_null(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {name: _without_null(item) for name, item in node.items()}
    if isinstance(node.get("anyOf"), list) and {"type": "null"} in node["anyOf"]:
        others = [each for each in node.pop("anyOf") if each != {"type": "null"}]
        node |= (others[0] if len(others) == 1 else {"anyOf": others}) | {"nullable": True}
    if "const" in node and "enum" not in node:
        node["enum"] = [node.pop("const")]
    return node
