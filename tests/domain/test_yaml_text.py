"""What unquoted words of a spec mean, and what is refused because it could mean something else."""

import datetime as dt
import re

import pytest
import yaml

from domain.yaml_text import read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("1e-3", 0.001), ("1.e-3", 0.001), ("-2.5E+2", -250.0), (".5", 0.5), ("1.0", 1.0), ("-7", -7), ("0", 0)],
        *[("true", True), ("False", False), ("~", None), ("null", None), ("", None), ("[1, a]", [1, "a"])],
    ],
)
def test_numbers_truth_and_nothing_need_no_quotes(text: str, value: object) -> None:
    assert read_yaml(f"a: {text}") == {"a": value}
    assert type(read_yaml(f"a: {text}")["a"]) is type(value)


@pytest.mark.parametrize(
    "text", ["010", "0x20", "1:30", "1_000", "1_e3", "yes", "no", "on", "off", "2026-01-01", ".nan", ".inf", "9" * 101]
)
def test_what_yaml_1_1_would_turn_into_something_else_stays_the_text_it_is(text: str) -> None:
    assert read_yaml(f"a: {text}") == {"a": text}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3", "line 3, column 1: the key 'a' occurs twice (first in line 1)"),
        ("1: a", "line 1, column 1: the key 1 is no text; put it in quotes"),
        ("a: 1e999", "line 1, column 4: 1e999 is no number that can be stored"),
        ("a: [1\n", "line 2, column 1: expected ',' or ']'"),
        ("a:\n\tb: 1", "line 2, column 1: found character '\\t'"),
        ("a: 1\n---\nb: 2", "line 2, column 1: expected a single document in the stream, but found another"),
        ("a: &x [1]\nb: *x", "line 2, column 4: aliases"),
        ("a: !!timestamp 2026-01-01", "line 1, column 4: could not determine a constructor"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line_and_column(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        read_yaml(text)


def test_what_is_written_as_yaml_is_read_back() -> None:
    value = {"a": "yes", "b": "010", "c": 1e-5, "d": None, "e": [True, "true", "", "1", -0.5], "f": "2026-01-01"}
    assert read_yaml(yaml.safe_dump(value)) == value
    assert read_yaml(yaml.safe_dump({"day": dt.date(2026, 1, 1)})) == {"day": "2026-01-01"}
