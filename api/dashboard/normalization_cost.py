"""What a normalization costs here: its time of a step as a multiple of no normalization's, over the same seeds."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.dashboard.evidence import Evidence
from api.dashboard.numbers import figures, superscript
from domain.findings import Group
from domain.numbers import decimals_for, number
from domain.statistics import t_interval
from domain.study import Study
from domain.verdict import MIN_SEEDS

WITHOUT = "none"


@dataclass(frozen=True)
class Cost:
    """One setting of one study in which both were trained; `low` and `high` are None for a single pair of seeds."""

    study: Study
    kind: str
    setting: str
    ms: float
    ms_without: float
    times: float
    low: float | None
    high: float | None
    pairs: int

    @property
    def words(self) -> str:
        """`1.17 [1.15, 1.19]`; an interval wider than the ratio itself leaves each its own first figures."""
        if self.low is None or self.high is None:
            return figures(self.times)
        half = (self.high - self.low) / 2
        if half > self.times:
            return f"{figures(self.times, 2)} [{figures(self.low, 2)}, {_first_figures(self.high)}]"
        places = decimals_for(half, self.times)
        return f"{number(self.times, places)} [{number(self.low, places)}, {number(self.high, places)}]"


def kind_of(key: Mapping[str, Any]) -> str:
    """The normalization that a group or a difference is about; empty where a study varies something else."""
    label = key.get("normalization", key.get("normalization.kind", ""))
    return str(label).split(" ", maxsplit=1)[0]


def costs(known: Sequence[tuple[Study, Evidence]]) -> list[Cost]:
    """Every setting in which a normalization was trained beside none."""
    return [cost for study, evidence in known for cost in _costs_of(study, evidence)]


def _costs_of(study: Study, evidence: Evidence) -> Iterator[Cost]:
    groups = evidence.comparison.groups
    without = {group.stratum: group for group in groups if kind_of(group.key) == WITHOUT}
    for group in groups:
        kind, beside = kind_of(group.key), without.get(group.stratum)
        if kind not in {"", WITHOUT} and beside:
            pairs = _pairs(evidence, group, beside)
            if pairs:
                yield _cost(study, kind, group.stratum, pairs)


def _pairs(evidence: Evidence, group: Group, beside: Group) -> list[tuple[float, float]]:
    """Milliseconds of a step with and without, for each seed that has both."""
    without = {run.seed: run.step_time_ms for run in evidence.behind(beside)}
    found = ((run.step_time_ms, without.get(run.seed)) for run in evidence.behind(group))
    return [(one, other) for one, other in found if one and other]


def _cost(study: Study, kind: str, setting: str, pairs: Sequence[tuple[float, float]]) -> Cost:
    """Ratios are averaged as logarithms: half the time and twice the time then cancel."""
    ratio = t_interval([math.log(one / other) for one, other in pairs])
    bounds = [None if bound is None else math.exp(bound) for bound in (ratio.low, ratio.high)]
    return Cost(
        study=study,
        kind=kind,
        setting=setting,
        ms=sum(one for one, _ in pairs) / len(pairs),
        ms_without=sum(other for _, other in pairs) / len(pairs),
        times=math.exp(ratio.mean or 0.0),
        low=bounds[0],
        high=bounds[1],
        pairs=len(pairs),
    )


def _first_figures(value: float) -> str:
    """Two figures of any number: from ten thousand on as a power, since none of its other digits is known."""
    return figures(value, 2) if value < 1e4 else f"10{superscript(math.floor(math.log10(value)))}"


def range_words(found: Sequence[Cost]) -> str:
    """The least and the greatest multiple over enough pairs of seeds; empty where none has them."""
    times = [cost.times for cost in found if cost.pairs >= MIN_SEEDS]
    if not times:
        return ""
    low, high = figures(min(times)), figures(max(times))
    return low if low == high else f"{low} to {high}"
