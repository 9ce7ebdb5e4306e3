"""Fields and values in words: `training.batch_size` 4 is read as "batch size 4"."""

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["field_words", "key_words", "setting_words", "shown", "value_words", "written"]

SHORT = {"lr": "learning rate", "eps": "ε", "betas": "β"}
UNITS = {"steps", "epochs", "seconds"}


def field_words(path: str) -> str:
    """The name of a field: its last key in words; of a kind, what it is the kind of."""
    *above, last = path.split(".")
    if last == "kind" and above:
        last = above[-1]
    return SHORT.get(last, last.replace("_", " "))


def value_words(value: Any) -> str:
    """A value as it is read in a sentence."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        # Six figures where they say it all; two values that differ must not read alike.
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, (list, tuple)):
        return "-".join(value_words(item) for item in value)
    if isinstance(value, Mapping):
        return " ".join(f"{name}={value_words(item)}" for name, item in value.items())
    return str(value)


def setting_words(path: str, value: Any) -> str:
    """A field and its value: `batch size 4`; a variant is called by its name alone, a budget by its unit behind."""
    if isinstance(value, str) and (path.endswith("kind") or "." not in path):
        return value
    if path.rsplit(".", 1)[-1] in UNITS:
        return f"{value_words(value)} {field_words(path)}"
    return f"{field_words(path)} {value_words(value)}"


def key_words(key: Mapping[str, Any]) -> str:
    """Several fields: `batch_norm, batch size 4`; no fields are the empty text."""
    return ", ".join(setting_words(path, value) for path, value in key.items())


def shown(value: object) -> str:
    """A value as it was sent, cut where it is long."""
    if isinstance(value, int) and abs(value) >= 10**30:
        return "a number of more than 30 digits"
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    # Lone surrogates cannot be written as UTF-8, and this text travels back in an answer.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= 60 else f"{text[:57]}…"


def written(number: float) -> str:
    """A number with all its digits, as one would write it: no point where it is whole."""
    return str(int(number)) if number == int(number) and abs(number) < 1e15 else repr(number)
