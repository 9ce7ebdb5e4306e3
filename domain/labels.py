"""Labels for values side by side: as short as tells them apart."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.words import value_words

__all__ = ["choice_labels"]


def choice_labels(choices: Sequence[Mapping[str, Any]]) -> list[str]:
    """A label for each choice `{kind: …, option: …}`: its kind, and where others share it the options that differ."""
    return [
        _label(choice, [other for other in choices if other.get("kind") == choice.get("kind")]) for choice in choices
    ]


def _label(choice: Mapping[str, Any], siblings: Sequence[Mapping[str, Any]]) -> str:
    differing = [
        f"{name}={value_words(value)}"
        for name, value in choice.items()
        if name != "kind" and any(name not in other or other[name] != value for other in siblings)
    ]
    return " ".join([*([value_words(choice["kind"])] if "kind" in choice else []), *differing]) or "as given"
