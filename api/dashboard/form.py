"""The form of a study, made from the catalog, and the way back from what was entered to the study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.catalog import Catalog, Variant
from domain.errors import FieldError
from domain.metric import SPLITS
from domain.option import Option
from domain.training import optimizer_menu, schedule_menu

AXES = (
    ("training.batch_size", "batch size"),
    ("training.optimizer.lr", "learning rate"),
    ("training.optimizer.kind", "optimizer"),
    ("training.precision", "precision"),
    ("dataset.kind", "dataset"),
)
"""What a second axis may be, beside the architecture's own options."""
WORDS = {"int": "whole number", "float": "number", "bool": "true or false", "str": "text"}
LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
T_FACTORS = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 8: 2.36, 10: 2.26}
"""The factor of a 95 % t-interval by number of seeds, for the hint beside the seeds."""


@dataclass(frozen=True)
class Field:
    """One field: its name in the form, what it holds, and the pointer prefixes whose errors stand at it."""

    name: str
    label: str
    kind: str
    value: Any = ""
    choices: Sequence[tuple[str, str]] = ()
    hint: str = ""
    points: Sequence[str] = ()
    wide: bool = False


@dataclass(frozen=True)
class Section:
    title: str
    fields: Sequence[Field] = field(default_factory=tuple)


def sections(raw: Mapping[str, Any], catalog: Catalog, queues: Sequence[str]) -> list[Section]:
    """The whole form, filled with a study as written; what is missing shows as empty."""
    return [
        Section("Question", [_text("question", raw, wide=True), _name(raw)]),
        Section("Data and network", [*_choice(raw, catalog, "dataset"), *_choice(raw, catalog, "architecture")]),
        Section("What varies", _varied(raw, catalog)),
        Section("Training", _training(raw)),
        Section("Seeds and metric", _measure(raw, catalog, queues)),
    ]


def errors_by_field(form: Sequence[Section], errors: Sequence[FieldError]) -> tuple[dict[str, str], list[FieldError]]:
    """Errors at their fields, the longest matching pointer first; and those that belong to no field."""
    points = [(point, each.name) for section in form for each in section.fields for point in each.points]
    placed: dict[str, str] = {}
    rest = []
    for error in errors:
        fitting = [(len(p), name) for p, name in points if error.pointer == p or error.pointer.startswith(f"{p}/")]
        if fitting:
            placed.setdefault(max(fitting)[1], error.detail)
        else:
            rest.append(error)
    return placed, rest


def type_words(option: Option) -> str:
    """`number, at least 0 and at most 1`: type and bounds of an option as one reads them."""
    if option.choices is not None:
        return ", ".join(str(choice) for choice in option.choices)
    if option.items is not None:
        return f"list, each a {type_words(option.items)}"
    limits = " and ".join(f"{LIMITS[name]} {bound:g}" for name, bound in option.bounds.items())
    return ", ".join(part for part in (WORDS.get(option.type, option.type), limits) if part)


def _text(name: str, raw: Mapping[str, Any], *, wide: bool = False) -> Field:
    return Field(name, name, "text", raw.get(name, ""), points=[f"/{name}"], wide=wide)


def _name(raw: Mapping[str, Any]) -> Field:
    hint = "Letters, digits, dot, dash, underscore."
    return Field("name", "name", "text", raw.get("name", ""), hint=hint, points=["/name"])


def _choice(raw: Mapping[str, Any], catalog: Catalog, menu: str) -> list[Field]:
    """The select of a menu, and a field for each option of what is selected."""
    chosen = as_mapping(as_mapping(raw.get("base")).get(menu))
    variants = catalog.menu(f"{menu}s")
    variant = variants.get(str(chosen.get("kind")))
    at = f"/base/{menu}"
    kinds = [(name, name) for name in sorted(variants)]
    hint = variant.summary if variant else ""
    select = Field(f"{menu}.kind", menu, "select", chosen.get("kind"), kinds, hint, [at], wide=True)
    options = variant.options if variant else {}
    return [
        select,
        *(_option(f"{menu}.{name}", name, option, chosen.get(name), at) for name, option in options.items()),
    ]


def _option(name: str, label: str, option: Option, value: Any, at: str) -> Field:
    """One option; empty stands for its default, which is shown in its place."""
    hint = f"{option.doc}; {type_words(option)}" if option.choices is None else option.doc
    points = [f"{at}/{label}"]
    if option.choices is not None or option.type == "bool":
        known = option.choices if option.choices is not None else (True, False)
        default = "default" if option.default is None else f"default: {shown(option.default)}"
        choices = [("", default), *((shown(choice), shown(choice)) for choice in known)]
        return Field(name, label, "select", "" if value is None else shown(value), choices, hint, points)
    return Field(name, label, f"text:{shown(option.default)}", "" if value is None else shown(value), (), hint, points)


