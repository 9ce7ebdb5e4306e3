"""The OpenAPI document is true: kept in the tree, never a mistake of ours, and every answer as documented."""

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import jsonschema_rs
import pytest
import requests
import schemathesis
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from hypothesis import settings as hypothesis_settings
from pydantic import TypeAdapter
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.case import Case
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api import openapi
from api.application import RESOURCES, create_app
from api.errors import PROBLEMS
from api.routes import health
from domain.database import Database
from domain.settings import Settings
from tests.api import examples, specs
from tests.api.conftest import prepare
from tests.api.server import ApiProcess, running

DOCUMENT = create_app(Settings()).openapi()
# Requests are drawn at random; schemathesis' table of boundary cases would make two thousand, a minute of them.
CONFIG = SchemathesisConfig.from_dict({"phases": {"coverage": {"enabled": False}}})
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG).exclude(path=["/v1/events", "/readyz"])
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def test_the_document_in_the_tree_is_the_one_the_routes_make() -> None:
    assert openapi.FILE.read_text(encoding="utf-8") == openapi.text(DOCUMENT), "run `make generate`"


def test_operations_have_stable_names_examples_and_refusals() -> None:
    seen = set()
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            seen.add(operation["operationId"])
            assert operation["operationId"].isidentifier()
            assert {"422", "default"} <= set(operation["responses"]), path
            assert operation.get("description"), path
            for content in operation.get("requestBody", {}).get("content", {}).values():
                assert content["examples"], path
    assert len(seen) == sum(len(methods) for methods in DOCUMENT["paths"].values())
    assert "HTTPValidationError" not in json.dumps(DOCUMENT)


def test_every_kind_of_problem_is_an_example_of_the_answer_that_carries_it() -> None:
    schema = {**DOCUMENT["components"]["schemas"]["Problem"], "components": DOCUMENT["components"]}
    seen: set[str] = set()
    for status, response in DOCUMENT["components"]["responses"].items():
        for code, example in response["content"]["application/problem+json"]["examples"].items():
            jsonschema_rs.validate(schema, example["value"])
            assert status in {str(example["value"]["status"]), "default"}
            seen.add(code)
    assert seen == set(PROBLEMS)


def test_every_body_has_an_example_that_fits_its_schema() -> None:
    for path, method, name, body in bodies():
        for kind, content in body["content"].items():
            given = values(content)
            assert given or content["schema"].get("format") == "binary", (path, method, name, kind)
            for value in given:
                assert_fits(value, content.get("schema", {}))


def test_the_examples_of_answers_are_what_the_service_answers() -> None:
    assert openapi.EXAMPLES.read_text(encoding="utf-8") == examples.text(), "run `make generate`"
    shown = {name for _, _, _, body in bodies() for content in body["content"].values() for name in named(content)}
    assert shown == set(DOCUMENT["components"]["examples"]), "an example that no answer shows"


def test_each_example_of_an_answer_is_read_by_the_model_behind_it() -> None:
    models = {model_name(each): each for model in answered_models() for each in (model, *get_args(model))}
    for name, example in DOCUMENT["components"]["examples"].items():
        TypeAdapter(models[name]).validate_json(json.dumps(example["value"]))


def bodies() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Path, method, `request` or status, and body of every request and of every answer that has its own."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            if "requestBody" in operation:
                yield path, method, "request", operation["requestBody"]
            for status, response in operation["responses"].items():
                if "content" in response:
                    yield path, method, status, response


def named(content: dict[str, Any]) -> list[str]:
    """The names of the shared examples of a body."""
    given = content.get("examples", {}).values()
    return [each["$ref"].rpartition("/")[2] for each in given if "$ref" in each]


def values(content: dict[str, Any]) -> list[Any]:
    own = [content["example"]] if "example" in content else []
    own += [each["value"] for each in content.get("examples", {}).values() if "value" in each]
    return own + [DOCUMENT["components"]["examples"][name]["value"] for name in named(content)]


def answered_models() -> Iterator[Any]:
    """What routes say they answer with, unions as one."""
    for module in (health, *RESOURCES):
        for route in module.router.routes:
            if isinstance(route, APIRoute):
                yield from (route.response_model, *(each.get("model") for each in route.responses.values()))


def model_name(model: Any) -> str:
    """The name of a model in the document: of `PageOf[Job]` it is `PageOf_Job_`."""
    return re.sub(r"\W", "_", getattr(model, "__name__", ""))


