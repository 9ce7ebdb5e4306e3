"""YAML as people write specs in it: plain data by the rules of YAML 1.2, and nothing that could be meant otherwise.

PyYAML follows YAML 1.1, where `010` is 8, `1:30` is 90, `no` is false, `2026-01-01` is a date and `1e-3` is a text.
"""

import math
import re
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"
_PLAIN = {
    "null": r"^(?:~|null|Null|NULL|)$",
    "bool": r"^(?:true|True|TRUE|false|False|FALSE)$",
    "int": r"^[-+]?(?:0|[1-9][0-9]{0,99})$",
    "float": r"^[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)$",
}
"""What is no text although it has no quotes."""


class _PlainLoader(yaml.SafeLoader):
    """Each key once and a text; no aliases, a few lines of which can stand for gigabytes; only plain tags."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML reads it from the class
    yaml_constructors = {  # noqa: RUF012 - the same
        tag: made
        for tag, made in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.removeprefix(_TAG) in {*_PLAIN, "str", "seq", "map"}
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not read; write the value out", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if key.tag != f"{_TAG}str":
                raise _wrong(f"the key {_written(key)} is no text; put it in quotes", key)
            if key.value in lines:
                raise _wrong(f"the key {key.value!r} occurs twice (first in line {lines[key.value]})", key)
            lines[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep=deep)

    def construct_float(self, node: yaml.ScalarNode) -> float:
        value = float(node.value)
        if not math.isfinite(value):
            raise _wrong(f"{node.value} is no number that can be stored", node)
        return value


for _name, _pattern in _PLAIN.items():
    _PlainLoader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(_pattern), None)
_PlainLoader.add_constructor(f"{_TAG}float", _PlainLoader.construct_float)


def read_yaml(text: str) -> Any:
    """The value a text describes. Raises ValueError, with line and column, for what is no such YAML."""
    try:
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader that is stricter still
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except yaml.YAMLError as error:
        raise ValueError(_sentence(error)) from error


def _wrong(problem: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _written(key: yaml.Node) -> str:
    return key.value if isinstance(key, yaml.ScalarNode) else "in brackets"


def _sentence(error: yaml.YAMLError) -> str:
    """The place and what is wrong there, without PyYAML's drawing of it."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    if problem.startswith("but "):
        problem = f"{getattr(error, 'context', '')}, {problem}"
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else problem
