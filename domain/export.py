"""Comparisons and pivot tables as files: CSV and Parquet with every digit, Markdown and LaTeX as they are read."""

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from domain.findings import Comparison, Difference, Group
from domain.metric import place_words
from domain.numbers import bounds, decimals_for, half_words, number, p_value, percent, signed
from domain.pivot import Pivot, headings
from domain.words import field_words, setting_words, value_words

__all__ = ["ExportFormat", "agreed_words", "export", "export_pivot"]

ExportFormat = Literal["csv", "markdown", "latex", "parquet"]


class Text(NamedTuple):
    """One cell as it is read."""

    words: str
    bold: bool = False


class Table(NamedTuple):
    """Words in rows; the first column names the row."""

    heads: Sequence[str]
    rows: Sequence[Sequence[Text]]
    caption: str


def export(comparison: Comparison, form: ExportFormat) -> bytes:
    """The comparison, one row per group, with its difference from the baseline; text is UTF-8.

    The first columns are the fields grouped by; without any, the one group is named by what is compared.
    """
    if form in NUMBERS:
        return NUMBERS[form](*_numbers(comparison))
    return FORMS[form](_table(comparison)).encode()


def export_pivot(comparison: Comparison, table: Pivot, form: ExportFormat) -> bytes:
    """A pivot table of the comparison; each cell `mean ± half-width (n)`, or of numbers a line for each cell."""
    if form in NUMBERS:
        return NUMBERS[form](*_pivot_numbers(table))
    return FORMS[form](_pivot_table(comparison, table)).encode()


def _numbers(comparison: Comparison) -> tuple[list[str], list[list[Any]]]:
    differences = {(found.variant, found.stratum): found for found in comparison.differences}
    shown = ["n", "runs", "finished", "diverged", "failed", "mean", "sd", "half_width", "low", "high", "best", "bold"]
    costs = ["ms_per_step", "samples_per_second", "peak_memory", "seconds", "steps_to", "seconds_to"]
    tests = ["method", "pairs", "mean", "low", "high", "p", "p_holm", "verdict"]
    names = comparison.group_by or ["variant"]
    heads = [*names, "baseline", *shown, *costs, *(f"difference_{name}" for name in tests)]
    rows = []
    for group in comparison.groups:
        found = differences.get((group.variant, group.stratum))
        rows.append(
            [
                *(group.key.values() or [group.variant]),
                group.is_baseline,
                *(getattr(group, name) for name in shown),
                *(getattr(group, name).mean for name in costs),
                *(getattr(found, name, None) for name in tests),
            ]
        )
    return heads, rows


def _pivot_numbers(table: Pivot) -> tuple[list[str], list[list[Any]]]:
    """One line per cell, so that nothing has to be taken apart again."""
    heads = [table.row_field, table.column_field or "all", "n", "mean", "half_width", "low", "high", "bold"]
    rows = [
        [row, column, cell.n, cell.mean, cell.half_width, cell.low, cell.high, cell.bold]
        for row, cells in zip(table.rows, table.cells, strict=True)
        for column, cell in zip(table.columns, cells, strict=True)
        if cell is not None
    ]
    return heads, rows