def test_no_default_is_an_object_which_makers_of_clients_refuse() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for field, described in schema.get("properties", {}).items():
            assert not isinstance(described.get("default"), dict), (name, field)


CLOSED = {
    "status", "outcome", "phase", "responsible", "request", "device", "ending", "stream", "level", "verdict", "method",
}  # fmt: skip
"""Names of fields that hold one of a few words, wherever they stand."""


def test_what_holds_one_of_a_few_words_lists_them() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for field, described in schema.get("properties", {}).items():
            if field in CLOSED:
                assert closed(described), (name, field, described)


def closed(described: dict[str, Any]) -> bool:
    """Whether a schema lists what it allows, itself or in what it refers to; numbers and null need no list."""
    if "$ref" in described:
        return closed(DOCUMENT["components"]["schemas"][described["$ref"].rpartition("/")[2]])
    if "anyOf" in described:
        return all(closed(each) for each in described["anyOf"])
    return "enum" in described or "const" in described or described.get("type") in {"integer", "null", "object"}


def test_every_reference_of_the_document_leads_somewhere() -> None:
    known = {f"#/components/{kind}/{name}" for kind, each in DOCUMENT["components"].items() for name in each}
    assert set(references(DOCUMENT)) <= known


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("contract") / "data")
    with running(settings, prepare(settings)) as api:
        yield api


@pytest.fixture(scope="module")
def session(server: ApiProcess) -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        made.headers["Authorization"] = f"Bearer {server.token}"
        yield made


@SCHEMA.parametrize()
@hypothesis_settings(max_examples=12)
def test_no_request_meets_a_mistake_or_an_undocumented_answer(
    case: Case, server: ApiProcess, session: requests.Session
) -> None:
    case.call_and_validate(base_url=server.url, session=session, checks=CHECKS)


def test_real_answers_match_the_document(api: TestClient, store: Database) -> None:
    study = api.post("/v1/studies", json=specs.study()).json()["id"]
    run = specs.train_all(store, [0.3, 0.2, 0.1])[0]
    api.post("/v1/jobs", json=specs.job())
    job = api.get("/v1/jobs").json()["data"][0]["id"]
    worker = api.get("/v1/workers").json()["data"][0]["id"]
    key = api.get("/v1/keys").json()["data"][0]["id"]
    saved = api.post("/v1/comparisons", json={"title": "As meant", "study": study}).json()["id"]
    ids = {"comparison_id": saved, "study": study, "run_id": run, "job_id": job, "worker_id": worker, "key_id": key}
    ids |= {"menu": "normalizations", "variant": "layer_norm", "kind": "curves"}
    queries = {
        "/v1/metrics/series": {"study": study, "key": "train_loss"},
        "/v1/comparisons": {"study": study},
        "/v1/figures/{kind}": {"study": study},
    }
    no_json = {"/v1/events", "/v1/metrics/export", "/v1/runs/{run_id}/logs/export"}
    no_json |= {"/v1/runs/{run_id}/artifacts/{name}"}
    for path, methods in DOCUMENT["paths"].items():
        if "get" in methods and path not in {*no_json, "/readyz"}:
            answer = api.get(path.format_map(ids), params=queries.get(path))
            assert answer.status_code == 200, (path, answer.text)
            check(answer.json(), methods["get"]["responses"]["200"])


def test_answers_to_submissions_match_the_document(api: TestClient) -> None:
    for path, body in (("/v1/jobs", specs.job()), ("/v1/studies", specs.study())):
        responses = DOCUMENT["paths"][path]["post"]["responses"]
        check(api.post(path, json=body).json(), responses["201"])
        check(api.post(path, json=body, params={"dry_run": True}).json(), responses["200"])
        check(api.post(path, json={"hue": 1}).json(), DOCUMENT["components"]["responses"]["422"])


def test_the_examples_of_the_document_are_accepted(api: TestClient) -> None:
    for path, status in (("/v1/jobs", 201), ("/v1/studies", 201), ("/v1/keys", 201), ("/v1/comparisons", 201)):
        content = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        answer = api.post(path, json=content["examples"]["example"]["value"])
        assert answer.status_code == status, answer.text


def check(answer: Any, response: dict[str, Any]) -> None:
    """Fails unless the answer has the documented shape."""
    content = next(iter(response["content"].values()))
    assert_fits(answer, content["schema"])


def assert_fits(value: Any, schema: dict[str, Any]) -> None:
    jsonschema_rs.validate({**schema, "components": DOCUMENT["components"]}, value)
