"""A group made ready to compare, and a group set against the baseline of its stratum."""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from domain.findings import Difference, Group, SeedValue
from domain.grouping import Grouped, matches, stratum_name, variant_name
from domain.metric import Metric
from domain.results import RunResult
from domain.statistics import DifferenceTest, Interval, paired, t_interval, welch, wilson
from domain.verdict import MIN_SEEDS, place_words, subject_words, verdict_word
from domain.words import key_words

__all__ = ["Contrast", "Side", "Tested", "contrast_test", "make_side"]


@dataclass(frozen=True)
class Side:
    """A group with the runs behind it."""

    group: Group
    grouped: Grouped
    counted: tuple[RunResult, ...]
    """Runs with a value, in the order of `group.values`."""

    @property
    def subject(self) -> str:
        return subject_words(self.grouped.variant) or self.group.label

    @property
    def place(self) -> str:
        return place_words(self.grouped.stratum)

    @cached_property
    def specs(self) -> frozenset[frozenset[tuple[str, Any]]]:
        """The distinct specs of its runs, as their items; mostly one, whatever the number of seeds."""
        return frozenset(frozenset(run.spec.items()) for run in self.grouped.runs)

    @cached_property
    def own_paths(self) -> frozenset[str]:
        """The fields that make this group what it is: those grouped by, a choice with all its options."""
        beginnings = tuple(path.removesuffix(".kind") for path in self.grouped.key)
        paths = {path for spec in self.specs for path, _ in spec}
        return frozenset(path for path in paths if is_below(path, beginnings))

    @cached_property
    def other_values(self) -> frozenset[tuple[str, Any]]:
        """The values its runs have in all other fields."""
        items = {item for spec in self.specs for item in spec}
        return frozenset(item for item in items if item[0] not in self.own_paths)

    def bold(self) -> "Side":
        return replace(self, group=self.group.model_copy(update={"bold": True}))

    def rest(self, run: RunResult) -> frozenset[tuple[str, Any]]:
        """The fields of a run that are not grouped by."""
        return frozenset(item for item in run.spec.items() if item[0] not in self.own_paths)

    def mixes(self) -> bool:
        """Whether a seed occurs more than once, with different values of fields that are not grouped by."""
        return len({run.seed for run in self.counted}) < len(self.counted)

    def by(self, pair_on: Callable[[RunResult], Hashable]) -> dict[Hashable, SeedValue]:
        return {pair_on(run): value for run, value in zip(self.counted, self.group.values, strict=True)}


def is_below(path: str, beginnings: Sequence[str]) -> bool:
    """Whether a dotted path is one of these, or a field inside one."""
    return any(path == beginning or path.startswith(f"{beginning}.") for beginning in beginnings)


def make_side(grouped: Grouped, metric: Metric, baseline: Mapping[str, Any]) -> Side:
    """The record of a group; `baseline` holds the conditions, by path, that make a group the baseline."""
    runs = sorted(grouped.runs, key=lambda run: (run.seed, run.run_id))
    diverged = [run for run in runs if has_diverged(run)]
    counted = [run for run in runs if run.status == "succeeded" and run.value is not None and run not in diverged]
    values = [SeedValue(seed=run.seed, value=(run.value or 0.0) * metric.scale, run_id=run.run_id) for run in counted]
    numbers = [value.value for value in values]
    status: Counter[str] = Counter(run.status for run in runs)
    mean = t_interval(numbers)
    group = Group(
        key=grouped.key,
        label=key_words(grouped.key) or "all runs",
        variant=variant_name(grouped),
        stratum=stratum_name(grouped),
        is_baseline=bool(baseline) and all(matches(run.spec, baseline) for run in runs),
        n=mean.n,
        mean=mean.mean,
        sd=mean.sd,
        half_width=mean.half_width,
        low=mean.low,
        high=mean.high,
        best=(min if metric.lower_is_better else max)(numbers, default=None),
        values=values,
        runs=len(runs),
        finished=status["succeeded"],
        diverged=len(diverged),
        failed=status["failed"],
        cancelled=status["cancelled"],
        running=status["running"],
        paused=status["paused"],
        queued=status["queued"],
        divergence=wilson(len(diverged), status["succeeded"]),
        ms_per_step=_cost(counted, "step_time_ms"),
        samples_per_second=_cost(counted, "samples_per_second"),
        peak_memory=_cost(counted, "peak_memory"),
        seconds=_cost(counted, "seconds"),
        steps_to=_cost(counted, "steps_to"),
        seconds_to=_cost(counted, "seconds_to"),
        reached=sum(run.steps_to is not None for run in counted),
        bold=False,
    )
    return Side(group, grouped, tuple(counted))


