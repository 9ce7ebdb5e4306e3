"""Static files: hashed addresses, kept for ever, compressed once, and light."""

import gzip
import re

import pytest
from fastapi.testclient import TestClient

from api.dashboard import assets
from api.dashboard.assets import PLOTLY, STATIC, asset, names, url

OWN_LIMIT = 150_000
"""Bytes of our own scripts and styles, compressed."""


@pytest.mark.parametrize("name", names())
def test_a_file_is_served_for_ever_at_an_address_of_its_content(name: str, pages: TestClient) -> None:
    answer = pages.get(url(name))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == asset(name).content


def test_a_client_that_reads_no_gzip_gets_the_plain_bytes(pages: TestClient) -> None:
    answer = pages.get(url("page.js"), headers={"accept-encoding": "identity"})
    assert "content-encoding" not in answer.headers
    assert answer.content == asset("page.js").content


@pytest.mark.parametrize("path", ["page.js", "page-000000000000.js", "..%2fassets-0123456789ab.py", "nothing"])
def test_any_other_address_is_not_found(path: str, pages: TestClient) -> None:
    assert pages.get(f"/static/{path}").status_code == 404


def test_scripts_import_each_other_by_hashed_addresses() -> None:
    for name in names():
        if name != PLOTLY and name.endswith(".js"):
            for imported in re.findall(rb'from "\./([^"]+)"', asset(name).content):
                assert assets.plain_name(imported.decode()), (name, imported)


def test_our_own_scripts_and_styles_are_light() -> None:
    own = [name for name in names() if name != PLOTLY]
    assert sum(len(asset(name).compressed) for name in own) < OWN_LIMIT
    assert gzip.decompress(asset("base.css").compressed) == asset("base.css").content


def test_scripts_hold_no_statistics_and_nothing_from_elsewhere() -> None:
    for path in STATIC.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert "http://" not in text, path.name
        assert "https://" not in text, path.name
        assert not re.search(r"\beval\(|new Function|Math\.(sqrt|pow|log)", text), path.name