def _as_csv(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([["" if value is None else _plain(value) for value in row] for row in rows])
    return text.getvalue().encode()


def _as_parquet(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    from domain.parquet import table_as_parquet  # noqa: PLC0415 - 40 MB that only this needs

    return table_as_parquet(heads, rows)


def _plain(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _table(comparison: Comparison) -> Table:
    differences = {(found.variant, found.stratum): found for found in comparison.differences}
    unit = f", {comparison.unit}" if comparison.unit else ""
    gap = f", {comparison.difference_unit}" if comparison.difference_unit else ""
    fields = [field_words(path) for path in comparison.group_by] or ["variant"]
    heads = [*fields, "n", "diverged", f"{comparison.metric_label}{unit}", f"difference{gap}", "p, Holm", "verdict"]
    rows = [_row(group, differences.get((group.variant, group.stratum)), comparison) for group in comparison.groups]
    return Table([*heads, "ms / step"], rows, _caption(comparison))


def _row(group: Group, found: Difference | None, comparison: Comparison) -> list[Text]:
    cost = group.ms_per_step
    names = [value_words(group.key[path]) for path in comparison.group_by] or [group.variant]
    return [
        *map(Text, names),
        Text(str(group.n)),
        Text(f"{group.diverged} of {group.finished}" if group.diverged else "0"),
        Text(_estimate(group), bold=group.bold),
        Text("baseline" if group.is_baseline else _difference(found)),
        Text(p_value(found.p_holm) if found else ""),
        Text(found.verdict if found else ""),
        Text("" if cost.mean is None else number(cost.mean, decimals_for(cost.half_width, cost.mean))),
    ]


def _estimate(group: Group) -> str:
    places = decimals_for(group.half_width, group.mean)
    half = half_words(group.half_width, group.n, places)
    return f"{number(group.mean, places)} ± {half}" if half else number(group.mean, places)


def _difference(found: Difference | None) -> str:
    if found is None or found.mean is None:
        return ""
    places = decimals_for(found.half_width, found.mean)
    interval = bounds(found.low, found.high, places) or ("[–]" if found.pairs > 1 else "")
    return f"{signed(found.mean, places)} {interval}".strip()


def _pivot_table(comparison: Comparison, table: Pivot) -> Table:
    most = max((group.n for group in comparison.groups), default=0)
    rows = [
        [Text(value_words(row)), *(_pivot_cell(cell, most) for cell in cells)]
        for row, cells in zip(table.rows, table.cells, strict=True)
    ]
    heads = [field_words(table.row_field), *headings(table.column_field, table.columns)]
    return Table(heads, rows, _caption(comparison))


def _pivot_cell(group: Group | None, most: int) -> Text:
    """`mean ± half-width`, with n where it is fewer than the others have, and what diverged."""
    if group is None:
        return Text("")
    words = _estimate(group)
    words += f" (n = {group.n})" if 0 < group.n < most else ""
    words += f", {group.diverged} diverged" if group.diverged else ""
    return Text(words, bold=group.bold)


def _caption(comparison: Comparison) -> str:
    at = {"final": "Final", "best": "Best"}.get(str(comparison.at), f"{place_words(comparison.at).capitalize()}:")
    unit = f", {comparison.unit}" if comparison.unit else ""
    most = max((group.n for group in comparison.groups), default=0)
    against = " and ".join(setting_words(path, value) for path, value in comparison.baseline.items())
    caption = (
        f"{at} {comparison.metric_label}{unit}, mean ± half of the {percent(comparison.confidence)} t-interval "
        f"over seeds (n = {most} where nothing else is said). "
        "Bold: the best, with all that the paired interval does not tell apart from it."
    )
    caption += agreed_words(comparison)
    if against:
        caption += f" Differences from {against} over equal seeds. {comparison.corrections.sentence}"
    return caption


def agreed_words(comparison: Comparison) -> str:
    """What a caption adds where an interval is a dash; empty where there is none."""
    agreed = any(group.n > 1 and group.half_width is None for group in comparison.groups)
    return " ± –: the same value in every seed, so no interval." if agreed else ""


def _markdown(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    aligns = ["---", *["---:"] * (len(table.heads) - 1)]
    body = [line([f"**{cell.words}**" if cell.bold else cell.words for cell in row]) for row in table.rows]
    return "\n".join([line(table.heads), line(aligns), *body, "", table.caption, ""])


def _latex(table: Table) -> str:
    """A table for the package booktabs."""

    def line(cells: Sequence[str]) -> str:
        return f"  {' & '.join(cells)} \\\\"

    body = [
        line([f"\\textbf{{{_tex(cell.words)}}}" if cell.bold else _tex(cell.words) for cell in row])
        for row in table.rows
    ]
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{_tex(table.caption)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(table.heads) - 1)}}}",
            r"  \toprule",
            line([_tex(head) for head in table.heads]),
            r"  \midrule",
            *body,
            r"  \bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


TEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "±": r"$\pm$",
    "−": r"$-$",
    "–": "--",
    "∞": r"$\infty$",
    "ε": r"$\varepsilon$",
    "β": r"$\beta$",
    "\u202f": r"\,",
    "\u00a0": "~",
}


def _tex(words: str) -> str:
    return "".join(TEX.get(sign, sign) for sign in words)


FORMS: dict[str, Callable[[Table], str]] = {"markdown": _markdown, "latex": _latex}
"""Tables to read."""
NUMBERS: dict[str, Callable[[Sequence[str], Sequence[Sequence[Any]]], bytes]] = {
    "csv": _as_csv,
    "parquet": _as_parquet,
}
"""Tables to compute with, every digit kept."""
