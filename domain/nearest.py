"""The nearest valid name for a mistyped one."""

import difflib
from collections.abc import Iterable

__all__ = ["suggest"]

SHOWN = 24
"""How many names a list in a message may hold; a menu longer than that is better read in the catalog."""


def suggest(name: object, valid: Iterable[str]) -> str:
    """`Did you mean x?`, or the valid names when none is near; always a full sentence."""
    names = sorted(valid)
    if not names:
        return "There are none."
    wanted = str(name)[:100].lower()
    # Of three letters two that agree say nothing: `gpu` is not a slip of `cpu`.
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.6 if len(wanted) > 3 else 0.7)
    # A piece of one name only, such as `cosine` of `warmup_cosine`, is nearer than its letters say.
    inside = [known for known in names if len(wanted) >= 3 and wanted in known]
    if near or len(inside) == 1:
        return f"Did you mean {(near or inside)[0]}?"
    listed = ", ".join(names[:SHOWN])
    return f"There are: {listed}{', …' if len(names) > SHOWN else ''}."
