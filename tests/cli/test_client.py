"""Answers of the service as the command understands them."""

from pathlib import Path

import httpx
import pytest

from cli.client import Address, Client, find_address, parse_events, refusal
from cli.directory import DataDirectory, own_start
from cli.exits import CommandError, ExitCode
from domain.settings import Settings


def test_events_are_read_with_their_number_and_pings_are_not() -> None:
    lines = [
        ": ping",
        "",
        "id: 7",
        "event: metrics",
        'data: {"run_id": "run_1",',
        'data: "step": 3}',
        "",
        "retry: 10",
        "",
    ]
    assert list(parse_events(iter(lines))) == [{"seq": 7, "kind": "metrics", "data": {"run_id": "run_1", "step": 3}}]


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 2), (401, 4), (403, 4), (404, 3), (409, 6), (412, 6), (413, 2), (422, 2), (429, 1), (500, 7), (503, 7)],
)
def test_each_refusal_has_its_exit_code(status: int, code: int) -> None:
    assert refusal(httpx.Response(status, json={"title": "No", "detail": "No."})).code == code


def test_a_problem_is_shown_with_its_pointers() -> None:
    errors = [{"pointer": "/normalization/kind", "code": "unknown_variant", "detail": "Did you mean layer_norm?"}]
    error = refusal(httpx.Response(422, json={"title": "Invalid", "detail": "The spec is refused.", "errors": errors}))
    assert error.message == "The spec is refused."
    assert error.details == ("/normalization/kind: Did you mean layer_norm? [unknown_variant]",)


def test_an_answer_that_is_no_problem_document_is_still_a_sentence() -> None:
    error = refusal(httpx.Response(502, text="<html>Bad gateway</html>"))
    assert error.message == "The service answered 502 Bad Gateway."
    assert error.code is ExitCode.SERVER_ERROR


def test_where_nothing_listens_the_address_and_the_remedy_are_named() -> None:
    client = Client(Address("http://127.0.0.1:9", None, "NORMLAB_URL"))
    with pytest.raises(CommandError) as caught:
        client.get("/v1/runs")
    assert caught.value.code is ExitCode.UNREACHABLE
    assert "http://127.0.0.1:9 (NORMLAB_URL)" in caught.value.message
    assert "normlab up" in caught.value.details[0]


def test_the_address_comes_from_the_environment_or_the_running_stack(tmp_path: Path) -> None:
    plain = Settings(data_dir=tmp_path)
    assert find_address(plain).url == "http://127.0.0.1:8787"
    DataDirectory(tmp_path).write_record({**own_start(), "url": "http://127.0.0.1:4242"})
    (tmp_path / "owner.key").write_text("nl_owner\n")
    found = find_address(plain)
    assert (found.url, found.key) == ("http://127.0.0.1:4242", "nl_owner")
    named = find_address(Settings(data_dir=tmp_path, url="http://lab:80/", key="nl_other"))
    assert (named.url, named.key) == ("http://lab:80", "nl_other")
