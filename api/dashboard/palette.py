"""Variant slots: which colour, dash and marker a variant keeps over a whole study, read from the plot template."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).parent / "static" / "plot_template.json"


@dataclass(frozen=True)
class Slot:
    """One of the eight looks of a variant. `number` is 0 where the eight are used up: ink, in a panel of its own."""

    number: int
    colour: str
    dash: str
    symbol: str

    def tint(self, alpha: float = 0.14) -> str:
        red, green, blue = (int(self.colour[at : at + 2], 16) for at in (1, 3, 5))
        return f"rgba({red},{green},{blue},{alpha})"


# What stands for a slot's marker in the text of a label, where Plotly cannot draw one.
GLYPHS = {
    "circle": "●",
    "square": "■",
    "diamond": "◆",
    "triangle-up": "▲",
    "x": "✕",
    "triangle-down": "▼",
    "cross": "✚",
    "hexagon": "⬢",
}


@cache
def plot_template() -> dict[str, Any]:
    template: dict[str, Any] = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    return template


@cache
def slots() -> tuple[Slot, ...]:
    return tuple(Slot(v["slot"], v["light"], v["dash"], v["symbol"]) for v in plot_template()["variants"])


@cache
def colour(name: str) -> str:
    """A colour of the light theme by its token's name; the browser swaps it for the dark one."""
    value: str = plot_template()["palette"]["light"][name]
    return value


def assign_slots(variants: Iterable[str]) -> dict[str, Slot]:
    """A slot for each variant: its preferred one if free, else the next; from the ninth on, ink (number 0)."""
    names = list(dict.fromkeys(variants))
    preferred = {v["preferred_by"]: slots()[v["slot"] - 1] for v in plot_template()["variants"] if v["preferred_by"]}
    taken = {name: preferred[name] for name in names if name in preferred}
    free = [slot for slot in slots() if slot not in taken.values()]
    for name in names:
        if name not in taken:
            taken[name] = free.pop(0) if free else Slot(0, colour("ink"), "solid", "circle-open")
    return {name: taken[name] for name in names}
