"""What a page shows of a comparison: verdicts, matrix, curves, differences, cost, table, method; the URL chooses."""

from collections.abc import Sequence
from typing import Any

from api.asking import address
from api.dashboard.comparison_table import ComparisonTable, estimate_of, table_of
from api.dashboard.evidence import Evidence
from api.dashboard.figures import forest, strip
from api.dashboard.figures.drawn import baseline_words, forest_rows
from api.dashboard.matrix import Matrix, Row, matrix_of, slots_of
from api.dashboard.pages.finding_figures import cost_section, fields_section, named, seeds_section
from api.dashboard.pages.place import Place
from api.dashboard.part import part_of
from api.dashboard.view import AXES, CURVES, caption, controls
from domain.export import agreed_words
from domain.findings import Comparison
from domain.metric import place_words
from domain.numbers import decimals_for, number, signed
from domain.words import field_words

VERDICTS = 6
"""Verdicts shown before one asks for all."""
PANELS = 2
FOREST_ROWS = 24
RANK = {"worse": 0, "better": 0, "no difference shown": 1, "too few seeds": 2}
SECTIONS = [
    ("Verdicts", "verdicts"),
    ("Matrix", "matrix"),
    ("Curves", "curves"),
    ("Differences", "differences"),
    ("Seeds", "seeds"),
    ("Cost", "cost"),
    ("Fields", "fields"),
    ("Table", "table"),
    ("Method", "method"),
]


def findings(place: Place, evidence: Evidence) -> dict[str, Any]:
    """Everything that `findings.html` shows; of a large comparison one part."""
    whole = evidence
    evidence, part = part_of(whole, place.chosen.part)
    comparison = evidence.comparison
    table, matrix = table_of(evidence), matrix_of(evidence, place.path)
    return {
        "c": comparison,
        "m": matrix,
        "table": table,
        "part": part,
        "earlier": _part_address(place, part.number - 1) if part.number > 1 else None,
        "later": _part_address(place, part.number + 1) if part.number < part.count else None,
        "baseline_words": baseline_words(comparison),
        "paired": all(difference.method == "paired" for difference in comparison.differences),
        **_verdicts(place, evidence, table),
        **_matrix(place, comparison, matrix),
        **_curves(place, evidence, matrix),
        **_differences(place, evidence, matrix),
        **seeds_section(place, evidence, matrix),
        **cost_section(place, evidence, matrix),
        **fields_section(place, whole),
        **_table(place, comparison, table),
        "method": _method(evidence),
    }


def _part_address(place: Place, number: int) -> str:
    """The address of another part; what was chosen among the settings of this one stays behind."""
    return (
        place.address(part=str(number) if number > 1 else None, panel=None, of=None, seeds=None, cost=None) + "#matrix"
    )


def _verdicts(place: Place, evidence: Evidence, table: ComparisonTable) -> dict[str, Any]:
    """The headlines with their whiskers: what is shown first, then what is not, then what cannot be said yet."""
    comparison = evidence.comparison
    slots = slots_of(evidence)
    said = comparison.verdicts if place.chosen.verdicts == "all" else comparison.headlines
    ranked = sorted(said, key=lambda verdict: RANK[verdict.verdict])
    shown = ranked if place.chosen.verdicts == "all" else ranked[:VERDICTS]
    scale = table.scale
    ticks = scale.ticks()
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    places = 0 if step >= 1 else decimals_for(step * 9.9)
    return {
        "verdicts": [
            (verdict, estimate_of(verdict.difference, scale), slots[verdict.variant].number) for verdict in shown
        ],
        "ticks": [(scale.at(tick), signed(tick, places)) for tick in ticks],
        "scale_words": f"{signed(scale.low, places)} to {signed(scale.high, places)}",
        "more_verdicts": place.address(verdicts="all") if len(shown) < len(comparison.verdicts) else None,
    }


def _matrix(place: Place, comparison: Comparison, matrix: Matrix) -> dict[str, Any]:
    unit = f", {comparison.unit}" if comparison.unit else ""
    at = {"final": "Final", "best": "Best"}.get(str(comparison.at), f"{place_words(comparison.at).capitalize()}:")
    ramp = matrix.ramp
    places = decimals_for(abs(ramp.best - ramp.worst) or None, ramp.best) if ramp else 0
    beyond = "≥" if comparison.lower_is_better else "≤"
    first = comparison.strata[0] if comparison.strata else ""
    return {
        "has_effect": bool(matrix.columns_title) and "," not in matrix.columns_title and len(matrix.columns) > 1,
        "effect_url": place.figure("effect"),
        "seeds_url": place.figure("seeds", stratum=first or None),
        "seeds_title": first,
        "seeds_height": strip.height(len(matrix.rows)),
        "axes_words": " and ".join(map(field_words, _variant_first(comparison.group_by))) or "job",
        "ramp_words": (
            f"{beyond} {number(ramp.worst, places)}",
            f"{number(ramp.best, places)} {comparison.unit}".strip(),
        )
        if ramp
        else ("", ""),
        "matrix_caption": f"{at} {comparison.metric_label}{unit}, mean ± half of the 95 % interval over "
        f"{_seeds_words(matrix.seeds)} (n where fewer). Bold: best of its column, with all that the paired interval "
        "does not tell apart from it." + agreed_words(comparison),
    }


