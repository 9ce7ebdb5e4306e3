"""The cell matrix: a comparison's groups as rows (variants) and columns (strata), coloured by the metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles

from api.dashboard.evidence import Evidence
from api.dashboard.palette import Slot, assign_slots
from domain.findings import Comparison, Group
from domain.numbers import decimals_for, half_words, number

STEPS = 7
"""How many steps the metric's colour has; the last is the best."""


@dataclass(frozen=True)
class Ramp:
    """The values at the two ends of the colour: everything at or beyond `worst` has the palest step."""

    best: float
    worst: float

    def step(self, value: float) -> int:
        if self.best == self.worst:
            return STEPS - 1
        share = (value - self.worst) / (self.best - self.worst)
        return min(STEPS - 1, max(0, int(share * STEPS)))


@dataclass(frozen=True)
class Cell:
    """One group as shown. `step` is None until there is a value; `done` is the share of seeds finished."""

    group: Group
    step: int | None
    done: float
    mean: str
    half: str | None
    mark: str | None
    href: str
    words: str


@dataclass(frozen=True)
class Row:
    name: str
    slot: Slot
    is_baseline: bool
    cells: Sequence[Cell | None]


@dataclass(frozen=True)
class Matrix:
    """Rows of cells in the order of the columns; a missing combination is None."""

    columns: Sequence[str]
    columns_title: str
    rows: Sequence[Row]
    ramp: Ramp | None
    seeds: int


def matrix_of(evidence: Evidence, address: str = "") -> Matrix:
    """The matrix of a study; each cell links to its curves on the study's page at `address`."""
    comparison = evidence.comparison
    ramp = ramp_of(comparison)
    strata = comparison.strata or [""]
    slots = slots_of(evidence)
    by_place = {(group.variant, group.stratum): group for group in comparison.groups}
    rows = [
        Row(
            name=name,
            slot=slot,
            is_baseline=any(g.is_baseline for g in comparison.groups if g.variant == name),
            cells=[
                _cell(by_place[name, stratum], ramp, address) if (name, stratum) in by_place else None
                for stratum in strata
            ],
        )
        for name, slot in slots.items()
    ]
    title, columns = column_heads(comparison, strata)
    return Matrix(columns, title, rows, ramp, seeds=max((g.runs for g in comparison.groups), default=0))


def slots_of(evidence: Evidence) -> dict[str, Slot]:
    """Every variant of a study with its slot, the baseline first; the same in every table and figure."""
    return assign_slots(evidence.variants)


def column_heads(comparison: Comparison, strata: Sequence[str]) -> tuple[str, list[str]]:
    """What the columns vary, and their heads: the shared words once, in the title, where all say them."""
    if strata == [""]:
        return "", [comparison.metric_label]
    words = [[part.rpartition(" ") for part in stratum.split(", ")] for stratum in strata]
    shared = {tuple(field for field, _, _ in parts) for parts in words}
    if len(shared) == 1 and all(field for field in next(iter(shared))):
        return ", ".join(shared.pop()), [", ".join(value for _, _, value in parts) for parts in words]
    return "", list(strata)


def ramp_of(comparison: Comparison) -> Ramp | None:
    """Ends of the colour: the best mean, and the upper quartile, so that one outlier leaves colour for the rest."""
    means = [group.mean for group in comparison.groups if group.mean is not None]
    if not means:
        return None
    best = min(means) if comparison.lower_is_better else max(means)
    distances = sorted(abs(mean - best) for mean in means)
    reach = quantiles(distances, n=4, method="inclusive")[2] if len(distances) > 1 else 0.0
    return Ramp(best, best + (reach if comparison.lower_is_better else -reach))


def _cell(group: Group, ramp: Ramp | None, address: str) -> Cell:
    places = decimals_for(group.half_width, group.mean)
    settled = group.finished + group.failed + group.cancelled
    return Cell(
        group=group,
        step=None if group.mean is None or ramp is None else ramp.step(group.mean),
        done=settled / group.runs if group.runs else 0.0,
        mean=number(group.mean, places),
        half=half_words(group.half_width, group.n, places),
        mark=next((mark for mark in ("diverged", "failed", "running") if getattr(group, mark)), None),
        href=f"{address}#curves" if address else "",
        words=_words(group),
    )


def _words(group: Group) -> str:
    """The cell for a reader: what stands in it, and what its marks mean."""
    parts = [f"{group.label}: {group.n} of {group.runs} seeds"]
    parts += [
        f"{getattr(group, word)} {word}" for word in ("diverged", "failed", "running", "queued") if getattr(group, word)
    ]
    return ", ".join(parts)
