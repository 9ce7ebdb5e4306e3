"""The page of a comparison: its address holds the question, specs stand side by side, saved ones keep their link."""

import re
from html import unescape

from fastapi.testclient import TestClient

from api.comparing import answer
from api.dashboard.evidence import evidence_in
from api.dashboard.spec_difference import spec_difference
from domain.catalog import load_catalog
from domain.database import Database
from domain.question import Question
from domain.store import studies


def test_ticked_jobs_arrive_as_several_parameters_and_leave_as_one(pages: TestClient, ids: dict[str, str]) -> None:
    one, other = ids["two_jobs"].split(",")
    html = unescape(pages.get(f"/compare?jobs={one}&jobs={other}").text)
    assert f'name="jobs" value="{one},{other}"' in html
    assert f"/v1/figures/forest?jobs={one},{other}" not in html, "without a baseline there is no forest plot"
    assert "Without a baseline nothing is subtracted" in html


def test_the_address_holds_the_whole_question_and_every_choice(pages: TestClient, ids: dict[str, str]) -> None:
    query = f"study={ids['study']}&group_by=normalization,training.batch_size&metric=train_loss&at=best"
    query += "&baseline=normalization.kind=none&threshold=0.5"
    html = unescape(pages.get(f"/compare?{query}&show=seeds&identical=show").text)
    for part in ("metric=train_loss", "at=best", "baseline=normalization.kind%3Dnone", "threshold=0.5"):
        assert re.search(rf'href="/compare\?[^"]*{re.escape(part)}[^"]*show=range', html), part
        assert re.search(rf'data-figure="/v1/figures/forest\?[^"]*{re.escape(part)}', html), part
    assert "steps to 0.5" in html


def test_the_figures_of_a_comparison_of_jobs_are_those_of_its_question(pages: TestClient, ids: dict[str, str]) -> None:
    query = {"jobs": ids["two_jobs"], "baseline": "normalization.kind=layer_norm", "at": "best"}
    answered = pages.get("/v1/comparisons", params=query).json()
    forest = pages.get("/v1/figures/forest", params=query).json()
    (difference,) = answered["differences"]
    # A figure has six digits of each number.
    assert float(f"{difference['mean']:.6g}") in [x for trace in forest["data"] for x in trace.get("x", [])]
    for kind in ("curves", "cost", "seeds", "effect"):
        assert pages.get(f"/v1/figures/{kind}", params=query).json()["data"], kind
    assert pages.get("/v1/figures/forest", params={**query, "metric": "no"}).json()["errors"][0]["pointer"] == "?metric"


def test_what_is_wrong_is_said_above_the_form_that_asked_it(pages: TestClient, ids: dict[str, str]) -> None:
    for wrong, words in (
        ("at=middle", "at: It is 'middle', but must be final, best,"),
        ("baseline=layer_norm", "isn't written path=value"),
        ("baseline=normalization.kind=rms_norm", "None of the groups has normalization.kind=rms_norm"),
        ("threshold=low", "threshold: "),
        ("group_by=training.batchsize", "No spec has training.batchsize"),
    ):
        answer = pages.get(f"/compare?jobs={ids['two_jobs']}&{wrong}")
        assert (answer.status_code, words in unescape(answer.text)) == (200, True), (wrong, answer.text)
    assert pages.get("/compare?jobs=job_x").status_code == 404


def test_a_saved_comparison_shows_its_title_its_notes_and_the_way_to_change_it(
    pages: TestClient, ids: dict[str, str]
) -> None:
    html = unescape(pages.get(f"/comparisons/{ids['comparison']}").text)
    assert "<h1>Batch norm at its best</h1>" in html
    assert "For the reading group" in html
    assert f'href="/compare?jobs={ids["two_jobs"]}&at=best&baseline=normalization.kind%3Dlayer_norm"' in html
    assert f'href="/comparisons/{ids["comparison"]}"' in pages.get("/compare").text
    assert pages.get("/comparisons/cmp_none").status_code == 404


def test_specs_stand_side_by_side_and_what_is_the_same_can_be_hidden(sample: Database) -> None:
    with sample.read() as c:
        study = studies.get(c, "small-batch")
        found = answer(c, Question(study=study.id, group_by=["normalization"]), load_catalog())
    evidence = evidence_in(found.results, found.comparison)
    hidden, shown = (spec_difference(evidence, identical=kept) for kept in (False, True))
    assert [column.name for column in shown.columns] == [group.variant for group in found.comparison.groups]
    rows = {row.path: row for row in shown.rows}
    assert rows["training.batch_size"].differs, "each group has jobs of several batch sizes"
    assert rows["training.batch_size"].cells[0] == "4, 512"
    assert not rows["dataset.kind"].differs
    assert [row.path for row in hidden.rows] == [row.path for row in shown.rows if row.differs]
    assert (hidden.differing, hidden.fields) == (len(hidden.rows), len(shown.rows))
