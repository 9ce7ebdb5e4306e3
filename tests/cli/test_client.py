"""Answers of the service as the command understands them."""

from pathlib import Path
from typing import Any

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


def test_a_problem_is_shown_once_for_each_wrong_place() -> None:
    errors = [
        {"pointer": "/normalization/kind", "code": "unknown_variant", "detail": "Did you mean layer_norm?"},
        {"pointer": "?group_by", "code": "unknown_field", "detail": "No spec has foo."},
        {"pointer": "", "code": "wrong", "detail": "It is empty."},
    ]
    error = refusal(httpx.Response(422, json={"detail": "/normalization/kind: … (2 more in errors)", "errors": errors}))
    assert error.message == "/normalization/kind: Did you mean layer_norm?"
    assert error.details == ("--group-by: No spec has foo.", "It is empty.")
    assert refusal(httpx.Response(404, json={"detail": "There is no run.", "errors": []})).message == "There is no run."


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


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "127.0.0.1:8787"}, "must look like http://127.0.0.1:8787"),
        ({"url": "http://[::1"}, "must look like http://"),
        ({"url": "ftp://lab"}, "must look like http://"),
        ({"key": "nl_ü"}, "NORMLAB_KEY holds a character"),
        ({"key": "nl_a\nb"}, "NORMLAB_KEY holds a character"),
    ],
)
def test_an_address_or_a_key_that_cannot_be_one_is_bad_input(
    tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(CommandError, match=words) as caught:
        find_address(Settings(data_dir=tmp_path, **settings))
    assert caught.value.code is ExitCode.BAD_INPUT


def _answered_by(answer: httpx.Response, tmp_path: Path) -> CommandError:
    client = Client(find_address(Settings(data_dir=tmp_path)))
    client._http = httpx.Client(base_url="http://lab", transport=httpx.MockTransport(lambda _request: answer))
    with pytest.raises(CommandError) as caught:
        client.get("/v1/studies")
    return caught.value


def test_another_program_at_the_address_is_told_from_the_service(tmp_path: Path) -> None:
    error = _answered_by(httpx.Response(200, text="<html>Hello"), tmp_path)
    assert "is not NormLab" in error.message
    assert error.code is ExitCode.UNREACHABLE


def test_in_the_wrong_directory_the_missing_key_file_is_named(tmp_path: Path) -> None:
    error = _answered_by(httpx.Response(401, json={"detail": "This needs a key."}), tmp_path)
    assert error.code is ExitCode.DENIED
    assert f"There is no {tmp_path / 'owner.key'}." in error.details
    assert "NORMLAB_DATA_DIR" in error.details[-1]


def test_the_address_comes_from_the_environment_or_the_running_stack(tmp_path: Path) -> None:
    plain = Settings(data_dir=tmp_path)
    assert find_address(plain).url == "http://127.0.0.1:8787"
    assert find_address(Settings(data_dir=tmp_path, host="0.0.0.0")).url == "http://127.0.0.1:8787"
    assert find_address(Settings(data_dir=tmp_path, host="::", port=1)).url == "http://[::1]:1"
    DataDirectory(tmp_path).write_record({**own_start(), "url": "http://127.0.0.1:4242"})
    (tmp_path / "owner.key").write_text("nl_owner\n")
    found = find_address(plain)
    assert (found.url, found.key) == ("http://127.0.0.1:4242", "nl_owner")
    named = find_address(Settings(data_dir=tmp_path, url="http://lab:80/", key="nl_other"))
    assert (named.url, named.key) == ("http://lab:80", "nl_other")
