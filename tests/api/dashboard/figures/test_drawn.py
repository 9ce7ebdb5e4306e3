"""Figures of a stored installation, by their addresses."""

import csv
import io
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from api.dashboard.figures import FIGURES
from api.dashboard.view import AXES, X_TITLES
from domain.database import Database
from domain.errors import InvalidSpec, NotFound
from domain.store import runs
from tests.api.dashboard.figures.valid import assert_valid, texts, with_role


@pytest.fixture
def params(ids: dict[str, str]) -> dict[str, dict[str, str]]:
    study = {"study": ids["study"], "stratum": "batch size 4"}
    return {
        "curves": study,
        "forest": {"study": ids["study"]},
        "effect": {"study": ids["study"]},
        "cost": study,
        "seeds": study,
        "divergence": study,
        "heat": {"study": ids["study"]},
        "parallel": {"study": ids["study"]},
        "job": {"job": ids["job_of_run"], "name": "test_error"},
        "run": {"run": ids["run"], "name": "train_loss"},
    }


@pytest.mark.parametrize("kind", list(FIGURES))
def test_every_kind_draws_from_the_store(kind: str, sample: Database, params: dict[str, dict[str, str]]) -> None:
    with sample.read() as c:
        figure = FIGURES[kind](c, params[kind])
    assert_valid(figure)
    assert figure["data"]


@pytest.mark.parametrize("kind", list(FIGURES))
def test_every_kind_says_what_it_needs(kind: str, sample: Database) -> None:
    with sample.read() as c, pytest.raises(InvalidSpec, match=r"needs|Give either study or jobs"):
        FIGURES[kind](c, {})


@pytest.mark.parametrize("show", ["mean", "sd", "seeds", "range"])
def test_a_study_draws_its_curves_in_four_ways(show: str, sample: Database, params: dict[str, dict[str, str]]) -> None:
    with sample.read() as c:
        figure = FIGURES["curves"](c, {**params["curves"], "show": show})
    assert len(with_role(figure, "mean")) == 6
    assert bool(with_role(figure, "seed")) == (show == "seeds")
    assert with_role(figure, "diverged")[0]["name"] == "none, diverged"


def test_units_stand_on_the_axes(sample: Database, params: dict[str, dict[str, str]]) -> None:
    with sample.read() as c:
        forest = FIGURES["forest"](c, params["forest"])
        curves = FIGURES["curves"](c, params["curves"])
    assert curves["layout"]["yaxis"]["title"]["text"] == "test error, %"
    assert "percentage points" in forest["layout"]["xaxis"]["title"]["text"]
    assert "layer_norm" in forest["layout"]["xaxis"]["title"]["text"]


def test_a_resumed_run_shows_where_it_took_over(sample: Database, params: dict[str, dict[str, str]]) -> None:
    with sample.read() as c:
        figure = FIGURES["run"](c, params["run"])
    assert texts(figure, "note")[0].startswith("attempt 2,<br>resumed at")


def test_a_zoom_asks_for_its_part_only(sample: Database, params: dict[str, dict[str, str]]) -> None:
    with sample.read() as c:
        whole = FIGURES["run"](c, params["run"])
        part = FIGURES["run"](c, {**params["run"], "from": "100", "to": "4000"})
    assert 0 < len(part["data"][0]["x"]) < len(whole["data"][0]["x"])
    assert all(100 <= x <= 4000 for x in part["data"][0]["x"])


@pytest.mark.parametrize(
    ("kind", "wrong", "status"),
    [
        ("curves", {"study": "no-such-study"}, 404),
        ("curves", {"show": "violin"}, 422),
        ("run", {"x": "parsecs"}, 422),
        ("curves", {"log": "z"}, 422),
        ("curves", {"average": "4"}, 422),
        ("job", {"clip": "maybe"}, 422),
        ("cost", {"against": "money"}, 422),
        ("heat", {"rows": "dataset"}, 422),
        ("run", {"run": "run_unknown"}, 404),
        ("job", {"name": ""}, 422),
        ("run", {"from": "left", "to": "right"}, 422),
    ],
)
def test_a_wrong_parameter_is_refused(
    kind: str, wrong: dict[str, str], status: int, pages: TestClient, params: dict[str, dict[str, str]]
) -> None:
    query = "&".join(f"{name}={quote(value)}" for name, value in {**params[kind], **wrong}.items())
    answer = pages.get(f"/v1/figures/{kind}?{query}")
    assert answer.status_code == status, answer.text


def test_an_unknown_study_is_not_found(sample: Database) -> None:
    with sample.read() as c, pytest.raises(NotFound):
        FIGURES["forest"](c, {"study": "nothing"})


def test_a_figure_is_small(pages: TestClient, params: dict[str, Any]) -> None:
    query = f"study={params['curves']['study']}&stratum=batch%20size%204"
    assert len(pages.get(f"/v1/figures/curves?{query}").content) < 60_000


def test_a_ninth_variant_is_no_ninth_line_but_has_a_panel_beside_the_baseline(
    sample: Database, ids: dict[str, str]
) -> None:
    with sample.read() as c:
        all_in_one = FIGURES["curves"](c, {"study": ids["many"]})
        alone = FIGURES["curves"](c, {"study": ids["many"], "name": "detach_norm"})
    assert len(with_role(all_in_one, "mean")) == 8
    assert [trace["meta"]["variant"] for trace in with_role(alone, "mean")] == ["detach_norm", "layer_norm"]
    assert_valid(alone)


