"""Specs as YAML for reading."""

from typing import Any

import pytest
import yaml

from api.dashboard.spec_text import yaml_markup, yaml_text

SPEC: dict[str, Any] = {
    "dataset": {"kind": "digits"},
    "architecture": {"kind": "mlp", "hidden": [1000, 1000], "activation": "relu"},
    "training": {
        "optimizer": {"kind": "adam", "lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0},
        "deterministic": True,
        "clip_norm": None,
    },
    "name": "true",
    "tags": {},
}


def test_what_is_written_reads_back_the_same() -> None:
    assert yaml.safe_load(yaml_text(SPEC)) == SPEC


@pytest.mark.parametrize("nasty", ["a: b", "# no", "'", "é\u202f", "x" * 300, "[1", "- 2", "null", "1e-3"])
def test_awkward_texts_read_back_the_same(nasty: str) -> None:
    assert yaml.safe_load(yaml_text({"name": nasty, "in": {"deep": nasty}})) == {"name": nasty, "in": {"deep": nasty}}


def test_short_mappings_stay_on_one_line() -> None:
    assert "dataset: {kind: digits}" in yaml_text(SPEC).splitlines()


def test_defaults_are_grey_and_keys_are_marked() -> None:
    text = str(yaml_markup({"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1}))
    assert '<span class="k">a</span>: 1' in text
    assert '<span class="c">b: {c: 2, d: 3}</span>' in text


def test_markup_in_a_spec_is_escaped() -> None:
    assert "<script>" not in str(yaml_markup({"name": "<script>alert(1)</script>", "<b>": 1}))
