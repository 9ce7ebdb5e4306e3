"""A spec as YAML for reading: keys coloured, values that are only the default in grey."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from markupsafe import Markup, escape

FLOW_WIDTH = 72
"""A mapping that fits in this many characters stays on one line, in braces."""


def yaml_text(value: Mapping[str, Any]) -> str:
    """Plain YAML, short mappings in braces: what one would have written by hand."""
    return "\n".join(text for text, _ in _lines(value, None, 0)) + "\n"


def yaml_markup(value: Mapping[str, Any], written: Mapping[str, Any] | None = None) -> Markup:
    """YAML with its keys marked; with `written`, whatever it does not hold is a default and grey."""
    lines = [_marked(text, is_default) for text, is_default in _lines(value, value if written is None else written, 0)]
    return Markup("\n").join(lines)


def _marked(text: str, is_default: bool) -> Markup:
    if is_default:
        return Markup('<span class="c">{}</span>').format(text)
    key, colon, rest = text.partition(":")
    return Markup('<span class="k">{}</span>{}{}').format(key, colon, rest) if colon else escape(text)


def _lines(value: Mapping[str, Any], written: Any, depth: int) -> Iterator[tuple[str, bool]]:
    pad = "  " * depth
    for key, item in value.items():
        is_default = written is not None and not (isinstance(written, Mapping) and key in written)
        flow = _flow(item)
        if not isinstance(item, Mapping) or not item or len(flow) + len(pad) + len(key) < FLOW_WIDTH:
            yield f"{pad}{key}: {flow}", is_default
            continue
        yield f"{pad}{key}:", is_default
        below = written.get(key) if isinstance(written, Mapping) else None
        yield from _lines(item, {} if is_default else below, depth + 1)


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
    # A bare scalar is followed by the end of its document.
    return text.removesuffix("\n").removesuffix("\n...")
