"""Series over HTTP: buckets that keep every spike, ranges, other axes, several runs, and raw points as CSV."""

import csv
import io
import math
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pyarrow import parquet

from domain.database import Database
from domain.parquet import GROUP_ROWS, points_as_parquet
from domain.report import Report
from domain.store import runs, workers
from domain.tables import series
from tests.api import specs

STEPS = 20_000
SPIKE = 12_345


@pytest.fixture
def run(api: TestClient, store: Database) -> str:
    """A run with a long loss: flat, with one spike and one NaN."""
    api.post("/v1/jobs", json=specs.job(seeds=1))
    values = [1.0] * STEPS
    values[SPIKE - 1], values[15_000] = 99.0, math.nan
    with store.write() as c:
        worker = workers.register(c, name="w", host="h", pid=1, queues=["default"])
        claim = runs.claim(c, worker.id, queues=["default"])
        assert claim is not None
        points = [specs.point(step, value) for step, value in enumerate(values, start=1)]
        runs.report(c, claim.run.id, claim.token, Report(number=1, step=STEPS, points={"train_loss": points}))
    return claim.run.id


def test_a_long_series_keeps_its_spike_and_its_nan(api: TestClient, run: str) -> None:
    answer = api.get("/v1/metrics/series", params={"runs": run, "key": "train_loss", "max_points": 300})
    curve = answer.json()["curves"][0]
    assert len(curve["x"]) <= 300
    assert curve["count"] == STEPS
    assert (SPIKE, 99.0) in list(zip(curve["step"], curve["y"], strict=True))
    assert [mark["kind"] for mark in curve["marks"]] == ["NaN"]


def test_a_zoom_asks_again_and_gets_every_point(api: TestClient, run: str) -> None:
    query: dict[str, str | int] = {"runs": run, "key": "train_loss", "from": SPIKE - 5, "to": SPIKE + 5}
    curve = api.get("/v1/metrics/series", params=query).json()["curves"][0]
    assert curve["step"] == list(range(SPIKE - 5, SPIKE + 6))
    assert curve["complete"]


@pytest.mark.parametrize("axis", ["epoch", "samples", "relative", "wall"])
def test_other_axes_carry_their_own_numbers(api: TestClient, run: str, axis: str) -> None:
    curve = api.get("/v1/metrics/series", params={"runs": run, "key": "train_loss", "x": axis}).json()["curves"][0]
    last = specs.point(STEPS, 1.0)
    wanted = {"epoch": last.epoch, "samples": last.samples, "relative": last.relative, "wall": last.at}
    assert math.isclose(curve["x"][-1], wanted[axis])


def test_runs_are_named_one_by_one_or_by_study_or_job(api: TestClient, store: Database) -> None:
    study = api.post("/v1/studies", json=specs.study()).json()["id"]
    done = specs.train_all(store)
    query = {"key": "train_loss"}
    named = api.get("/v1/metrics/series", params={**query, "runs": ",".join(done[:3])}).json()["curves"]
    assert [curve["run_id"] for curve in named] == done[:3]
    assert len(api.get("/v1/metrics/series", params={**query, "study": study}).json()["curves"]) == 12
    job = api.get("/v1/jobs").json()["data"][0]["id"]
    assert len(api.get("/v1/metrics/series", params={**query, "job": job}).json()["curves"]) == 3
    for wrong in ({}, {"study": study, "job": job}):
        assert api.get("/v1/metrics/series", params={**query, **wrong}).json()["errors"][0]["pointer"] == "?runs"


def test_the_export_holds_every_point_to_the_last_digit(api: TestClient, store: Database) -> None:
    api.post("/v1/jobs", json=specs.job(seeds=1))
    (run,) = specs.train_all(store, [0.1 + 0.2])
    answer = api.get("/v1/metrics/export", params={"runs": run, "key": "train_loss,test_error"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-type"].startswith("text/csv")
    assert [(row["name"], int(row["step"]), float(row["value"])) for row in rows] == [
        ("test_error", 10, 0.1 + 0.2),
        *(("train_loss", step, 2.0 / step) for step in range(1, 11)),
    ]


def test_the_export_is_parquet_too_with_the_same_points(api: TestClient, run: str) -> None:
    answer = api.get("/v1/metrics/export", params={"runs": run, "format": "parquet"})
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    table = parquet.read_table(io.BytesIO(answer.content))
    assert table.column_names == ["run_id", "name", "step", "value", "at", "relative", "epoch", "samples"]
    text = api.get("/v1/metrics/export", params={"runs": run}).text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [repr(value) for value in table.column("value").to_pylist()] == [row["value"] for row in rows]
    assert table.column("step").to_pylist() == [int(row["step"]) for row in rows]
    assert len(answer.content) < len(text) / 4


def test_parquet_is_written_while_the_points_are_read() -> None:
    """Of 200,000 points at most one row group has been read when the first bytes of them leave."""
    read = 0

    def points() -> Iterator[dict[str, Any]]:
        nonlocal read
        place = {"run_id": "run_x", "name": "train_loss", "at": 1e9, "relative": 0.5, "epoch": 0.1, "samples": 32}
        for step in range(1, 4 * GROUP_ROWS + 1):
            read += 1
            yield {**place, "step": step, "value": 1 / step}

    pieces = points_as_parquet(points())
    first = next(pieces)
    assert read == GROUP_ROWS
    written = parquet.ParquetFile(io.BytesIO(first + b"".join(pieces)))
    assert (written.metadata.num_row_groups, written.metadata.num_rows) == (4, 4 * GROUP_ROWS)


def test_a_run_that_is_not_there_is_404_and_not_a_curve_less(api: TestClient, run: str) -> None:
    for path in ("series", "export"):
        answer = api.get(f"/v1/metrics/{path}", params={"runs": f"{run},run_x", "key": "train_loss"})
        assert (answer.status_code, answer.json()["detail"]) == (404, "There is no run 'run_x'.")


def test_a_range_that_ends_before_it_begins_is_refused(api: TestClient, run: str) -> None:
    answer = api.get("/v1/metrics/series", params={"runs": run, "key": "train_loss", "from": 5, "to": 1})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "?to")


def test_a_figure_is_plotly_json_with_an_etag(api: TestClient, run: str) -> None:
    query = {"run": run, "name": "train_loss"}
    answer = api.get("/v1/figures/run", params=query)
    assert {"data", "layout"} <= set(answer.json())
    again = api.get("/v1/figures/run", params=query, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert api.get("/v1/figures/run").json()["errors"][0]["pointer"] == "?run"
    assert api.get("/v1/figures/pie").status_code == 422


@pytest.mark.parametrize("path", ["series", "export"])
def test_a_mistyped_metric_is_refused_with_the_nearest(api: TestClient, store: Database, run: str, path: str) -> None:
    answer = api.get(f"/v1/metrics/{path}", params={"runs": run, "key": "train_los"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "?key")
    assert "train_loss" in answer.json()["detail"]
    empty = api.get(f"/v1/metrics/{path}", params={"runs": run, "key": "test_error"})
    assert empty.status_code == 200
    with store.write() as c:
        c.execute(series.update().values(name="of_an_older_version"))
    assert api.get(f"/v1/metrics/{path}", params={"runs": run, "key": "of_an_older_version"}).status_code == 200
