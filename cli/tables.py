"""The comparison as a table in the terminal: one row per group, differences from the baseline, verdicts in words."""

from typing import Any

from rich.console import Group
from rich.text import Text

from cli.client import Record
from cli.output import number, table

VERDICT_STYLES = {"better": "green", "worse": "red", "no difference shown": "", "too few seeds": "dim"}


def comparison_view(comparison: Record) -> Group:
    """Everything a comparison says: per stratum a table, then the verdicts and what must be known beside them."""
    parts: list[Any] = []
    for stratum in comparison["strata"] or [""]:
        parts += [_stratum(comparison, stratum), Text()]
    parts.append(Text(comparison["corrections"]["sentence"], "dim"))
    parts += [
        Text(f"• {verdict['sentence']}", VERDICT_STYLES[verdict["verdict"]]) for verdict in comparison["verdicts"]
    ]
    parts += [Text(f"! {note['sentence']}", "yellow") for note in comparison["notes"]]
    return Group(*parts)


def _stratum(comparison: Record, stratum: str) -> Any:
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
    rows = [_row(comparison, group) for group in comparison["groups"] if group["stratum"] == stratum]
    title = f"{comparison['metric_label']}, {comparison['at']}" + (f", {stratum}" if stratum else "")
    return table(title, columns, rows, right=(columns[1], columns[2], "n", columns[4], "p (Holm)", "ms per step"))


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
