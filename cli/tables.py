"""The comparison as a table in the terminal: one row per group, differences from the baseline, verdicts in words."""

from collections.abc import Sequence
from itertools import compress
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from cli.client import Record
from cli.output import console, number, table

VERDICT_STYLES = {"better": "green", "worse": "red", "no difference shown": "", "too few seeds": "dim"}


SPARED = ("p (Holm)", "ms per step", "95 % interval")
"""What a narrow terminal goes without, in this order; the sentences under the tables hold the intervals."""


def comparison_view(comparison: Record, *, width: int | None = None) -> Group:
    """Everything a comparison says: per stratum a table, then the verdicts and what must be known beside them.

    The tables have as many of their columns as `width` has room for, the terminal's by default.
    """
    parts: list[Any] = []
    strata, spared = _strata(comparison, width or console.width)
    for stratum in strata:
        parts += [stratum, Text()]
    if spared:
        parts.append(Text(f"A wider terminal also shows: {', '.join(spared)}.", "dim"))
    parts.append(Text(comparison["corrections"]["sentence"], "dim"))
    parts += [
        Text(f"• {verdict['sentence']}", VERDICT_STYLES[verdict["verdict"]]) for verdict in comparison["verdicts"]
    ]
    parts += [Text(f"! {note['sentence']}", "yellow") for note in comparison["notes"]]
    return Group(*parts)


def _strata(comparison: Record, width: int) -> tuple[list[Table], Sequence[str]]:
    """A table per stratum, all with the same columns, and the columns they go without to fit."""
    endless = console.options.update(max_width=10_000)
    for spared in range(len(SPARED) + 1):
        made = [_stratum(comparison, stratum, SPARED[:spared]) for stratum in comparison["strata"] or [""]]
        if max(console.measure(each, options=endless).maximum for each in made) <= width:
            break
    return made, SPARED[:spared]


def _stratum(comparison: Record, stratum: str, spared: Sequence[str]) -> Table:
    unit = f" ({comparison['unit']})" if comparison["unit"] else ""
    baseline = next((group["variant"] for group in comparison["groups"] if group["is_baseline"]), "baseline")
    columns = (
        "variant",
        f"mean{unit}",
        "95 % interval",
        "n",
        f"minus {baseline}",
        "p (Holm)",
        "verdict",
        "ms per step",
    )
    kept = [column not in spared for column in columns]
    rows = [compress(_row(comparison, group), kept) for group in comparison["groups"] if group["stratum"] == stratum]
    title = f"{comparison['metric_label']}, {comparison['at']}" + (f", {stratum}" if stratum else "")
    right = (columns[1], columns[2], "n", columns[4], "p (Holm)", "ms per step")
    return table(title, list(compress(columns, kept)), map(list, rows), right=right)


def _row(comparison: Record, group: Record) -> list[Any]:
    difference = next((d for d in comparison["differences"] if d["key"] == group["key"]), None)
    variant = Text(group["variant"], "bold" if group["bold"] else "")
    if group["diverged"]:
        variant.append(f" ({group['diverged']} of {group['finished']} diverged)", "red")
    seeds = str(group["n"]) if group["n"] == group["runs"] else f"{group['n']} of {group['runs']}"
    return [variant, number(group["mean"]), _interval(group), seeds, *_against(difference, group), _cost(group)]


def _interval(value: Record) -> str:
    if value["low"] is None:
        return "–"
    return f"{number(value['low'])} … {number(value['high'])}"


def _against(difference: Record | None, group: Record) -> list[Any]:
    """The paired difference with its half width, its corrected p and the verdict; the baseline says that it is one."""
    if difference is None:
        return ["baseline" if group["is_baseline"] else "–", "", ""]
    shown = "–" if difference["mean"] is None else f"{difference['mean']:+.3g}"
    if difference["pairs"] > 1:
        shown += " ± –" if difference["half_width"] is None else f" ± {difference['half_width']:.2g}"
    verdict = difference["verdict"]
    return [shown, number(difference["p_holm"], 2), Text(verdict, VERDICT_STYLES[verdict])]


def _cost(group: Record) -> str:
    return number(group["ms_per_step"]["mean"], 3)
