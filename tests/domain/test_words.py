"""Fields and values in words, and labels that tell choices apart."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.labels import choice_labels
from domain.words import field_words, key_words, setting_words, value_words


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("training.batch_size", 4, "batch size 4"),
        ("training.optimizer.lr", 0.001, "learning rate 0.001"),
        ("training.budget.steps", 20000, "20000 steps"),
        ("normalization", "layer_norm", "layer_norm"),
        ("normalization.kind", "layer_norm", "layer_norm"),
        ("normalization.eps", 1e-5, "ε 1e-05"),
        ("training.deterministic", True, "deterministic yes"),
        ("training.clip_norm", None, "clip norm none"),
        ("architecture.hidden", [32, 16], "hidden 32-16"),
    ],
)
def test_a_setting_is_read_as_people_say_it(path: str, value: Any, words: str) -> None:
    assert setting_words(path, value) == words


def test_a_kind_is_called_by_what_it_is_the_kind_of() -> None:
    assert field_words("training.optimizer.kind") == "optimizer"
    assert field_words("kind") == "kind"


def test_several_settings_are_listed() -> None:
    assert key_words({"normalization": "none", "training.batch_size": 4}) == "none, batch size 4"
    assert key_words({}) == ""


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_numbers_that_differ_never_read_alike(one: float, other: float) -> None:
    assert (value_words(one) == value_words(other)) == (one == other and str(one)[0] == str(other)[0])


OPTIONS = st.fixed_dictionaries(
    {"kind": st.sampled_from(["layer_norm", "group_norm"])},
    optional={"eps": st.sampled_from([1e-5, 1e-3]), "groups": st.sampled_from([4, 8])},
)


@given(st.lists(OPTIONS, min_size=1, max_size=6, unique_by=lambda choice: tuple(sorted(choice.items()))))
def test_labels_tell_different_choices_apart(choices: list[dict[str, Any]]) -> None:
    labels = choice_labels(choices)
    assert len(set(labels)) == len(choices)
    assert all(label.startswith(choice["kind"]) for label, choice in zip(labels, choices, strict=True))


def test_a_label_is_the_kind_alone_where_that_is_enough() -> None:
    assert choice_labels([{"kind": "group_norm", "groups": 8}, {"kind": "none"}]) == ["group_norm", "none"]
