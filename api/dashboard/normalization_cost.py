"""What a normalization costs here: its time of a step as a multiple of no normalization's, over the same seeds."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.dashboard.evidence import Evidence
from api.dashboard.numbers import figures
from domain.findings import Group
from domain.numbers import decimals_for, number
from domain.statistics import t_interval
from domain.study import Study

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
        """`1.17 [1.15, 1.19]`"""
        if self.low is None or self.high is None:
            return figures(self.times)
        places = decimals_for((self.high - self.low) / 2, self.times)
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


def range_words(found: Sequence[Cost]) -> str:
    """The least and the greatest multiple; empty where nothing is known."""
    if not found:
        return ""
    low, high = (figures(end) for end in (min(c.times for c in found), max(c.times for c in found)))
    return low if low == high else f"{low} to {high}"
