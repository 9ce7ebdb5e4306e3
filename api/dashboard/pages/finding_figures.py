"""Sections of a comparison that are mostly a figure: seeds and divergence, cost against quality, varied fields."""

from collections.abc import Sequence
from typing import Any

from api.dashboard import numbers
from api.dashboard.evidence import Evidence
from api.dashboard.figures import cost, fields, heat, strip
from api.dashboard.figures.divergence import counts_words
from api.dashboard.figures.drawn import COSTS, cost_points, divergence_rows
from api.dashboard.matrix import Matrix
from api.dashboard.pages.place import Place
from api.dashboard.view import Choice
from domain.findings import Comparison
from domain.numbers import percent
from domain.statistics import wilson
from domain.words import field_words

RESTS = 12
"""Settings of the fields not shown that stand as tabs: the chosen one and its neighbours."""
COST_WORDS = {"time": "time of a step", "throughput": "samples per second", "memory": "peak memory"}


def named(matrix: Matrix, strata: Sequence[str]) -> list[tuple[str, str]]:
    """The strata, each with the short name that its column of the matrix has."""
    return list(zip(matrix.columns, strata, strict=True))


def seeds_section(place: Place, evidence: Evidence, matrix: Matrix) -> dict[str, Any]:
    """Every seed of a stratum, and what diverged there; without a choice, where most did."""
    strata = evidence.comparison.strata or [""]
    stratum = place.chosen.seeds if place.chosen.seeds in strata else _most_diverged(evidence, strata)
    tabs = [(head, place.address(seeds=name), stratum == name) for head, name in named(matrix, strata)]
    groups = evidence.comparison.groups
    diverged = wilson(sum(g.divergence.count for g in groups), sum(g.divergence.of for g in groups))
    return {
        "strip_title": stratum,
        "seeds_tabs": tabs if len(strata) > 1 else [],
        "strip_url": place.figure("seeds", stratum=stratum),
        # Of a single setting the seeds stand beside the matrix.
        "strip_shown": len(strata) > 1 and any(g.stratum == stratum and g.mean is not None for g in groups),
        "divergence_url": place.figure("divergence", stratum=stratum) if diverged.count else None,
        "divergence_words": f"{counts_words(diverged)} finished runs diverged; 95 % Wilson interval "
        f"{percent(diverged.low or 0.0)} to {percent(diverged.high or 0.0)}."
        if diverged.of
        else "no run has finished yet.",
        "rows_height": strip.height(len(matrix.rows)),
    }


def _most_diverged(evidence: Evidence, strata: Sequence[str]) -> str:
    counts = {name: sum(row.share.count for row in divergence_rows(evidence, name)) for name in strata}
    return max(strata, key=lambda name: counts[name])


def cost_section(place: Place, evidence: Evidence, matrix: Matrix) -> dict[str, Any]:
    """What is paid for the metric in one stratum: time, throughput or memory."""
    comparison = evidence.comparison
    strata = comparison.strata or [""]
    stratum = place.chosen.cost if place.chosen.cost in strata else strata[0]
    against = place.chosen.against if place.chosen.against in COSTS else "time"
    points = cost_points(evidence, stratum, against)
    tabs = [(head, place.address(cost=name), stratum == name) for head, name in named(matrix, strata)]
    return {
        "cost_url": place.figure("cost", stratum=stratum, against=against) if points else None,
        "cost_title": stratum.capitalize() or comparison.metric_label.capitalize(),
        "cost_words": COST_WORDS[against],
        "cost_tabs": tabs if len(strata) > 1 else [],
        "against_tabs": [(words, place.address(against=name), against == name) for name, words in COST_WORDS.items()],
        "cost_facts": _cost_facts(comparison, stratum, points, COSTS[against]),
    }


def _cost_facts(
    comparison: Comparison, stratum: str, points: Sequence[cost.Point], of: cost.Cost
) -> list[tuple[str, str]]:
    """What the figure says, in words: the frontier, the two ends, the memory, the time of everything."""
    if not points:
        return []
    edge = cost.frontier(points, lower_is_better=comparison.lower_is_better, of=of)
    ends = sorted(points, key=lambda point: point.cost, reverse=not of.less_is_better)
    least, most = ends[0], ends[-1]
    memory = [g.peak_memory.mean for g in comparison.groups if g.stratum == stratum and g.peak_memory.mean]
    seconds = sum(g.seconds.mean * g.seconds.n for g in comparison.groups if g.seconds.mean is not None)
    facts = [
        ("on the frontier", ", ".join(point.name for point in edge)),
        ("cheapest", f"{least.name}, {numbers.figures(least.cost)} {of.unit}"),
        ("dearest", f"{most.name}, {numbers.figures(most.cost / least.cost)} times that"),
    ]
    if memory:
        facts.append(("peak memory", f"{numbers.size(min(memory))} to {numbers.size(max(memory))}"))
    return [*facts, ("all of it", f"{numbers.duration(seconds)} of training")]


def fields_section(place: Place, evidence: Evidence) -> dict[str, Any]:
    """A heat map where two fields or more vary, and every group through all of them."""
    found = sum(1 for group in evidence.comparison.groups if group.mean is not None)
    return {
        "parallel_url": place.figure("parallel") if found > 1 else None,
        "parallel_words": f" The first {fields.LINES} of {found} groups." if found > fields.LINES else "",
        **_heat(place, evidence),
    }


def _heat(place: Place, evidence: Evidence) -> dict[str, Any]:
    axes = fields.axes_of(evidence.comparison)
    if len(axes) < 2:
        return {"heat_url": None, "along_url": None}
    rows = place.chosen.rows if place.chosen.rows in axes else axes[0]
    across = [axis for axis in axes if axis != rows]
    columns = place.chosen.columns if place.chosen.columns in across else across[0]
    rests = fields.rests_of(evidence, rows, columns)
    rest = place.chosen.rest if place.chosen.rest in rests else rests[0]

    def tab(axis: str, name: str, present: str) -> Choice:
        return field_words(axis), place.address(**{name: axis, "rest": None}), axis == present

    at = rests.index(rest)
    near = rests[max(0, min(at - RESTS // 2, len(rests) - RESTS)) :][:RESTS]
    return {
        "heat_url": place.figure("heat", rows=rows, columns=columns, rest=rest),
        "heat_words": f"{field_words(rows)} and {field_words(columns)}",
        "heat_height": heat.height(len(fields.heat_table(evidence, rows, columns, rest).rows)),
        "along_url": place.figure("effect", rows=rows, columns=columns, rest=rest) if len(axes) > 2 else None,
        "along_words": field_words(columns),
        "heat_tabs": [
            ("down", [tab(axis, "rows", rows) for axis in axes]),
            ("across", [tab(axis, "columns", columns) for axis in across]),
            ("where", [(name, place.address(rest=name), name == rest) for name in near]),
        ]
        if len(axes) > 2
        else [],
    }
