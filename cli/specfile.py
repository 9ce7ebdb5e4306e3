"""Reads a job or a study from a YAML or JSON file; a key that stands twice, which both let pass, is refused."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from cli.exits import CommandError, ExitCode

Document = dict[str, Any]


class _StrictLoader(yaml.SafeLoader):
    """Plain data only, and each key of a mapping once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[Any, yaml.Mark] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"the key {key!r} occurs twice (first in line {seen[key].line + 1})",
                    key_node.start_mark,
                )
            seen[key] = key_node.start_mark
        return super().construct_mapping(node, deep=deep)


# YAML 1.1 reads 1e-5 as text because it has no dot; everybody who writes it means a number.
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def read_document(path: str) -> Document:
    """The mapping in the file ("-" for standard input).

    Raises CommandError with the line and column when it can't be read, holds a key twice, or isn't a mapping.
    """
    text = _text_of(path)
    try:
        document = _from_json(text) if path.endswith(".json") else yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - the loader is a SafeLoader that is stricter still
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _bad(path, " ".join(str(error).split())) from error
    if not isinstance(document, dict):
        raise _bad(path, "a job or a study is a mapping of names to values")
    return document


def is_study(document: Document) -> bool:
    """A study has a base spec that something varies over; a job is the spec itself."""
    return "base" in document or "vary" in document


def _text_of(path: str) -> str:
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(path, error.strerror if isinstance(error, OSError) and error.strerror else str(error)) from error


def _from_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)


def _unique(pairs: list[tuple[str, Any]]) -> Document:
    document: Document = {}
    for key, value in pairs:
        if key in document:
            raise ValueError(f"the key {key!r} occurs twice")
        document[key] = value
    return document


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _bad(path: str, why: str) -> CommandError:
    return CommandError(f"Cannot read {path}: {why}.", code=ExitCode.BAD_INPUT)