def shown(value: Any) -> str:
    """A value as one would type it: 1000, 1e-05, true, 1000, 1000."""
    if isinstance(value, list | tuple):
        return ", ".join(shown(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _varied(raw: Mapping[str, Any], catalog: Catalog) -> list[Field]:
    """The normalizations, which of them is the baseline, and one more axis."""
    vary = as_mapping(raw.get("vary"))
    listed = [entry for entry in as_list(vary.get("normalization")) if isinstance(entry, Mapping)]
    kinds = [str(entry.get("kind")) for entry in listed]
    menu = [(name, variant.summary) for name, variant in sorted(catalog.menu("normalizations").items())]
    baseline = as_mapping(raw.get("baseline")).get("normalization.kind", "")
    axis = next((path for path in vary if path != "normalization"), "")
    offered = [("", "nothing else"), *AXES, *_architecture_axes(raw, catalog)]
    if axis and axis not in dict(offered):
        offered.append((axis, axis))
    others = [path for path in vary if path not in {"normalization", axis}]
    more = f" {', '.join(others)} varies too: see the YAML." if others else ""
    baselines = [("", "none"), *_same(*dict.fromkeys(kinds))]
    paired = "The others are compared with it, seed by seed."
    given = ", ".join(shown(value) for value in as_list(vary.get(axis)))
    return [
        Field("normalizations", "normalizations", "checks", kinds, menu, points=["/vary/normalization"], wide=True),
        Field("baseline", "baseline", "select", baseline, baselines, paired, ["/baseline"]),
        Field("axis", "also vary", "select", axis, offered, f"A second axis.{more}", ["/vary"]),
        Field("values", "values", "text", given, (), "Separated by commas: 4, 128.", [f"/vary/{axis}"] if axis else []),
    ]


def _architecture_axes(raw: Mapping[str, Any], catalog: Catalog) -> list[tuple[str, str]]:
    kind = str(as_mapping(as_mapping(raw.get("base")).get("architecture")).get("kind"))
    variant: Variant | None = catalog.menu("architectures").get(kind)
    options = variant.options.items() if variant else ()
    return [(f"architecture.{name}", f"{kind}: {name}") for name, option in options if option.items is None]


def _training(raw: Mapping[str, Any]) -> list[Field]:
    training = as_mapping(as_mapping(raw.get("base")).get("training"))
    budget = as_mapping(training.get("budget"))
    unit = next((unit for unit in ("steps", "epochs", "seconds") if unit in budget), "steps")
    optimizer, schedule = as_mapping(training.get("optimizer")), as_mapping(training.get("schedule"))
    at = "/base/training"
    precisions = [("", "default: fp32"), *_same("fp32", "bf16", "fp16")]
    schedules = [(name, name.replace("_", " ")) for name in schedule_menu()]
    long, batch = "How long each run trains.", "Cases in one step; 1 to 65 536."
    return [
        _entry("training.batch_size", "batch size", training.get("batch_size"), f"{at}/batch_size", batch),
        _entry("budget.amount", "budget", budget.get(unit), f"{at}/budget", long),
        _select("budget.unit", "in", unit, _same("steps", "epochs", "seconds")),
        _select(
            "optimizer.kind", "optimizer", optimizer.get("kind", "adam"), _same(*optimizer_menu()), f"{at}/optimizer"
        ),
        _entry("optimizer.lr", "learning rate", optimizer.get("lr"), f"{at}/optimizer/lr", "0 to 100."),
        _select("schedule.kind", "schedule", schedule.get("kind", "constant"), schedules, f"{at}/schedule"),
        _select("training.precision", "precision", training.get("precision", ""), precisions, f"{at}/precision"),
    ]


def _entry(name: str, label: str, value: Any, point: str, hint: str) -> Field:
    return Field(name, label, "text", shown(value), (), hint, [point])


def _select(name: str, label: str, value: Any, choices: Sequence[tuple[str, str]], *points: str) -> Field:
    return Field(name, label, "select", value, choices, points=points)


def _same(*values: str) -> list[tuple[str, str]]:
    """Choices that are called what they are."""
    return [(value, value) for value in values]


def _measure(raw: Mapping[str, Any], catalog: Catalog, queues: Sequence[str]) -> list[Field]:
    seeds = raw.get("seeds", 3)
    count = len(seeds) if isinstance(seeds, list) else seeds
    metric = as_mapping(raw.get("metric"))
    at = [("final", "at the end"), ("best", "at its best")]
    if str(metric.get("at", "final")) not in dict(at):
        at.append(
            (str(metric["at"]), f"at step {metric['at']}" if isinstance(metric["at"], int) else str(metric["at"]))
        )
    return [
        Field("seeds", "seeds", "text", shown(seeds), (), _seeds_hint(count), ["/seeds"]),
        _select("metric", "metric", metric.get("name", "test_error"), _metrics(catalog), "/metric"),
        _select("at", "read", str(metric.get("at", "final")), at, "/metric/at"),
        _select("queue", "queue", raw.get("queue", "default"), _same(*queues), "/queue"),
    ]


def _metrics(catalog: Catalog) -> list[tuple[str, str]]:
    """Names of series by split and metric, as the runs record them."""
    menu = catalog.menu("metrics").items()
    return sorted(
        (f"{split}_{name}", f"{split} {name}") for name, each in menu for split in each.fact("splits", SPLITS)
    )


def _seeds_hint(count: Any) -> str:
    if not isinstance(count, int) or isinstance(count, bool):
        return "A count, or a list: 0, 1, 2."
    if count < 3:
        return f"{count} {'seed is' if count == 1 else 'seeds are'} too few for a verdict; 3 is the least, 5 is better."
    factor = T_FACTORS.get(count)
    note = f" (t = {factor:.2f})" if factor else ""
    return (
        f"{count} seeds: intervals are wide{note}; 5 make them about half as wide."
        if count < 5
        else f"{count} seeds{note}."
    )


def as_mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
