"""Comparisons: runs grouped by what differs, with the statistics that are right for three to ten seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.catalog import Catalog
from domain.contrast import Contrast, Side, contrast_test, make_side
from domain.errors import FieldError, InvalidSpec
from domain.findings import Comparison, Corrections, Difference, Group, Note, SeedValue, Verdict, VerdictWord
from domain.grouping import differing_fields, flat_where, group_runs, latest, split_fields
from domain.headlines import headlines
from domain.metric import Metric, MetricChoice, describe_metric
from domain.notes import notes_on_contrasts, notes_on_groups, notes_on_strata
from domain.results import RunResult
from domain.statistics import CONFIDENCE, Interval, Share, holm
from domain.verdict import verdict_sentence

__all__ = [
    "Comparison",
    "Corrections",
    "Difference",
    "Group",
    "Interval",
    "Note",
    "RunResult",
    "SeedValue",
    "Share",
    "Verdict",
    "VerdictWord",
    "compare",
]


def compare(
    results: Sequence[RunResult],
    *,
    group_by: Sequence[str] = (),
    metric: MetricChoice,
    baseline: Mapping[str, Any],
    catalog: Catalog,
    threshold: float | None = None,
) -> Comparison:
    """Group `results` by the fields `group_by` and compare the groups with the baseline of their stratum.

    A field is a dotted path or a whole choice (`normalization`); no fields stand for everything that differs.
    `baseline` says by path which groups the others are compared with; empty for none. Of several runs of one spec and
    seed (a retry, a job submitted twice) the latest counts. `threshold`, in the metric's stored unit, is only repeated:
    the results bring when they reached it.

    Raises InvalidSpec when no spec has a field, or the baseline names a field that is not grouped by or several groups
    of one stratum.
    """
    described = describe_metric(metric.name, catalog)
    counted = latest(results)
    paths = list(group_by) or differing_fields(counted)
    sides = _sides(counted, paths, flat_where(baseline), described)
    strata = {name: _in_order(members, described) for name, members in _by_stratum(sides).items()}
    contrasts = _corrected([contrast for members in strata.values() for contrast in _contrasts(members, described)])
    tested = sum(contrast.difference.p is not None for contrast in contrasts)
    verdicts = [_verdict(contrast, described, metric, tested=tested) for contrast in contrasts]
    sides = [side for members in strata.values() for side in members]
    return Comparison(
        metric=metric.name,
        metric_label=described.label,
        at=metric.at,
        lower_is_better=described.lower_is_better,
        unit=described.unit,
        difference_unit=described.difference_unit,
        group_by=paths,
        baseline=dict(baseline),
        threshold=None if threshold is None else threshold * described.scale,
        confidence=CONFIDENCE,
        strata=list(strata),
        groups=[side.group for side in sides],
        differences=[contrast.difference for contrast in contrasts],
        corrections=_corrections(contrasts, tested),
        verdicts=verdicts,
        headlines=headlines(contrasts, verdicts, described, metric.at),
        notes=[
            *notes_on_groups(sides, described.label, metric.at),
            *notes_on_strata(strata),
            *notes_on_contrasts(contrasts),
        ],
    )


def _sides(
    results: Sequence[RunResult], group_by: Sequence[str], where: Mapping[str, Any], metric: Metric
) -> list[Side]:
    if not results:
        return []
    fields = split_fields(group_by, where)
    return [make_side(grouped, metric, where) for grouped in group_runs(results, group_by, fields)]


def _by_stratum(sides: Sequence[Side]) -> dict[str, list[Side]]:
    strata: dict[str, list[Side]] = {}
    for side in sides:
        strata.setdefault(side.group.stratum, []).append(side)
    return strata


def _in_order(members: Sequence[Side], metric: Metric) -> list[Side]:
    """The groups of a stratum, the best mean first and those without one last, with what is bold among them."""

    def rank(side: Side) -> tuple[bool, float]:
        mean = side.group.mean
        return (mean is None, 0.0 if mean is None else mean if metric.lower_is_better else -mean)

    ordered = sorted(members, key=rank)
    return [side.bold() if is_bold else side for side, is_bold in zip(ordered, _bold(ordered), strict=True)]


def _bold(ordered: Sequence[Side]) -> list[bool]:
    """The best, and all that the paired interval does not tell apart from it; one value alone has no interval."""
    candidates = [side for side in ordered if side.group.n >= 2]
    if len(candidates) < 2:
        return [False] * len(ordered)
    best = candidates[0]
    return [side is best or (side in candidates and not _apart(side, best)) for side in ordered]


def _apart(side: Side, best: Side) -> bool:
    """Whether the test, and so its interval, keeps the two apart; what is untested is not called as good as it."""
    p = contrast_test(side, best).test.p
    return p is None or p < 1 - CONFIDENCE


def _contrasts(members: Sequence[Side], metric: Metric) -> list[Contrast]:
    """Every group of a stratum against its baseline; none where the baseline is absent."""
    baselines = [side for side in members if side.group.is_baseline]
    if len(baselines) > 1:
        names = ", ".join(side.group.variant for side in baselines)
        detail = f"The baseline is {len(baselines)} groups ({names}); say which, or group by fewer fields."
        raise InvalidSpec([FieldError(pointer="/baseline", code="ambiguous", detail=detail)])
    return [Contrast.of(side, baseline, metric) for baseline in baselines for side in members if side is not baseline]


def _corrected(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """The contrasts with Holm's p-values over all that could be tested, and the verdicts those give."""
    testable = [contrast.difference.p for contrast in contrasts if contrast.difference.p is not None]
    corrected = iter(holm(testable))
    return [contrast.judged(None if contrast.difference.p is None else next(corrected)) for contrast in contrasts]


def _corrections(contrasts: Sequence[Contrast], count: int) -> Corrections:
    waiting = sum(contrast.difference.verdict == "too few seeds" for contrast in contrasts)
    sentence = f"Holm over {count} {'comparison' if count == 1 else 'comparisons'}"
    if waiting and not count:
        sentence = f"No comparison is tested yet; {waiting} {'waits' if waiting == 1 else 'wait'} for seeds"
    elif waiting:
        sentence += f"; {waiting} more {'waits' if waiting == 1 else 'wait'} for seeds"
    return Corrections(count=count, waiting=waiting, sentence=f"{sentence}.")


def _verdict(contrast: Contrast, described: Metric, metric: MetricChoice, *, tested: int) -> Verdict:
    difference = contrast.difference
    sentence = verdict_sentence(
        difference,
        contrast.side.group,
        contrast.baseline.group,
        described,
        at=metric.at,
        tested=tested,
        place=contrast.side.place,
        names=(contrast.side.subject, contrast.baseline.subject),
    )
    return Verdict(
        verdict=difference.verdict,
        sentence=sentence,
        key=difference.key,
        variant=difference.variant,
        stratum=difference.stratum,
        difference=difference,
    )
