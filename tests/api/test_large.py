"""A study of ten thousand runs: every answer about it is a page, small and soon there."""

import html
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from domain.catalog import load_catalog
from domain.database import Database
from domain.settings import Settings
from domain.store import runs, studies
from domain.study import parse_study
from domain.tables import run, series
from tests.api import specs
from tests.api.conftest import client_of, prepare

KILOBYTES = 60
SECONDS = 0.5
"""A tenth of a second is the aim; a busy machine may take five times as long."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, str]]:
    """A client, and the id of a finished study: a hundred cells, a hundred seeds."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("large") / "data")
    token = prepare(settings)
    database = Database.open(settings)
    kinds = ("none", "layer_norm", "rms_norm", "dyt", "batch_norm")
    vary = {"normalization": [{"kind": kind} for kind in kinds], "training.batch_size": list(range(10, 30))}
    spec, cells = parse_study(specs.study(vary=vary, seeds=100), load_catalog())
    with database.write() as c:
        study = studies.submit(c, spec, cells, owner="owner").id
        c.execute(run.update().values(status="succeeded", outcome="completed", progress=1.0))
        measured: dict[str, Any] = {"name": "test_error", "n": 1, "first_step": 10, "last_step": 10}
        measured |= dict.fromkeys(("last", "min", "max", "mean", "median"), 0.1)
        c.execute(series.insert(), [{"run_id": run_id, **measured} for run_id in runs.ids(c, study_id=study)])
    database.close()
    with client_of(settings, token) as client:
        yield client, study


@pytest.mark.parametrize(
    "path",
    [
        "/v1/studies",
        "/v1/studies/{study}",
        "/v1/studies/{study}/jobs?limit=20",
        "/v1/studies/{study}/runs",
        "/v1/studies/{study}/results",
        "/v1/runs",
        "/v1/runs?study={study}",
        "/v1/jobs?limit=20",
    ],
)
def test_every_answer_is_small_and_soon_there(large: tuple[TestClient, str], path: str) -> None:
    api, study = large
    took = []
    for _ in range(5):
        began = time.perf_counter()
        answer = api.get(path.format(study=study))
        took.append(time.perf_counter() - began)
        assert answer.status_code == 200
        assert len(answer.content) < 1000 * KILOBYTES
    assert min(took) < SECONDS


@pytest.mark.parametrize("what", ["runs", "results"])
def test_its_runs_are_walked_page_by_page_to_the_last(large: tuple[TestClient, str], what: str) -> None:
    api, study = large
    seen: list[str] = []
    address: str | None = f"/v1/studies/{study}/{what}?limit=200"
    while address:
        page = api.get(address)
        seen += [each.get("run_id", each.get("id")) for each in page.json()["data"]]
        link = page.headers.get("link", "")
        address = link.removeprefix("<").partition(">")[0] or None
        assert page.json()["has_more"] == bool(address)
    assert (len(seen), len(set(seen))) == (10_000, 10_000)


@pytest.mark.parametrize("path", ["/", "/studies", "/jobs", "/studies/{study}"])
def test_every_page_is_small_enough_for_a_phone(large: tuple[TestClient, str], path: str) -> None:
    api, study = large
    answer = api.get(path.format(study=study))
    assert answer.status_code == 200
    assert len(answer.content) < 250_000


def test_the_page_of_a_job_shows_its_seeds_fifty_at_a_time(large: tuple[TestClient, str]) -> None:
    api, study = large
    job = api.get(f"/v1/studies/{study}/jobs", params={"limit": 1}).json()["data"][0]["id"]
    address, seen = f"/jobs/{job}?x=epoch", list[str]()
    while address:
        page = api.get(address).text
        found = re.findall(r'href="/runs/(run_\w+)">seed', page)
        assert len(found) <= 50
        seen += found
        more = re.search(r'href="([^"]+)" rel="next">More seeds', page)
        address = html.unescape(more[1]).partition("#")[0] if more else ""
        assert not more or "x=epoch" in address
    assert (len(seen), len(set(seen))) == (100, 100)