@pytest.mark.parametrize("x", list(AXES))
@pytest.mark.parametrize("kind", ["curves", "job", "run"])
def test_every_axis_draws(kind: str, x: str, sample: Database, params: dict[str, dict[str, str]]) -> None:
    with sample.read() as c:
        figure = FIGURES[kind](c, {**params[kind], "x": x, "log": "xy", "average": "10", "clip": "on"})
    assert_valid(figure)
    assert figure["layout"]["xaxis"]["title"]["text"] == X_TITLES[x]  # type: ignore[index]
    assert all(trace["x"] for trace in figure["data"])


def test_seeds_meet_over_the_time_of_training_and_not_by_the_clock(
    sample: Database, params: dict[str, dict[str, str]]
) -> None:
    with sample.read() as c:
        relative, wall = (FIGURES["curves"](c, {**params["curves"], "x": x}) for x in ("relative", "wall"))
    assert "(n = 3)" in with_role(relative, "mean")[-1]["customdata"][5]
    assert not with_role(wall, "mean")
    assert with_role(wall, "seed")


@pytest.mark.parametrize("kind", list(FIGURES))
def test_the_numbers_of_every_kind_leave_as_csv(
    kind: str, pages: TestClient, params: dict[str, dict[str, str]]
) -> None:
    answer = pages.get(f"/v1/figures/{kind}", params={**params[kind], "format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert f'filename="{kind}.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert rows
    assert all(row["series"] for row in rows)


def test_the_csv_of_curves_has_the_interval_of_each_mean(pages: TestClient, params: dict[str, dict[str, str]]) -> None:
    query = params["curves"]
    figure = pages.get("/v1/figures/curves", params=query).json()
    mean, band = with_role(figure, "mean")[-1], with_role(figure, "band")[-1]
    text = pages.get("/v1/figures/curves", params={**query, "format": "csv"}).text
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["series"] == mean["name"]]
    assert [float(row["y"]) for row in rows] == mean["y"]
    assert [float(row["high"]) for row in rows] == band["y"][: len(rows)]
    assert all(float(row["low"]) <= float(row["y"]) <= float(row["high"]) for row in rows)


@pytest.mark.parametrize(
    ("against", "title"), [("time", "step, ms"), ("throughput", "samples per second"), ("memory", "memory, MB")]
)
def test_quality_stands_against_three_costs(
    against: str, title: str, sample: Database, params: dict[str, dict[str, str]]
) -> None:
    with sample.read() as c:
        figure = FIGURES["cost"](c, {**params["cost"], "against": against})
    assert figure["layout"]["xaxis"]["title"]["text"].endswith(title)
    assert len(with_role(figure, "cost")) == 6


def test_divergences_are_counted_per_setting_and_added_up_over_all(
    sample: Database, params: dict[str, dict[str, str]]
) -> None:
    with sample.read() as c:
        one = FIGURES["divergence"](c, params["divergence"])
        everything = FIGURES["divergence"](c, {"study": params["divergence"]["study"]})
    assert "1 of 2" in texts(one, "row")
    assert {words.split(" of ")[1] for words in texts(everything, "row")} <= {"3", "4", "5", "6"}


def test_a_heat_map_turned_over_has_the_same_cells(sample: Database, params: dict[str, dict[str, str]]) -> None:
    with sample.read() as c:
        plain = FIGURES["heat"](c, params["heat"])["data"][0]
        turned = FIGURES["heat"](c, {**params["heat"], "rows": "training.batch_size"})["data"][0]
    assert plain["x"] == turned["y"] == ["4", "512"]
    assert plain["z"] == [list(column) for column in zip(*turned["z"], strict=True)]


def test_a_study_of_one_field_has_no_heat_map(sample: Database, ids: dict[str, str]) -> None:
    with sample.read() as c, pytest.raises(InvalidSpec, match="fewer vary"):
        FIGURES["heat"](c, {"study": ids["conv"]})


@pytest.mark.parametrize("kind", list(FIGURES))
def test_every_kind_has_a_page_with_its_numbers(
    kind: str, pages: TestClient, params: dict[str, dict[str, str]]
) -> None:
    answer = pages.get(f"/figures/{kind}", params=params[kind])
    assert answer.status_code == 200, answer.text
    assert answer.text.count('<th scope="row"') > 1


def test_the_metric_runs_along_one_field_where_the_others_stand(sample: Database, ids: dict[str, str]) -> None:
    study = {"study": ids["deep"], "rows": "normalization", "columns": "architecture.hidden"}
    with sample.read() as c:
        rests = [FIGURES[kind](c, {**study, "rest": "batch size 8"}) for kind in ("effect", "heat")]
        with pytest.raises(InvalidSpec, match="batch size 8, batch size 128"):
            FIGURES["effect"](c, {**study, "rest": "batch size 7"})
    along, crossed = rests
    assert_valid(along)
    assert along["layout"]["xaxis"]["ticktext"] == crossed["data"][0]["x"] == ["64", "64-64"]
    assert {tuple(trace["y"]) for trace in with_role(along, "mean")} == {tuple(row) for row in crossed["data"][0]["z"]}
    assert len(with_role(along, "band")) == 2


@pytest.mark.parametrize("name", ["train_loss", "validation_error"])
def test_a_seed_of_a_job_that_diverged_is_in_no_mean(name: str, sample: Database, ids: dict[str, str]) -> None:
    """Also in a series that ended before it became NaN."""
    with sample.read() as c:
        found = runs.page(c, study_id=ids["study"], limit=200).data
        job = next(run.job_id for run in found if run.outcome == "diverged")
        diverged = [run.seed for run in found if run.job_id == job and run.outcome == "diverged"]
        figure = FIGURES["job"](c, {"job": job, "name": name})
    assert len(with_role(figure, "diverged")[0]["x"]) == len(diverged)
    staying = len({run.seed for run in found if run.job_id == job and run.step}) - len(diverged)
    assert f"n = {staying}" in texts(figure, "label")[0]
