"""The comparison table: each group's numbers as written, with its difference from the baseline as a whisker."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.dashboard.evidence import Evidence
from api.dashboard.matrix import slots_of
from api.dashboard.numbers import figures
from api.dashboard.palette import Slot
from api.dashboard.whisker import Scale, Whisker, scale_of, whisker
from domain.findings import Comparison, Difference, Group
from domain.numbers import decimals_for, half_words, number, p_value, signed


@dataclass(frozen=True)
class Estimate:
    """A difference in words and as a drawing; `half` is None for a single pair."""

    difference: Difference
    mean: str
    half: str | None
    p: str
    whisker: Whisker
    words: str


@dataclass(frozen=True)
class Row:
    group: Group
    slot: Slot
    mean: str
    half: str | None
    best: str
    diverged: str
    ms_per_step: str
    memory: str
    estimate: Estimate | None


@dataclass(frozen=True)
class Stratum:
    name: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class ComparisonTable:
    """Rows by stratum, and the scale that all whiskers of the page share."""

    strata: Sequence[Stratum]
    scale: Scale


def table_of(evidence: Evidence) -> ComparisonTable:
    comparison = evidence.comparison
    scale = scale_of_comparison(comparison)
    slots = slots_of(evidence)
    differences = {(d.variant, d.stratum): d for d in comparison.differences}
    strata = []
    for name in comparison.strata or [""]:
        groups = [group for group in comparison.groups if group.stratum == name]
        strata.append(
            Stratum(name, [_row(g, slots[g.variant], differences.get((g.variant, name)), scale) for g in groups])
        )
    return ComparisonTable(strata, scale)


def scale_of_comparison(comparison: Comparison) -> Scale:
    return scale_of((d.mean, d.low, d.high) for d in comparison.differences if d.mean is not None)


def estimate_of(difference: Difference, scale: Scale) -> Estimate | None:
    """A difference as the pages show it; None while there is nothing to subtract."""
    if difference.mean is None:
        return None
    places = decimals_for(difference.half_width, difference.mean)
    mean = signed(difference.mean, places)
    bounded = difference.low is not None and difference.high is not None
    words = (
        f"95 % interval {number(difference.low, places)} to {number(difference.high, places)}"
        if bounded
        else "equal in every seed, so no interval"
        if difference.pairs > 1
        else "no interval"
    )
    return Estimate(
        difference=difference,
        mean=mean,
        half=half_words(difference.half_width, difference.pairs, places),
        p=p_value(difference.p_holm),
        whisker=whisker(scale, difference.mean, difference.low, difference.high),
        words=f"{mean}, {words}",
    )


def _row(group: Group, slot: Slot, difference: Difference | None, scale: Scale) -> Row:
    places = decimals_for(group.half_width, group.mean)
    memory = group.peak_memory.mean
    return Row(
        group=group,
        slot=slot,
        mean=number(group.mean, places),
        half=half_words(group.half_width, group.n, places),
        best=number(group.best, places),
        diverged=f"{group.diverged} of {group.diverged + group.n}" if group.diverged else "0",
        ms_per_step=figures(group.ms_per_step.mean),
        memory=figures(None if memory is None else memory / 1e6),
        estimate=estimate_of(difference, scale) if difference else None,
    )
