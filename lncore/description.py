"""A variant in words and numbers, read from its signature and docstring: what the catalog and the tables are made of.

The docstring of a variant is laid out so that people and this module read the same text:

    One sentence that says what it does.

    More, where needed.

    Formula: y = (x − μ)/√(σ² + ε) ⊙ γ + β
    Source: Ba, Kiros, Hinton 2016 (arXiv 1607.06450), §3
    Axes: which axes the statistics run over
    Options:
        eps: one line of meaning; the sentence may go on
            in deeper lines
    Helps: when to use it
    Hurts: when not to
    Raises: which errors, and when

Sections may be left out and may run over several lines; an option without a line in `Options:` is an error, so none
stays unexplained.
"""

import inspect
import re
import sys
from typing import Any

from lncore.options import option_types

SECTIONS = ("Formula", "Source", "Axes", "Options", "Helps", "Hurts", "Caveats", "Raises")
_HEADER = re.compile(rf"^({'|'.join(SECTIONS)}):\s*(.*)$")


def describe(cls: type) -> dict[str, Any]:
    """JSON-able description of the variant `cls`: its options, sentence, formula, source, axes, advice and rules.

    Raises ValueError when the docstring lacks its first sentence, or `Options:` and the signature disagree.
    """
    summary, sections = read_docstring(cls)
    return {
        "summary": summary,
        "formula": sections.get("Formula", ""),
        "paper": sections.get("Source", ""),
        "axes": sections.get("Axes", ""),
        "helps": sections.get("Helps", ""),
        "hurts": sections.get("Hurts", ""),
        "caveats": sections.get("Caveats", ""),
        "raises": sections.get("Raises", ""),
        "options": _describe_options(cls, sections.get("Options", "")),
        "rules": [rule.as_data() for rule in _rules(cls)],
    }


def read_docstring(cls: type) -> tuple[str, dict[str, str]]:
    """The first sentence of a docstring and its sections, each as one line (`Options` keeps its lines)."""
    text = inspect.cleandoc(cls.__doc__ or "")
    if not text:
        raise ValueError(f"{cls.__module__}.{cls.__name__} has no docstring; the catalog has nothing to say about it.")
    summary = " ".join(text.split("\n\n")[0].split())
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        header = _HEADER.match(line)
        if header:
            current = sections.setdefault(header[1], [])
            current.append(header[2])
        else:
            current.append(line)
    return summary, {name: _joined(name, lines) for name, lines in sections.items()}


def _joined(name: str, lines: list[str]) -> str:
    return "\n".join(lines) if name == "Options" else " ".join(" ".join(lines).split())


def _describe_options(cls: type, text: str) -> dict[str, Any]:
    meanings = _read_meanings(text)
    types = option_types(cls.__init__)  # type: ignore[misc]  # the constructor of this very class is meant
    for name in types.keys() ^ meanings.keys():
        where = "the signature" if name in meanings else "the Options of its docstring"
        raise ValueError(f"{cls.__module__}.{cls.__name__}: {name} is missing in {where}.")
    parameters = inspect.signature(cls).parameters
    return {
        name: {**option.as_data(), **_default(parameters[name]), "doc": meanings[name]}
        for name, option in types.items()
    }


def _default(parameter: inspect.Parameter) -> dict[str, Any]:
    if parameter.default is parameter.empty:
        return {"required": True, "default": None}
    default = list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
    return {"required": False, "default": default}


def _read_meanings(text: str) -> dict[str, str]:
    entries = re.split(r"^ {4}(\w+): ", text, flags=re.MULTILINE)
    return {name: " ".join(meaning.split()) for name, meaning in zip(entries[1::2], entries[2::2], strict=True)}


def _rules(cls: type) -> tuple[Any, ...]:
    return getattr(cls, "rules", getattr(sys.modules[cls.__module__], "rules", ()))
