"""The nearest valid name for a mistyped one."""

import difflib
from collections.abc import Iterable

__all__ = ["suggest"]

SHOWN = 12
"""How many names a list in a message may hold; a menu longer than that is better read in the catalog."""


def suggest(name: object, valid: Iterable[str]) -> str:
    """`Did you mean x?`, or the valid names when none is near; always a full sentence."""
    names = sorted(valid)
    if not names:
        return "There are none."
    near = difflib.get_close_matches(str(name)[:100].lower(), names, n=1, cutoff=0.5)
    if near:
        return f"Did you mean {near[0]}?"
    listed = ", ".join(names[:SHOWN])
    return f"There are: {listed}{', …' if len(names) > SHOWN else ''}."
