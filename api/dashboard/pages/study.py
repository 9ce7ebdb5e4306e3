"""One study at `/studies/{id}`: the question, what the runs show and what is behind it; the URL holds the choices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from api.context import CurrentCatalog, CurrentDatabase
from api.dashboard import numbers
from api.dashboard.comparison_table import ComparisonTable, estimate_of, table_of
from api.dashboard.evidence import Evidence, evidence_of
from api.dashboard.figures import cost as cost_figure
from api.dashboard.figures import forest, strip
from api.dashboard.figures.drawn import baseline_words, cost_points, forest_rows
from api.dashboard.matrix import Matrix, Row, matrix_of, slots_of
from api.dashboard.pages.parts import finished_of, open_of, state_of
from api.dashboard.render import page
from api.dashboard.spec_text import yaml_markup
from api.dashboard.view import AXES, CURVES, View, caption, controls, view_of_page
from domain.export import agreed_words
from domain.findings import Comparison
from domain.numbers import decimals_for, number, signed
from domain.run import RunStatus
from domain.store import runs, studies
from domain.study import Study
from domain.words import field_words, key_words

router = APIRouter(include_in_schema=False)

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
    ("Cost", "cost"),
    ("Table", "table"),
    ("Method", "method"),
    ("Repeat", "repeat"),
]

Word = Annotated[str, Query(max_length=300)]


@dataclass(frozen=True)
class Choices:
    """What the URL chooses: how curves are drawn, which strata curves, differences and cost show, all verdicts."""

    view: View
    at: str | None
    of: str | None
    cost: str | None
    verdicts: str | None

    def address(self, study: Study, **changed: str | None) -> str:
        chosen = {"at": self.at, "of": self.of, "cost": self.cost, "verdicts": self.verdicts}
        query = {name: value for name, value in {**chosen, **changed}.items() if value is not None}
        query |= self.view.query(CURVES)
        return f"/studies/{study.id}" + (f"?{urlencode(query)}" if query else "")

    def seen(self, study: Study, view: View) -> str:
        """The page with curves drawn otherwise."""
        return replace(self, view=view).address(study)


@router.get("/studies/{study_id}")
def show_study(
    request: Request,
    database: CurrentDatabase,
    catalog: CurrentCatalog,
    study_id: str,
    at: Word | None = None,
    of: Word | None = None,
    cost: Word | None = None,
    verdicts: Word | None = None,
) -> Response:
    chosen = Choices(view_of_page(request.query_params), at, of, cost, verdicts)
    with database.read() as c:
        study = studies.get(c, study_id)
        evidence = evidence_of(c, study, catalog)
        left = _seconds_left(c, study)
    comparison = evidence.comparison
    table = table_of(evidence)
    matrix = matrix_of(evidence, f"/studies/{study.id}")
    return page(
        request,
        "study.html",
        here="Studies",
        stream=f"/v1/events?study={study.id}",
        study=study,
        c=comparison,
        m=matrix,
        table=table,
        sections=SECTIONS,
        left=left,
        baseline_words=baseline_words(comparison),
        paired=all(difference.method == "paired" for difference in comparison.differences),
        **_head(study),
        **_verdicts(study, evidence, table, chosen),
        **_matrix(study, comparison, matrix),
        **_curves(study, evidence, matrix, chosen),
        **_differences(study, evidence, matrix, chosen),
        **_cost(study, evidence, matrix, chosen),
        **_table(study, comparison, table),
        method=_method(study, comparison),
        commands=_commands(study),
        spec_yaml=yaml_markup(_written(study)),
    )


def _seconds_left(c: Connection, study: Study) -> float | None:
    """What the running runs say is left, the longest of them; None while none has said anything."""
    if not study.counts.get("running"):
        return None
    running = runs.page(c, study_id=study.id, status=[RunStatus.RUNNING], limit=50).data
    return max((run.seconds_left for run in running if run.seconds_left is not None), default=None)


def _head(study: Study) -> dict[str, Any]:
    base = study.spec["base"]
    parts = [
        str(base[part].get("kind", "")) for part in ("architecture", "dataset") if isinstance(base.get(part), dict)
    ]
    return {
        "counts": study.counts,
        "state": state_of(study.counts),
        "finished": finished_of(study.counts),
        "open_runs": open_of(study.counts),
        "total": sum(study.counts.values()),
        "summary": " on ".join(part for part in parts if part)
        + f", {len(study.seeds)} seeds"
        + (f", baseline {key_words(study.baseline)}" if study.baseline else ""),
    }


def _verdicts(study: Study, evidence: Evidence, table: ComparisonTable, chosen: Choices) -> dict[str, Any]:
    """The headlines with their whiskers: what is shown first, then what is not, then what cannot be said yet."""
    comparison = evidence.comparison
    slots = slots_of(evidence)
    said = comparison.verdicts if chosen.verdicts == "all" else comparison.headlines
    ranked = sorted(said, key=lambda verdict: RANK[verdict.verdict])
    shown = ranked if chosen.verdicts == "all" else ranked[:VERDICTS]
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
        "more_verdicts": chosen.address(study, verdicts="all") if len(shown) < len(comparison.verdicts) else None,
    }


def _matrix(study: Study, comparison: Comparison, matrix: Matrix) -> dict[str, Any]:
    unit = f", {comparison.unit}" if comparison.unit else ""
    at = {"final": "Final", "best": "Best"}.get(str(comparison.at), f"At step {comparison.at}:")
    ramp = matrix.ramp
    places = decimals_for(abs(ramp.best - ramp.worst) or None, ramp.best) if ramp else 0
    beyond = "≥" if comparison.lower_is_better else "≤"
    return {
        "has_effect": bool(matrix.columns_title) and len(matrix.columns) > 1,
        "seeds_height": strip.height(len(matrix.rows)),
        "axes_words": " and ".join(map(field_words, _variant_first(comparison.group_by))) or "job",
        "ramp_words": (
            f"{beyond} {number(ramp.worst, places)}",
            f"{number(ramp.best, places)} {comparison.unit}".strip(),
        )
        if ramp
        else ("", ""),
        "matrix_caption": f"{at} {comparison.metric_label}{unit}, mean ± half of the 95 % interval over "
        f"{len(study.seeds)} seeds (n where fewer). Bold: best of its column, with all that the paired interval does "
        "not tell apart from it." + agreed_words(comparison),
    }


def _variant_first(axes: Sequence[str]) -> list[str]:
    """The normalization before what it is tried at."""
    return sorted(axes, key=lambda axis: not axis.startswith("normalization"))


def _curves(study: Study, evidence: Evidence, matrix: Matrix, chosen: Choices) -> dict[str, Any]:
    """A panel for each stratum chosen; without a choice, of many the first and the last."""
    strata = evidence.comparison.strata or [""]
    ends = strata if len(strata) <= PANELS else [strata[0], strata[-1]]
    shown = [chosen.at] if chosen.at in strata else ends
    query = {"study": study.id, **chosen.view.query(CURVES)}
    tabs = [(head, chosen.address(study, at=name), chosen.at == name) for head, name in _named(matrix, strata)]
    extra = [row.name for row in matrix.rows if not row.slot.number]
    first_and_last = ("first and last", chosen.address(study, at=None), chosen.at not in strata)
    return {
        "panels": [
            {
                "title": name,
                "url": f"/v1/figures/curves?{urlencode({**query, 'stratum': name})}",
                "key": _key(evidence, matrix, name),
            }
            for name in shown
        ],
        "small_panels": [
            {
                "title": ", ".join(part for part in (variant, name) if part),
                "url": f"/v1/figures/curves?{urlencode({**query, 'stratum': name, 'name': variant})}",
            }
            for variant in extra
            for name in shown
        ],
        "panel_tabs": [first_and_last, *tabs] if len(strata) > PANELS else [],
        "view_tabs": controls(chosen.view, lambda view: chosen.seen(study, view)),
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


def _named(matrix: Matrix, strata: Sequence[str]) -> list[tuple[str, str]]:
    return list(zip(matrix.columns, strata, strict=True))


def _differences(study: Study, evidence: Evidence, matrix: Matrix, chosen: Choices) -> dict[str, Any]:
    """The forest plot: everything where it fits, else one stratum at a time."""
    comparison = evidence.comparison
    strata = comparison.strata or [""]
    is_long = len(comparison.differences) > FOREST_ROWS
    stratum = chosen.of if chosen.of in strata else strata[0] if is_long and chosen.of != "all" else None
    rows = forest_rows(evidence, stratum)
    query = {"study": study.id, **({} if stratum is None else {"stratum": stratum})}
    tabs = [(head, chosen.address(study, of=name), stratum == name) for head, name in _named(matrix, strata)]
    return {
        "forest_rows": rows,
        "forest_height": forest.height(rows),
        "forest_url": f"/v1/figures/forest?{urlencode(query)}",
        "forest_tabs": [("all", chosen.address(study, of="all"), stratum is None), *tabs] if len(strata) > 1 else [],
    }


def _cost(study: Study, evidence: Evidence, matrix: Matrix, chosen: Choices) -> dict[str, Any]:
    comparison = evidence.comparison
    strata = comparison.strata or [""]
    stratum = chosen.cost if chosen.cost in strata else strata[0]
    points = cost_points(evidence, stratum)
    query = urlencode({"study": study.id, "stratum": stratum})
    tabs = [(head, chosen.address(study, cost=name), stratum == name) for head, name in _named(matrix, strata)]
    return {
        "cost_url": f"/v1/figures/cost?{query}" if points else None,
        "cost_title": stratum.capitalize() or comparison.metric_label.capitalize(),
        "cost_tabs": tabs if len(strata) > 1 else [],
        "cost_facts": _cost_facts(comparison, stratum, points),
    }


def _cost_facts(comparison: Comparison, stratum: str, points: Sequence[cost_figure.Point]) -> list[tuple[str, str]]:
    """What the figure says, in words: the frontier, the cheapest, the memory, the time of everything."""
    if not points:
        return []
    edge = cost_figure.frontier(points, lower_is_better=comparison.lower_is_better)
    cheapest = min(points, key=lambda point: point.cost)
    memory = [g.peak_memory.mean for g in comparison.groups if g.stratum == stratum and g.peak_memory.mean]
    seconds = sum(g.seconds.mean * g.seconds.n for g in comparison.groups if g.seconds.mean is not None)
    facts = [
        ("on the frontier", ", ".join(point.name for point in edge)),
        ("cheapest step", f"{cheapest.name}, {numbers.figures(cheapest.cost)} ms"),
        ("dearest step", f"{numbers.figures(max(p.cost for p in points) / cheapest.cost)} times that"),
    ]
    if memory:
        facts.append(("peak memory", f"{numbers.size(min(memory))} to {numbers.size(max(memory))}"))
    return [*facts, ("whole study", f"{numbers.duration(seconds)} of training")]


def _table(study: Study, comparison: Comparison, table: ComparisonTable) -> dict[str, Any]:
    address = f"/v1/comparisons?{urlencode({'study': study.id})}"
    unit = f", {comparison.unit}" if comparison.unit else ""
    grouped = ", ".join(map(field_words, _variant_first(comparison.group_by))) or "nothing"
    within = " of the same setting" if len(table.strata) > 1 else ""
    return {
        "downloads": [
            (words, f"{address}&format={form}")
            for words, form in (("CSV", "csv"), ("Markdown", "markdown"), ("LaTeX", "latex"))
        ],
        "metric_head": f"{comparison.metric_label}{unit}",
        "table_caption": f"Grouped by {grouped}. The difference "
        f"is from {baseline_words(comparison)}{within}; p-values are corrected after Holm.",
    }


def _method(study: Study, comparison: Comparison) -> list[tuple[str, str]]:
    return [
        (
            "mean and interval",
            "Student t over seeds, 95 %; n beside every number; no interval for n = 1, nor (–) for equal values",
        ),
        ("value of a run", f"{comparison.metric_label}, {_at_words(comparison)}"),
        (
            "difference",
            f"paired over equal seeds where there are enough, else Welch; {comparison.corrections.sentence}",
        ),
        ("verdict", "better or worse only if the corrected p is below 0.05; fewer than 3 seeds are too few"),
        ("diverged", "a loss that is NaN or infinite; counted with a Wilson interval, never averaged in"),
        ("seeds", ", ".join(map(str, study.seeds[:20])) + (" …" if len(study.seeds) > 20 else "")),
    ]


def _at_words(comparison: Comparison) -> str:
    return {"final": "at the end of its budget", "best": "at its best"}.get(
        str(comparison.at), f"at step {comparison.at}"
    )


def _written(study: Study) -> Mapping[str, Any]:
    """The study as one would write it: nothing that is only a default."""
    spec = study.spec
    kept = {name: spec[name] for name in ("name", "question", "base", "vary") if spec.get(name)}
    if spec.get("exclude"):
        kept["exclude"] = spec["exclude"]
    seeds: Any = len(study.seeds) if study.seeds == list(range(len(study.seeds))) else study.seeds
    return {**kept, "seeds": seeds, "metric": study.metric.model_dump(), "baseline": study.baseline}


def _commands(study: Study) -> str:
    runs_in_all = sum(study.counts.values())
    return (
        f"# the whole study, {runs_in_all} runs; the YAML beside it as {study.name}.yaml\n"
        f"normlab submit {study.name}.yaml --watch\n\n"
        f"# what it shows\nnormlab compare {study.name}\n\n"
        f"# every point\nnormlab export {study.name} > {study.name}.csv\n"
    )
