"""Rules across the fields of a job: what its variants ask of the rest, and the ceilings on its size."""

from collections.abc import Iterator, Mapping
from typing import Any

from domain.catalog import Catalog, Rule, Variant
from domain.errors import FieldError
from domain.metric import SPLITS, metric_problem
from domain.pointer import pointer
from domain.size import oversize, widths
from domain.training import MAX_STEPS

__all__ = ["broken_rules"]

WHERE = {"dataset": "datasets", "architecture": "architectures", "normalization": "normalizations"}


def broken_rules(spec: Mapping[str, Any], catalog: Catalog) -> list[FieldError]:
    """Every rule the resolved spec breaks, at the field the rule is about."""
    dataset, architecture, _ = (catalog.variant(menu, spec[field]["kind"]) for field, menu in WHERE.items())
    return [
        *_variants_rules(spec, catalog),
        *_input_fits(dataset, architecture),
        *_batch_fits(spec, dataset),
        *_length_fits(spec, dataset),
        *_early_stopping_fits(spec, catalog),
        *oversize(spec, dataset, architecture, catalog.variant("normalizations", spec["normalization"]["kind"])),
    ]


def _variants_rules(spec: Mapping[str, Any], catalog: Catalog) -> Iterator[FieldError]:
    for field, menu in WHERE.items():
        choice = spec[field]
        for rule in catalog.variant(menu, choice["kind"]).rules:
            for place, value in _places(rule.path, spec, catalog):
                if not _holds(rule, value, choice):
                    detail = f"{rule.message}{_found(rule, place, value, choice)}."
                    yield FieldError(pointer=pointer(place), code="broken_rule", detail=detail)


def _places(path: str, spec: Mapping[str, Any], catalog: Catalog) -> Iterator[tuple[list[str | int], Any]]:
    """The fields a rule is about, each as keys from the top, with their values."""
    if path == "architecture.width*":
        architecture = catalog.variant("architectures", spec["architecture"]["kind"])
        for below, width in widths(spec["architecture"], architecture):
            yield ["architecture", *below], width
        return
    keys: list[str | int] = list(path.split("."))
    value: Any = spec
    for key in keys:
        if not isinstance(value, Mapping) or key not in value:
            return
        value = value[key]
    if path == "training.batch_size":
        # A norm sees what goes through the network at once: with accumulation, one part of the batch.
        value //= spec["training"]["accumulate"]
    yield keys, value


def _holds(rule: Rule, value: Any, choice: Mapping[str, Any]) -> bool:
    if rule.op == "divides":
        return bool(value % choice[rule.value] == 0)
    if rule.op == "in":
        return value in rule.value
    return bool({"ge": value >= rule.value, "le": value <= rule.value}[rule.op])


def _found(rule: Rule, place: list[str | int], value: Any, choice: Mapping[str, Any]) -> str:
    name = next(str(key) for key in reversed(place) if isinstance(key, str))
    if rule.op == "divides":
        return f": {rule.value} {choice[rule.value]} does not divide {name} {value}"
    if rule.op == "in":
        return f": {name} is {value}, not one of {', '.join(map(str, rule.value))}"
    return f": {name} is {value}"


def _input_fits(dataset: Variant, architecture: Variant) -> Iterator[FieldError]:
    given, accepted = dataset.fact("input"), architecture.fact("inputs")
    if given is not None and accepted is not None and given not in accepted:
        detail = f"{architecture.name} takes {' or '.join(accepted)} inputs, and {dataset.name} gives {given}."
        yield FieldError(pointer="/architecture/kind", code="input_mismatch", detail=detail)


def _batch_fits(spec: Mapping[str, Any], dataset: Variant) -> Iterator[FieldError]:
    batch, parts = spec["training"]["batch_size"], spec["training"]["accumulate"]
    cases = dataset.fact("sizes", {}).get("train")
    if cases is not None and batch > cases:
        detail = f"A batch of {batch} never fills: {dataset.name} has {cases} training cases, and only full ones train."
        yield FieldError(pointer="/training/batch_size", code="broken_rule", detail=detail)
    if batch % parts:
        detail = f"The batch is split into equal parts: accumulate {parts} does not divide batch_size {batch}."
        yield FieldError(pointer="/training/accumulate", code="broken_rule", detail=detail)


def _length_fits(spec: Mapping[str, Any], dataset: Variant) -> Iterator[FieldError]:
    training = spec["training"]
    budget, warmup = training["budget"], training["schedule"]["warmup"]
    cases = dataset.fact("sizes", {}).get("train")
    steps = budget.get("steps")
    if "epochs" in budget and cases is not None:
        steps = max(1, round(budget["epochs"] * (cases // training["batch_size"])))
        if steps > MAX_STEPS:
            detail = (
                f"{budget['epochs']:g} epochs are {steps} steps at this batch size; at most {MAX_STEPS} are allowed."
            )
            yield FieldError(pointer="/training/budget/epochs", code="resource_limit", detail=detail)
    if steps is not None and warmup > steps:
        detail = f"The warm-up of {warmup} steps is longer than the {steps} steps of the budget."
        yield FieldError(pointer="/training/schedule/warmup", code="broken_rule", detail=detail)


def _early_stopping_fits(spec: Mapping[str, Any], catalog: Catalog) -> Iterator[FieldError]:
    stopping = spec["training"]["early_stopping"]
    problem = stopping and metric_problem(stopping["metric"], catalog, splits=SPLITS[1:], measured=False)
    if problem:
        yield FieldError(pointer="/training/early_stopping/metric", code="unknown_metric", detail=problem)