def _seeds_words(count: int) -> str:
    return f"{count} seed" if count == 1 else f"{count} seeds"


def _variant_first(axes: Sequence[str]) -> list[str]:
    """The normalization before what it is tried at."""
    return sorted(axes, key=lambda axis: not axis.startswith("normalization"))


def _curves(place: Place, evidence: Evidence, matrix: Matrix) -> dict[str, Any]:
    """A panel for each stratum chosen; without a choice, of many the first and the last."""
    chosen = place.chosen
    strata = evidence.comparison.strata or [""]
    ends = strata if len(strata) <= PANELS else [strata[0], strata[-1]]
    shown = [chosen.panel] if chosen.panel in strata else ends
    view = chosen.view.query(CURVES)
    tabs = [(head, place.address(panel=name), chosen.panel == name) for head, name in named(matrix, strata)]
    extra = [row.name for row in matrix.rows if not row.slot.number]
    first_and_last = ("first and last", place.address(panel=None), chosen.panel not in strata)
    return {
        "panels": [
            {
                "title": name,
                "url": place.figure("curves", stratum=name, **view),
                "key": _key(evidence, matrix, name),
            }
            for name in shown
        ],
        "small_panels": [
            {
                "title": ", ".join(part for part in (variant, name) if part),
                "url": place.figure("curves", stratum=name, name=variant, **view),
            }
            for variant in extra
            for name in shown
        ],
        "panel_tabs": [first_and_last, *tabs] if len(strata) > PANELS else [],
        "view_tabs": controls(chosen.view, place.seen),
        "x_words": AXES[chosen.view.x],
        "curves_caption": caption(chosen.view),
    }


def _key(evidence: Evidence, matrix: Matrix, stratum: str) -> list[tuple[Row, int]]:
    """The variants of a panel, each with the number of seeds that its curve is made of."""
    groups = {group.variant: group for group in evidence.comparison.groups if group.stratum == stratum}
    return [
        (row, sum(1 for run in evidence.behind(groups[row.name]) if run.steps and run.outcome != "diverged"))
        for row in matrix.rows
        if row.slot.number and row.name in groups
    ]


def _differences(place: Place, evidence: Evidence, matrix: Matrix) -> dict[str, Any]:
    """The forest plot: everything where it fits, else one stratum at a time."""
    comparison = evidence.comparison
    strata = comparison.strata or [""]
    is_long = len(comparison.differences) > FOREST_ROWS
    first = strata[0] if is_long and place.chosen.of != "all" else None
    stratum = place.chosen.of if place.chosen.of in strata else first
    rows = forest_rows(evidence, stratum)
    tabs = [(head, place.address(of=name), stratum == name) for head, name in named(matrix, strata)]
    return {
        "forest_rows": rows,
        "forest_height": forest.height(rows),
        "forest_url": place.figure("forest", stratum=stratum),
        "forest_tabs": [("all", place.address(of="all"), stratum is None), *tabs] if len(strata) > 1 else [],
    }


def _table(place: Place, comparison: Comparison, table: ComparisonTable) -> dict[str, Any]:
    unit = f", {comparison.unit}" if comparison.unit else ""
    grouped = ", ".join(map(field_words, _variant_first(comparison.group_by))) or "nothing"
    within = " of the same setting" if len(table.strata) > 1 else ""
    subtracted = f" The difference is from {baseline_words(comparison)}{within}; p-values are corrected after Holm."
    return {
        "downloads": [
            (words, address("/v1/comparisons", place.question, format=form))
            for words, form in (("CSV", "csv"), ("Parquet", "parquet"), ("Markdown", "markdown"), ("LaTeX", "latex"))
        ],
        "metric_head": f"{comparison.metric_label}{unit}",
        "table_caption": f"Grouped by {grouped}." + (subtracted if comparison.baseline else ""),
    }


def _method(evidence: Evidence) -> list[tuple[str, str]]:
    comparison = evidence.comparison
    seeds = sorted({run.seed for runs in evidence.runs.values() for run in runs})
    return [
        (
            "mean and interval",
            "Student t over seeds, 95 %; n beside every number; no interval for n = 1, nor (–) for equal values",
        ),
        ("value of a run", f"{comparison.metric_label}, {place_words(comparison.at)}"),
        (
            "difference",
            f"paired over equal seeds where there are enough, else Welch; {comparison.corrections.sentence}",
        ),
        ("verdict", "better or worse only if the corrected p is below 0.05; fewer than 3 seeds are too few"),
        ("diverged", "a loss that is NaN or infinite; counted with a Wilson interval, never averaged in"),
        ("seeds", ", ".join(map(str, seeds[:20])) + (" …" if len(seeds) > 20 else "")),
    ]
