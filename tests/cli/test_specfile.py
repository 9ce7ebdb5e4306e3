"""Spec files: what is read, and what is refused before anything is sent."""

from pathlib import Path

import pytest

from cli.exits import CommandError, ExitCode
from cli.specfile import is_study, read_document


def write(tmp_path: Path, name: str, text: str) -> str:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return str(tmp_path / name)


def test_yaml_and_json_say_the_same(tmp_path: Path) -> None:
    yaml = write(tmp_path, "a.yaml", "dataset: {kind: digits}\ntraining: {optimizer: {lr: 1.0e-3}}\n")
    json = write(tmp_path, "a.json", '{"dataset": {"kind": "digits"}, "training": {"optimizer": {"lr": 0.001}}}')
    assert read_document(yaml) == read_document(json)


def test_a_mark_that_says_utf_8_is_passed_over(tmp_path: Path) -> None:
    assert read_document(write(tmp_path, "a.json", '\ufeff{"seeds": 3}')) == {"seeds": 3}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.yaml", "seeds: 1\nname: x\nseeds: 2\n", ("'seeds' occurs twice", "line 1", "line 3")),
        ("a.yaml", "base:\n  training: {lr: 1, lr: 2}\n", ("'lr' occurs twice",)),
        ("a.json", '{"a": {"b": 1, "b": 2}}', ("'b' occurs twice",)),
        ("a.json", '{"a": NaN}', ("NaN is no number",)),
        ("a.json", '{"a": 1e999}', ("1e999 is no number",)),
        ("a.json", '{"a": ', ("line 1",)),
        ("a.yaml", "a: [1, 2", ("line 1",)),
        ("a.yaml", "- 1\n- 2\n", ("mapping",)),
        ("a.yaml", "", ("mapping",)),
        ("a.yaml", "? [a, b]\n: c\n", ("line 1", "no text")),
        ("a.yaml", "a: &a [*a]", ("line 1", "aliases")),
        ("a.yaml", "a: !!binary aGVsbG8=", ("line 1", "could not determine a constructor")),
        ("a.yaml", "a: !!python/object/apply:os.getcwd []", ("could not determine a constructor",)),
        ("a.json", "[" * 100_000, ("Cannot read",)),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_its_place(
    tmp_path: Path, name: str, text: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(CommandError) as caught:
        read_document(write(tmp_path, name, text))
    assert caught.value.code is ExitCode.BAD_INPUT
    assert all(word in caught.value.message for word in (*words, name))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"nowhere\.yaml: No such file"):
        read_document(str(tmp_path / "nowhere.yaml"))


def test_a_study_is_told_from_a_job() -> None:
    assert is_study({"base": {}, "vary": {}})
    assert not is_study({"dataset": {}, "seeds": 3})
