"""A study being written: the text, the form, the errors at their fields, the preview."""

from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient

from api.dashboard.draft import draft_of, first_runs, read_yaml
from api.dashboard.entered import apply
from api.dashboard.form import Section, errors_by_field, sections
from api.dashboard.pages.new_study import BLANK, DEMO
from api.dashboard.spec_text import yaml_text
from domain.catalog import load_catalog
from domain.errors import InvalidSpec
from domain.job import QUEUES

CATALOG = load_catalog()
DEMO_RAW: dict[str, Any] = yaml.safe_load(DEMO.read_text(encoding="utf-8"))


def fields(form: list[Section]) -> dict[str, list[str]]:
    """What a browser would send of an unchanged form."""
    sent: dict[str, list[str]] = {}
    for section in form:
        for each in section.fields:
            sent[each.name] = [str(v) for v in each.value] if each.kind == "checks" else [str(each.value)]
    return sent


@pytest.mark.parametrize("raw", [DEMO_RAW, BLANK])
def test_a_form_that_nobody_touched_says_what_the_text_says(raw: dict[str, Any]) -> None:
    before = draft_of(yaml_text(raw), CATALOG, QUEUES)
    again = draft_of(yaml_text(apply(raw, fields(sections(raw, CATALOG, QUEUES)), CATALOG)), CATALOG, QUEUES)
    assert before.study
    assert again.study
    assert [cell.spec_hash for cell in again.cells] == [cell.spec_hash for cell in before.cells]
    assert again.study.model_copy(update={"base": {}}) == before.study.model_copy(update={"base": {}})


def test_what_the_form_does_not_show_stays_as_it_was_written() -> None:
    raw = {**DEMO_RAW, "tags": {"course": "dl-101"}, "priority": 3}
    raw["vary"] = {**raw["vary"], "normalization": [{"kind": "layer_norm", "eps": 1e-3}, {"kind": "rms_norm"}]}
    raw["base"] = {**raw["base"], "training": {**raw["base"]["training"], "clip_norm": 1.0}}
    made = apply(raw, fields(sections(raw, CATALOG, QUEUES)), CATALOG)
    assert made["tags"] == {"course": "dl-101"}
    assert made["vary"]["normalization"][0] == {"kind": "layer_norm", "eps": 1e-3}
    assert made["base"]["training"]["clip_norm"] == 1.0


def test_another_kind_drops_the_options_of_the_old_one() -> None:
    sent = fields(sections(DEMO_RAW, CATALOG, QUEUES)) | {"architecture.kind": ["convnet"]}
    assert apply(DEMO_RAW, sent, CATALOG)["base"]["architecture"] == {"kind": "convnet"}


def test_a_learning_rate_may_be_typed_as_people_write_it() -> None:
    sent = fields(sections(DEMO_RAW, CATALOG, QUEUES)) | {"optimizer.lr": ["1e-4"]}
    assert apply(DEMO_RAW, sent, CATALOG)["base"]["training"]["optimizer"]["lr"] == 1e-4


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "no spaces please"}, "name"),
        ({"seeds": 0}, "seeds"),
        ({"metric": {"name": "test_eror"}}, "metric"),
        ({"queue": "tpu"}, "queue"),
        ({"baseline": {"normalization.kind": "power_norm"}}, "baseline"),
        ({"vary": {"normalization": [{"kind": "batch_norm"}], "training.batch_size": [1]}}, "values"),
        ({"vary": {"normalization": [{"kind": "layernorm"}]}}, "normalizations"),
    ],
)
def test_an_error_stands_at_its_field(change: dict[str, Any], field: str) -> None:
    raw = {**DEMO_RAW, **change}
    draft = draft_of(yaml_text(raw), CATALOG, QUEUES)
    placed, rest = errors_by_field(sections(raw, CATALOG, QUEUES), draft.errors)
    assert field in placed, (placed, rest, draft.errors)


def test_an_error_in_the_base_stands_at_its_option() -> None:
    raw = {**DEMO_RAW, "base": {**DEMO_RAW["base"], "architecture": {"kind": "mlp", "hidden": [-1]}}}
    placed, rest = errors_by_field(sections(raw, CATALOG, QUEUES), draft_of(yaml_text(raw), CATALOG, QUEUES).errors)
    assert list(placed) == ["architecture.hidden"]
    assert not rest


def test_an_error_of_no_field_is_kept_with_its_pointer() -> None:
    raw = {**DEMO_RAW, "wary": {}}
    placed, rest = errors_by_field(sections(raw, CATALOG, QUEUES), draft_of(yaml_text(raw), CATALOG, QUEUES).errors)
    assert not placed
    assert [error.pointer for error in rest] == ["/wary"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: a\nvary: [", "Line 2"),
        ("- a\n- b", "mapping"),
        ("", "mapping"),
        ("a: &x [1]\nb: [*x, *x]", "aliases"),
        ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("a: " + "[" * 3000, "nested too deeply"),
        ("x" * 70_000, "longer than"),
    ],
)
def test_what_is_no_study_text_is_refused_with_the_place(text: str, words: str) -> None:
    with pytest.raises(InvalidSpec, match=words):
        read_yaml(text)


def test_the_preview_has_a_frame_for_every_cell() -> None:
    draft = draft_of(yaml_text(DEMO_RAW), CATALOG, QUEUES)
    shown = first_runs(draft)
    assert draft.runs == 24
    assert shown["columns"] == ["4", "128"]
    assert len(shown["present"]) == len(draft.cells) == 8
    assert shown["title"] == "batch size"


def test_the_page_checks_a_draft_and_stores_nothing(pages: TestClient) -> None:
    before = pages.get("/v1/studies").json()["data"]
    answer = pages.post("/studies/new", json={"text": yaml_text({**DEMO_RAW, "seeds": -3})}, headers={"X-NormLab": "1"})
    assert answer.status_code == 200
    checked = answer.json()
    assert checked["study"] is None
    assert 'data-field="seeds" data-invalid' in checked["form"]
    assert pages.get("/v1/studies").json()["data"] == before


def test_a_text_with_markup_is_shown_as_text(pages: TestClient) -> None:
    raw = {**DEMO_RAW, "question": '"><script>alert(1)</script>', "wary": "<img src=x>"}
    checked = pages.post("/studies/new", json={"text": yaml_text(raw)}, headers={"X-NormLab": "1"}).json()
    assert "<script>" not in checked["form"] + checked["preview"]


@pytest.mark.parametrize("query", ["template=demo", "normalization=rms_norm", "normalization=layer_norm", ""])
def test_every_beginning_is_a_study_that_may_be_submitted(query: str, pages: TestClient) -> None:
    page = pages.get(f"/studies/new?{query}").text
    button = page[page.index('id="submit"') :]
    assert button.startswith('id="submit">Submit'), button[:40]


def test_a_stored_study_can_be_changed_and_submitted_again(pages: TestClient, ids: dict[str, str]) -> None:
    page = pages.get(f"/studies/new?from={ids['study']}").text
    assert "Does it keep working when the batch shrinks?" in page
    assert 'id="submit">Submit 36 runs' in page
