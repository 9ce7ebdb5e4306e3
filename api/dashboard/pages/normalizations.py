"""The normalizations at `/normalizations`: what each is, and where it won and lost in stored comparisons."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from api.context import CurrentCatalog, CurrentDatabase
from api.dashboard.evidence import Evidence, evidence_of, remembered
from api.dashboard.figures.drawn import baseline_words
from api.dashboard.form import shown, type_words
from api.dashboard.normalization_cost import costs, kind_of, range_words
from api.dashboard.numbers import figures
from api.dashboard.palette import Slot, assign_slots
from api.dashboard.render import page
from api.dashboard.spec_text import yaml_markup
from domain.catalog import Catalog, Variant
from domain.errors import NotFound
from domain.findings import Difference
from domain.numbers import decimals_for, half_words, signed
from domain.store import studies
from domain.study import Study

router = APIRouter(include_in_schema=False)

STUDIES = 200
"""The newest studies whose comparisons are counted."""
RUNS = 3000
"""Runs that one visit compares anew; what is left over is said, and follows with the next visit."""

COSTS = 12
"""Settings of its cost that are shown."""


@dataclass(frozen=True)
class Finding:
    """One stored comparison of a normalization with a baseline."""

    study: Study
    kind: str
    setting: str
    against: str
    difference: Difference
    mean: str
    half: str | None
    unit: str


@router.get("/normalizations")
def list_normalizations(request: Request, database: CurrentDatabase, catalog: CurrentCatalog) -> Response:
    with database.read() as c:
        known, left = compared(c, catalog)
    found, paid = findings(known), costs(known)
    counted = {name: _record(name, found) for name in catalog.menu("normalizations")}
    variants = [
        {
            "name": name,
            "slot": slot_of(name),
            "summary": variant.summary,
            "axes": variant.axes,
            "needs": "; ".join(_needs(variant)),
            "record": counted[name],
            "cost": range_words([cost for cost in paid if cost.kind == name]),
        }
        for name, variant in catalog.menu("normalizations").items()
    ]
    return page(request, "normalizations.html", here="Normalizations", variants=variants, left=left)


@router.get("/normalizations/{name}")
def show_normalization(request: Request, database: CurrentDatabase, catalog: CurrentCatalog, name: str) -> Response:
    menu = catalog.menu("normalizations")
    if name not in menu:
        raise NotFound("normalization", name)
    with database.read() as c:
        known, left = compared(c, catalog)
    evidence = [finding for finding in findings(known) if finding.kind == name]
    paid = [cost for cost in costs(known) if cost.kind == name]
    variant = menu[name]
    options = [
        {"name": key, "doc": option.doc, "words": type_words(option), "default": shown(option.default) or "none"}
        for key, option in variant.options.items()
    ]
    example = {"normalization": {"kind": name, **{key: option.default for key, option in variant.options.items()}}}
    return page(
        request,
        "normalization.html",
        here="Normalizations",
        v=variant,
        slot=slot_of(name),
        options=options,
        evidence=evidence,
        invariances=_invariances(variant),
        costs=paid[:COSTS],
        more_costs=max(0, len(paid) - COSTS),
        cost_words=range_words(paid),
        left=left,
        example=yaml_markup(example),
    )


def slot_of(name: str) -> Slot:
    """The slot a normalization prefers; ink for those that take the next free one in a study."""
    slot = assign_slots([name])[name]
    is_preferred = slot.number > 1 or name == "layer_norm"
    return slot if is_preferred else Slot(0, slot.colour, "solid", "circle-open")


def compared(c: Connection, catalog: Catalog) -> tuple[list[tuple[Study, Evidence]], int]:
    """The newest studies with their comparisons, and how many studies are left for the next visit."""
    known: list[tuple[Study, Evidence]] = []
    left, runs = 0, 0
    for study in studies.page(c, limit=STUDIES).data:
        if remembered(study) is None:
            runs += sum(study.counts.values())
            if runs > RUNS:
                left += 1
                continue
        known.append((study, evidence_of(c, study, catalog)))
    return known, left


def findings(known: Sequence[tuple[Study, Evidence]]) -> list[Finding]:
    """Every difference from a baseline."""
    return [
        _finding(study, difference, baseline_words(evidence.comparison), evidence.comparison.difference_unit)
        for study, evidence in known
        for difference in evidence.comparison.differences
        if difference.mean is not None
    ]


def _finding(study: Study, difference: Difference, against: str, unit: str) -> Finding:
    places = decimals_for(difference.half_width, difference.mean)
    return Finding(
        study=study,
        kind=kind_of(difference.key),
        setting=difference.stratum,
        against=against,
        difference=difference,
        mean=signed(difference.mean, places),
        half=half_words(difference.half_width, difference.pairs, places),
        unit=unit,
    )


def _record(name: str, found: Sequence[Finding]) -> dict[str, Any]:
    counted = Counter(finding.difference.verdict for finding in found if finding.kind == name)
    return {
        "better": counted["better"],
        "worse": counted["worse"],
        "none": counted["no difference shown"],
    }


def _invariances(variant: Variant) -> list[dict[str, Any]]:
    """Each change of weights or data: by how much the output changed when measured, and what was published."""
    published = variant.fact("published", {})
    return [
        {"change": name, "by": figures(value, 2) if value else None, "published": published.get(name)}
        for name, value in variant.fact("changes", {}).items()
    ]


def _needs(variant: Variant) -> list[str]:
    return [rule.message for rule in variant.rules]
