"""From an address to a figure: each kind reads what its parameters name and hands it to its builder."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from api.asking import question_of
from api.comparing import of_parameters
from api.dashboard.evidence import Evidence, evidence_of_question
from api.dashboard.figures import cost, curves, divergence, effect, fields, forest, heat, parallel, run, strip
from api.dashboard.figures.plot import Figure
from api.dashboard.matrix import column_heads, slots_of
from api.dashboard.palette import Slot, assign_slots
from api.dashboard.view import RUN, View, read_view
from domain.catalog import load_catalog
from domain.curves import curve_bands, seed_bands
from domain.errors import FieldError, InvalidSpec, NotFound
from domain.findings import Comparison, Group
from domain.metric import Metric, describe_metric
from domain.results import RunResult
from domain.statistics import Interval, wilson
from domain.store import curves as stored
from domain.store import jobs, runs

Params = Mapping[str, str]
POINTS = 300
"""Points of one seed where many are drawn together."""


def study_curves(c: Connection, params: Params) -> Figure:
    """Learning curves of one stratum of a comparison. Parameters: its question, stratum, name, from, to, a view's.

    With `name` one variant beside the baseline; without, all that have a slot: a ninth line nobody can tell apart.
    """
    evidence = _evidence(c, params)
    described = describe_metric(evidence.comparison.metric, load_catalog())
    slots = slots_of(evidence)
    stratum = params.get("stratum", "")
    groups = {group.variant: group for group in evidence.comparison.groups if group.stratum == stratum}
    shown = beside_baseline(evidence, params["name"]) if params.get("name") else with_slots(slots)
    results = {variant: evidence.behind(groups[variant]) for variant in shown if variant in groups}
    view = read_view(params)
    drawn = _curves_of(c, results, slots, described, view, params)
    return curves.curves(drawn, y_title=_title(described), view=view)


def with_slots(slots: Mapping[str, Slot]) -> list[str]:
    """The variants that can be told apart in one panel."""
    return [variant for variant, slot in slots.items() if slot.number]


def beside_baseline(evidence: Evidence, variant: str) -> list[str]:
    """The variants of a small panel: the baselines, and the one it is about. Raises NotFound."""
    if variant not in evidence.variants:
        raise NotFound("variant", variant)
    baselines = {group.variant for group in evidence.comparison.groups if group.is_baseline}
    return [each for each in evidence.variants if each in baselines or each == variant]


def job_curves(c: Connection, params: Params) -> Figure:
    """One series of every seed of a job. Parameters: job, name, from, to, and those of a view."""
    job = jobs.get(c, _wanted(params, "job"))
    described = describe_metric(_wanted(params, "name"), load_catalog())
    kind = str(job.spec["normalization"]["kind"])
    results = {
        kind: [_bare(each.id, job.id, each.seed, each.status.value, each.outcome) for each in runs.of_jobs(c, [job.id])]
    }
    view = read_view(params)
    drawn = _curves_of(c, results, assign_slots([kind]), described, view, params)
    return curves.curves(drawn, y_title=_title(described), view=view)


def run_series(c: Connection, params: Params) -> Figure:
    """One series of one run, with its attempts. Parameters: run, name, from, to, and those of a view."""
    found = runs.get(c, _wanted(params, "run"))
    name, view = _wanted(params, "name"), read_view(params, RUN)
    axis = view.x
    described = describe_metric(name, load_catalog())
    kind = str(jobs.get(c, found.job_id).spec["normalization"]["kind"])
    start, stop = _range(params)
    read = stored.curves(c, [found.id], name, axis=axis, start=start, stop=stop)
    attempts = [each for each in runs.attempts(c, found.id) if each.start_step > 0] if axis == "step" else []
    series = run.Series(
        key=name,
        x=read[0].x if read else [],
        y=[y * described.scale for y in read[0].y] if read else [],
        marks=[(mark.x, f"{mark.count} × {mark.kind}" if mark.count > 1 else mark.kind) for mark in read[0].marks]
        if read
        else [],
        y_title=_title(described),
        unit=described.unit,
        lower_is_better=described.lower_is_better if name.startswith(("validation", "test")) else None,
        x_end=float(found.total_steps) if axis == "step" and found.total_steps and start is None else None,
        is_zoomed=start is not None,
    )
    resumptions = [run.Resumption(each.number, each.start_step) for each in attempts]
    return run.run_curve(series, assign_slots([kind])[kind], resumptions, view=view)


def differences(c: Connection, params: Params) -> Figure:
    """The forest plot of a comparison. Parameters: its question, stratum (all when absent)."""
    evidence = _evidence(c, params)
    comparison = evidence.comparison
    unit = comparison.difference_unit or comparison.unit
    title = f"difference in {comparison.metric_label} from {baseline_words(comparison)}"
    return forest.forest(
        forest_rows(evidence, params.get("stratum")),
        x_title=f"{title}, {'percentage points' if unit == 'points' else unit} (95 % interval)",
        baseline=baseline_words(comparison),
        lower_is_better=comparison.lower_is_better,
    )


def forest_rows(evidence: Evidence, stratum: str | None = None) -> list[forest.Row]:
    """The rows of the forest plot: stratum by stratum, in each the variants in their fixed order."""
    slots = slots_of(evidence)
    strata, variants = evidence.comparison.strata, list(slots)
    found = [d for d in evidence.comparison.differences if d.mean is not None and stratum in {None, d.stratum}]
    found.sort(key=lambda d: (strata.index(d.stratum), variants.index(d.variant)))
    return [
        forest.Row(d.variant, slots[d.variant], d.stratum, d.pairs, d.mean, d.low, d.high, d.verdict)
        for d in found
        if d.mean is not None
    ]


def axis_effect(c: Connection, params: Params) -> Figure:
    """The metric against the strata of a comparison, or along one field. Parameters: the question; as `heat_of`."""
    evidence = _evidence(c, params)
    if "columns" in params:
        return _along_field(evidence, params)
    comparison = evidence.comparison
    title, heads = column_heads(comparison, comparison.strata)
    described = describe_metric(comparison.metric, load_catalog())
    position = {stratum: index for index, stratum in enumerate(comparison.strata)}
    points: dict[str, list[effect.Point]] = defaultdict(list)
    for group in sorted(comparison.groups, key=lambda group: position[group.stratum]):
        if group.mean is not None:
            points[group.variant].append(effect.Point(position[group.stratum], group.n, group.mean, group.half_width))
    slots = slots_of(evidence)
    variants = [effect.Variant(name, slots[name], points[name]) for name in with_slots(slots)]
    return effect.effect(variants, places=heads, x_title=title or "setting", y_title=_title(described))


def seeds_of(c: Connection, params: Params) -> Figure:
    """Every seed of every variant in one stratum. Parameters: the question, stratum."""
    evidence = _evidence(c, params)
    slots, described = slots_of(evidence), describe_metric(evidence.comparison.metric, load_catalog())
    groups = {g.variant: g for g in evidence.comparison.groups if g.stratum == params.get("stratum", "")}
    rows = [
        strip.Row(name, slots[name], [(v.seed, v.value) for v in group.values], group.mean, group.half_width)
        for name in slots
        if (group := groups.get(name)) and group.mean is not None
    ]
    return strip.strip(rows, x_title=_title(described))


COSTS = {"time": cost.TIME, "throughput": cost.THROUGHPUT, "memory": cost.MEMORY}


def cost_of(c: Connection, params: Params) -> Figure:
    """What is paid for the metric, in one stratum. Parameters: the question, stratum, against (one of COSTS)."""
    evidence = _evidence(c, params)
    against = _chosen(params, "against", list(COSTS))
    described = describe_metric(evidence.comparison.metric, load_catalog())
    points = cost_points(evidence, params.get("stratum", ""), against)
    lower = described.lower_is_better
    return cost.cost(points, y_title=_title(described), lower_is_better=lower, of=COSTS[against])


def cost_points(evidence: Evidence, stratum: str, against: str = "time") -> list[cost.Point]:
    """The groups of a stratum that have both a metric and this cost."""
    slots = slots_of(evidence)
    return [
        cost.Point(g.variant, slots[g.variant], g.n, paid.mean, paid.half_width, g.mean, g.half_width)
        for g in evidence.comparison.groups
        if g.stratum == stratum and g.mean is not None and (paid := _paid(g, against)).mean is not None
    ]


def _paid(group: Group, against: str) -> Interval:
    """The cost of a group; memory in MB."""
    if against == "memory":
        found = group.peak_memory
        scaled = {name: None if (v := getattr(found, name)) is None else v / 1e6 for name in ("mean", "half_width")}
        return found.model_copy(update=scaled)
    return group.samples_per_second if against == "throughput" else group.ms_per_step


def divergence_of(c: Connection, params: Params) -> Figure:
    """How often each variant diverged. Parameters: the question, stratum (all of them together when absent)."""
    evidence = _evidence(c, params)
    return divergence.divergence(divergence_rows(evidence, params.get("stratum")))


def divergence_rows(evidence: Evidence, stratum: str | None = None) -> list[divergence.Row]:
    """Every variant with its counts, added up over what strata are asked for."""
    groups = [group for group in evidence.comparison.groups if stratum in {None, group.stratum}]
    rows = []
    for name, slot in slots_of(evidence).items():
        shares = [group.divergence for group in groups if group.variant == name]
        rows.append(divergence.Row(name, slot, wilson(sum(s.count for s in shares), sum(s.of for s in shares))))
    return rows


def heat_of(c: Connection, params: Params) -> Figure:
    """Two varied fields crossed. Parameters: the question, rows, columns, rest (where a third one stands)."""
    evidence = _evidence(c, params)
    table, rows, columns = _crossed(evidence, params)
    title = _title(describe_metric(evidence.comparison.metric, load_catalog()))
    return heat.heat(table, rows_title=rows, columns_title=columns, value_title=title)


def _along_field(evidence: Evidence, params: Params) -> Figure:
    table, _, columns = _crossed(evidence, params)
    title = _title(describe_metric(evidence.comparison.metric, load_catalog()))
    return effect.effect(fields.effects_of(evidence, table), places=table.columns, x_title=columns, y_title=title)


def _crossed(evidence: Evidence, params: Params) -> tuple[heat.Table, str, str]:
    """What two fields have in their cells, and the titles of both. Raises InvalidSpec."""
    axes = fields.axes_of(evidence.comparison)
    if len(axes) < 2:
        detail = "A heat map crosses two fields, and here fewer vary."
        raise InvalidSpec([FieldError(pointer="?rows", code="too_few_axes", detail=detail)])
    rows = _chosen(params, "rows", axes)
    columns = _chosen(params, "columns", [axis for axis in axes if axis != rows])
    rest = _chosen(params, "rest", fields.rests_of(evidence, rows, columns))
    table = fields.heat_table(evidence, rows, columns, rest)
    across = fields.title_of(evidence, columns, len(table.columns))
    return table, fields.title_of(evidence, rows, len(table.rows)), across


def parallel_of(c: Connection, params: Params) -> Figure:
    """Every group through all that was varied and measured. Parameters: the question."""
    evidence = _evidence(c, params)
    title = _title(describe_metric(evidence.comparison.metric, load_catalog()))
    return parallel.parallel(*fields.parallel_lines(evidence, title))


def baseline_words(comparison: Comparison) -> str:
    """What the differences are taken from."""
    names = dict.fromkeys(group.variant for group in comparison.groups if group.is_baseline)
    return " or ".join(names) or "the baseline"


FIGURES: dict[str, Callable[[Connection, Params], Figure]] = {
    "curves": study_curves,
    "job": job_curves,
    "run": run_series,
    "forest": differences,
    "effect": axis_effect,
    "cost": cost_of,
    "seeds": seeds_of,
    "divergence": divergence_of,
    "heat": heat_of,
    "parallel": parallel_of,
}
"""The kinds of `/v1/figures/{kind}`. Each raises NotFound or InvalidSpec for parameters that name nothing."""


def _evidence(c: Connection, params: Params) -> Evidence:
    """What the parameters of a question (a study or jobs, and how they are compared) ask for."""
    with of_parameters():
        return evidence_of_question(c, question_of(params), load_catalog())


def _curves_of(
    c: Connection,
    results: Mapping[str, Sequence[RunResult]],
    slots: Mapping[str, Slot],
    described: Metric,
    view: View,
    params: Params,
) -> list[curves.Curve]:
    """Every variant's curve: its seeds read from the store, mean and interval over those that did not diverge."""
    start, stop = _range(params)
    ids = [result.run_id for group in results.values() for result in group]
    read = stored.curves(c, ids, described.name, axis=view.x, start=start, stop=stop, max_points=POINTS)
    by_run = {curve.run_id: curve for curve in read}
    return [_curve(name, slots[name], group, by_run, described) for name, group in results.items()]


