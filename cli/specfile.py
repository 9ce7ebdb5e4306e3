"""Reads a job or a study from a YAML or JSON file; a key that stands twice, which both let pass, is refused."""

import json
import math
import sys
from pathlib import Path
from typing import Any

from cli.exits import CommandError, ExitCode
from domain.yaml_text import read_yaml

Document = dict[str, Any]


def read_document(path: str) -> Document:
    """The mapping in the file ("-" for standard input).

    Raises CommandError with the line and column when it can't be read, holds a key twice, or isn't a mapping.
    """
    text = _text_of(path)
    try:
        document = _from_json(text) if path.endswith(".json") else read_yaml(text)
    except (ValueError, RecursionError) as error:
        raise _bad(path, " ".join(str(error).split())) from error
    if not isinstance(document, dict):
        raise _bad(path, "a job or a study is a mapping of names to values")
    return document


def is_study(document: Document) -> bool:
    """A study has a base spec that something varies over; a job is the spec itself."""
    return "base" in document or "vary" in document


def _text_of(path: str) -> str:
    """UTF-8 whatever the terminal speaks; the mark that Windows puts before it is passed over."""
    try:
        return (sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(path, error.strerror if isinstance(error, OSError) and error.strerror else str(error)) from error


def _from_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique, parse_float=_finite, parse_constant=_finite)


def _unique(pairs: list[tuple[str, Any]]) -> Document:
    document: Document = {}
    for key, value in pairs:
        if key in document:
            raise ValueError(f"the key {key!r} occurs twice")
        document[key] = value
    return document


def _finite(written: str) -> float:
    value = float(written)
    if not math.isfinite(value):
        raise ValueError(f"{written} is no number that can be stored")
    return value


def _bad(path: str, why: str) -> CommandError:
    return CommandError(f"Cannot read {path}: {why}.", code=ExitCode.BAD_INPUT)
