"""The OpenAPI document: our problems in place of the framework's errors, stable names, and the file kept in the tree.

`python -m api.openapi` writes api/openapi.json; a test fails while the file and the routes differ.
"""

import json
import re
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.errors import PROBLEM_JSON, PROBLEMS, BadParameter, Problem, example
from domain.nearest import suggest

FILE = Path(__file__).parent / "openapi.json"
EXAMPLES = Path(__file__).parent / "examples.json"
"""Answers of the service, by the name of their schema, or by operation and media type (tests/api/examples.py)."""
TEXT: dict[str, Any] = {"schema": {"type": "string"}}
BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
REF = "#/components/schemas/{model}"

DESCRIPTION = """Submit training jobs, follow them, and compare normalizations with statistics right for few seeds.

Every error is a problem document (RFC 9457) with a stable `type`, a sentence, and `errors` that point at each wrong
place. Lists are pages: follow `next_cursor` or the `Link` header. Numbers that aren't finite are the texts "NaN",
"Infinity" and "-Infinity". Send `Idempotency-Key` with a submission and it is safe to repeat."""

REFUSALS = {
    "401": "No key, or one that is wrong, revoked or expired.",
    "403": "The key lacks the scope this needs.",
    "422": "The body or a parameter is wrong; `errors` points at each place.",
    "429": "The key asks too fast, the queue is full, or too many wrong keys came from here: see `Retry-After`.",
    "default": "Any other refusal.",
}
PUBLIC_PATHS = frozenset({"/healthz", "/readyz"})


def operation_id(route: APIRoute) -> str:
    """The function's name: short, stable and unique over the API."""
    return route.name


def body(model: type[BaseModel], given: dict[str, Any]) -> dict[str, Any]:
    """Documents a body that the route reads itself (`api.body.JsonObject`)."""
    schema = {"$ref": REF.format(model=model.__name__)}
    content = {"application/json": {"schema": schema, "examples": {"example": {"value": given}}}}
    return {"requestBody": {"required": True, "content": content}}


def edit(model: type[BaseModel], given: dict[str, Any]) -> dict[str, Any]:
    """Documents the body of a PATCH, and the header that says which version it is meant for."""
    if_match = {
        "name": "If-Match",
        "in": "header",
        "required": False,
        "schema": {"type": "string", "maxLength": 1000},
        "description": "The `ETag` of what you read; refused with 412 when it is no longer that.",
    }
    return {**body(model, given), "parameters": [if_match]}


class Document:
    """The document of an app, made once. `models` are the bodies that routes read themselves."""

    def __init__(self, app: FastAPI, models: list[type[BaseModel]]) -> None:
        self.app = app
        self.models = models

    @cached_property
    def made(self) -> dict[str, Any]:
        return make(self.app, self.models)

    @cached_property
    def _addresses(self) -> list[tuple[re.Pattern[str], dict[str, Any]]]:
        return [
            (re.compile(re.sub(r"{\w+}", "[^/]+", path)), {method.upper(): each for method, each in methods.items()})
            for path, methods in self.made["paths"].items()
        ]

    def operations_at(self, path: str) -> dict[str, Any]:
        """The operations of an address, by method."""
        found: dict[str, Any] = {}
        for pattern, methods in self._addresses:
            if pattern.fullmatch(path):
                found = {**methods, **found}
        return found


async def known_parameters(request: Request) -> None:
    """Raises BadParameter for a query parameter that the route does not have: ignored, it would mislead."""
    operation = request.app.state.document.operations_at(request.url.path).get(request.method, {})
    known = [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]
    for name in request.query_params:
        if name not in known:
            raise BadParameter(name[:100], f"there is no such parameter here. {suggest(name, known)}")


def make(app: FastAPI, models: list[type[BaseModel]]) -> dict[str, Any]:
    """The document of the app's routes."""
    made = get_openapi(title="NormLab", version=app.version, description=DESCRIPTION, routes=app.routes)
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas |= _schemas([Problem, *models])
    _say_defaults(schemas)
    examples = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    made["components"]["examples"] = {name: {"value": examples[name]} for name in sorted(examples.keys() & schemas)}
    made["components"]["responses"] = _refusals()
    made["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key, `nl_…`; `normlab keys` makes one."},
        "session": {"type": "apiKey", "in": "cookie", "name": "normlab_session", "description": "`normlab login`."},
    }
    made["security"] = [{"key": []}, {"session": []}]
    for path, operation in _operations(made):
        if path in PUBLIC_PATHS:
            operation["security"] = []
        _illustrate(operation, examples)
        _document_refusals(operation, public=path in PUBLIC_PATHS)
    return made


def _schemas(models: list[type[BaseModel]]) -> dict[str, Any]:
    _, made = models_json_schema([(model, "validation") for model in models], ref_template=REF)
    return cast("dict[str, Any]", made["$defs"])


def _say_defaults(schemas: dict[str, Any]) -> None:
    """Puts defaults that are objects into words: those who make clients refuse to build them from the schema."""
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            if isinstance(field.get("default"), dict):
                said = f"Default `{json.dumps(field.pop('default'))}`."
                field["description"] = f"{field['description']} {said}" if "description" in field else said


def _illustrate(operation: dict[str, Any], examples: dict[str, Any]) -> None:
    """Gives every answer of an operation its example: that of its schema, or one of its own."""
    for status, response in operation["responses"].items():
        for kind, content in response.get("content", {}).items() if status.startswith("2") else ():
            own = f"{operation['operationId']} {kind}"
            names = [name for name in _named(content.get("schema", {})) if name in examples]
            content["examples"] = {name: {"$ref": f"#/components/examples/{name}"} for name in names}
            content["examples"] |= {"example": {"value": examples[own]}} if own in examples else {}


def _named(schema: dict[str, Any]) -> list[str]:
    """The names of the schemas that an answer may have."""
    return [each["$ref"].rpartition("/")[2] for each in (schema, *schema.get("anyOf", [])) if "$ref" in each]


def _operations(made: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in made["paths"].items():
        for operation in methods.values():
            yield path, operation


def _document_refusals(operation: dict[str, Any], *, public: bool) -> None:
    for status in REFUSALS:
        if not (public and status in {"401", "403", "429"}):
            operation["responses"][status] = {"$ref": f"#/components/responses/{status}"}


def _refusals() -> dict[str, Any]:
    """The answers that every operation may give, each with an example of every kind of problem it can be."""
    return {status: _refusal(status, meaning) for status, meaning in REFUSALS.items()}


def _refusal(status: str, meaning: str) -> dict[str, Any]:
    codes = [code for code, kind in PROBLEMS.items() if status == _documented_at(kind.status)]
    examples = {code: {"value": example(code)} for code in codes}
    content = {"schema": {"$ref": REF.format(model="Problem")}, "examples": examples}
    return {"description": meaning, "content": {PROBLEM_JSON: content}}


def _documented_at(status: int) -> str:
    return str(int(status)) if str(int(status)) in REFUSALS else "default"


def text(made: dict[str, Any]) -> str:
    # In the order of the routes: of the media types of an answer, many clients take the first.
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write api/openapi.json."""
    from api.application import create_app  # noqa: PLC0415 - the application imports this file
    from domain.settings import Settings  # noqa: PLC0415 - as above

    FILE.write_text(text(create_app(Settings()).openapi()), encoding="utf-8")
    sys.stdout.write(f"wrote {FILE.name}\n")


if __name__ == "__main__":
    main()