def _curve(
    name: str, slot: Slot, group: Sequence[RunResult], by_run: Mapping[str, stored.Curve], described: Metric
) -> curves.Curve:
    """By the clock seeds do not meet, so there they have no mean."""
    read = [(result, by_run[result.run_id]) for result in group if result.run_id in by_run]
    seeds = [_seed(result, curve, described) for result, curve in read]
    staying = {seed.seed: list(zip(seed.x, seed.y, strict=True)) for seed in seeds if seed.left_at is None}
    by_clock = any(curve.axis == "wall" for _, curve in read)
    return curves.Curve(name, slot, len(staying), curve_bands({}) if by_clock else seed_bands(staying), seeds)


def _seed(result: RunResult, read: stored.Curve, described: Metric) -> curves.SeedCurve:
    y = [value * described.scale for value in read.y]
    left_at = read.marks[0].x if read.marks else _last(result, read) if result.outcome == "diverged" else None
    return curves.SeedCurve(result.seed, read.x, y, left_at)


def _last(result: RunResult, read: stored.Curve) -> float | None:
    """Where a run that diverged between two points of this series ended."""
    is_known = read.axis == "step" and result.steps is not None
    return result.steps if is_known else read.x[-1] if read.x else None


def _bare(run_id: str, job_id: str, seed: int, status: str, outcome: Any) -> RunResult:
    return RunResult(run_id=run_id, job_id=job_id, seed=seed, status=status, outcome=outcome, spec={})


def _title(described: Metric) -> str:
    return f"{described.label}, {described.unit}" if described.unit else described.label


def _wanted(params: Params, name: str) -> str:
    if not params.get(name):
        raise InvalidSpec([FieldError(pointer=f"?{name}", code="missing", detail=f"This figure needs ?{name}=….")])
    return params[name]


def _chosen(params: Params, name: str, choices: Sequence[str]) -> str:
    """One of the choices, the first when the address says nothing. Raises InvalidSpec."""
    value = params.get(name, choices[0])
    if value not in choices:
        detail = f"{name} is one of {', '.join(choices)}."
        raise InvalidSpec([FieldError(pointer=f"?{name}", code="unknown_choice", detail=detail)])
    return value


def _range(params: Params) -> tuple[float | None, float | None]:
    """The part of the axis that is on screen; both ends or none."""
    try:
        return (float(params["from"]), float(params["to"])) if "from" in params and "to" in params else (None, None)
    except ValueError:
        error = FieldError(pointer="?from", code="wrong_type", detail="from and to are numbers on the figure's axis.")
        raise InvalidSpec([error]) from None