def has_diverged(run: RunResult) -> bool:
    """A result that is no number to average: the loss, or the metric itself, became NaN or infinite."""
    no_number = run.value is not None and not math.isfinite(run.value)
    return run.status == "succeeded" and (run.outcome == "diverged" or no_number)


def _cost(runs: Sequence[RunResult], field: str) -> Interval:
    found = [getattr(run, field) for run in runs]
    return t_interval([value for value in found if value is not None and math.isfinite(value)])


@dataclass(frozen=True)
class Tested:
    """How two groups were compared, and what came out."""

    method: Literal["paired", "welch"]
    test: DifferenceTest
    values: list[SeedValue]
    """Per pair; empty for Welch's test."""


def contrast_test(side: Side, baseline: Side) -> Tested:
    """A group minus another: over equal seeds where there are enough of them, else by Welch's test.

    Runs pair on their seed; where a group holds a seed several times, on the other fields of the spec too.
    """
    pair_on: Callable[[RunResult], Hashable] = lambda run: run.seed  # noqa: E731 - one of two keys
    if side.mixes() or baseline.mixes():
        pair_on = lambda run: (run.seed, side.rest(run))  # noqa: E731 - one of two ways to pair, chosen here
    ours, theirs = side.by(pair_on), baseline.by(pair_on)
    pairs = [
        SeedValue(seed=value.seed, value=value.value - theirs[on].value, run_id=value.run_id)
        for on, value in ours.items()
        if on in theirs
    ]
    if len(pairs) >= MIN_SEEDS or (pairs and min(len(ours), len(theirs)) < MIN_SEEDS):
        return Tested("paired", paired([pair.value for pair in pairs]), pairs)
    if min(len(ours), len(theirs)) < MIN_SEEDS:
        return Tested("paired", paired([]), [])
    test = welch([value.value for value in ours.values()], [value.value for value in theirs.values()])
    return Tested("welch", test, [])


@dataclass(frozen=True)
class Contrast:
    """A group against the baseline of its stratum."""

    side: Side
    baseline: Side
    difference: Difference
    lower_is_better: bool

    @classmethod
    def of(cls, side: Side, baseline: Side, metric: Metric) -> "Contrast":
        """The difference before correction; too few seeds have no p-value, so that they are not counted as tested."""
        tested = contrast_test(side, baseline)
        group, test = side.group, tested.test
        difference = Difference(
            key=group.key,
            label=group.label,
            variant=group.variant,
            stratum=group.stratum,
            method=tested.method,
            pairs=test.n,
            mean=test.mean,
            half_width=test.half_width,
            low=test.low,
            high=test.high,
            p=test.p if test.n >= MIN_SEEDS else None,
            p_holm=None,
            verdict="too few seeds",
            values=tested.values,
        )
        return cls(side, baseline, difference, metric.lower_is_better)

    def judged(self, p_holm: float | None) -> "Contrast":
        """The same with its corrected p-value and the verdict that gives."""
        found = self.difference
        word = verdict_word(found.pairs, found.mean, p_holm, lower_is_better=self.lower_is_better)
        return replace(self, difference=found.model_copy(update={"p_holm": p_holm, "verdict": word}))

    def confounded(self) -> list[str]:
        """Fields that are not grouped by and yet differ between the two sides."""
        return sorted({path for path, _ in self.side.other_values ^ self.baseline.other_values})
