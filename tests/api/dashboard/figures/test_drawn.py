"""Figures of a stored installation, by their addresses."""

from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from api.dashboard.figures import FIGURES
from domain.database import Database
from domain.errors import InvalidSpec, NotFound
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
    with sample.read() as c, pytest.raises(InvalidSpec, match="needs"):
        FIGURES[kind](c, {})


@pytest.mark.parametrize("show", ["mean", "seeds", "range"])
def test_a_study_draws_its_curves_in_three_ways(show: str, sample: Database, params: dict[str, dict[str, str]]) -> None:
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
