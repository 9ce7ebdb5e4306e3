"""What was entered into the form, laid over the study as it was written."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from api.dashboard.form import as_list, as_mapping
from domain.catalog import Catalog
from domain.yaml_text import read_yaml


def apply(raw: Mapping[str, Any], entered: Mapping[str, Sequence[str]], catalog: Catalog) -> dict[str, Any]:
    """The study with the form's values laid over it; what the form does not show stays as it was written."""
    study = copy.deepcopy(dict(raw))
    for name in ("question", "name"):
        study[name] = _one(entered, name)
    base = study["base"] = dict(as_mapping(study.get("base")))
    for menu in ("dataset", "architecture"):
        base[menu] = _entered_choice(entered, menu, as_mapping(base.get(menu)), catalog)
    base["training"] = _entered_training(entered, as_mapping(base.get("training")))
    study["vary"] = _entered_axes(entered, as_mapping(study.get("vary")))
    baseline = _one(entered, "baseline")
    study["baseline"] = {"normalization.kind": baseline} if baseline else {}
    study["seeds"] = scalar(_one(entered, "seeds"))
    study["metric"] = {
        **as_mapping(study.get("metric")),
        "name": _one(entered, "metric"),
        "at": scalar(_one(entered, "at")),
    }
    study["queue"] = _one(entered, "queue")
    base.setdefault("normalization", {"kind": baseline or "layer_norm"})
    return study


def scalar(text: str) -> Any:
    """What a person typed into a field: a number, true, a list in brackets or with commas, else the text."""
    try:
        return read_yaml(text) if text.strip() else text
    except ValueError:
        return text


def values(text: str) -> list[Any]:
    """Comma-separated values of an axis."""
    return [scalar(part.strip()) for part in text.split(",") if part.strip()]


def _entered_choice(
    entered: Mapping[str, Sequence[str]], menu: str, before: Mapping[str, Any], catalog: Catalog
) -> dict[str, Any]:
    """A choice of the form; with another kind the options of the old one go."""
    kind = _one(entered, f"{menu}.kind")
    same = kind == before.get("kind")
    variant = catalog.menu(f"{menu}s").get(kind)
    choice: dict[str, Any] = {"kind": kind}
    for name, option in (variant.options if variant else {}).items():
        text = _one(entered, f"{menu}.{name}") if same else ""
        if text.strip():
            choice[name] = values(text.strip("[]")) if option.items is not None else scalar(text)
    return choice


def _entered_training(entered: Mapping[str, Sequence[str]], before: Mapping[str, Any]) -> dict[str, Any]:
    training = dict(before)
    if batch := _one(entered, "training.batch_size").strip():
        training["batch_size"] = scalar(batch)
    else:
        training.pop("batch_size", None)
    training["budget"] = {_one(entered, "budget.unit"): scalar(_one(entered, "budget.amount"))}
    for part, default in (("optimizer", None), ("schedule", "constant")):
        kind = _one(entered, f"{part}.kind")
        old = as_mapping(before.get(part))
        if kind == default and not old:
            continue
        training[part] = dict(old) if old.get("kind") == kind else {"kind": kind}
    if rate := _one(entered, "optimizer.lr").strip():
        training["optimizer"]["lr"] = scalar(rate)
    if precision := _one(entered, "training.precision"):
        training["precision"] = precision
    return training


def _entered_axes(entered: Mapping[str, Sequence[str]], before: Mapping[str, Any]) -> dict[str, Any]:
    """The axes of the form, and those it does not show. A normalization keeps its options while it is ticked."""
    shown_axis = next((path for path in before if path != "normalization"), "")
    axis = _one(entered, "axis")
    vary: dict[str, Any] = {}
    if axis:
        vary[axis] = values(_one(entered, "values")) if axis == shown_axis or not shown_axis else []
    vary |= {path: old for path, old in before.items() if path not in {"normalization", shown_axis, axis}}
    ticked = entered.get("normalizations", ())
    kept = [entry for entry in as_list(before.get("normalization")) if _kind(entry) in ticked]
    known = {_kind(entry) for entry in kept}
    vary["normalization"] = [*kept, *({"kind": kind} for kind in ticked if kind not in known)]
    return vary


def _kind(entry: Any) -> str:
    return str(as_mapping(entry).get("kind"))


def _one(entered: Mapping[str, Sequence[str]], name: str) -> str:
    found = entered.get(name) or [""]
    return found[0]
