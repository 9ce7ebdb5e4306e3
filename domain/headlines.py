"""Headlines: the verdicts of one variant over several settings drawn together, one sentence for each word."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from domain.contrast import Contrast
from domain.findings import Verdict, VerdictWord
from domain.metric import At, Metric
from domain.numbers import bounds, decimals_for, number, signed
from domain.verdict import MIN_SEEDS, ends_words
from domain.words import field_words, value_words

__all__ = ["headlines"]

SHOWN = 3
"""Settings named in one sentence; the rest is counted."""


def headlines(contrasts: Sequence[Contrast], verdicts: Sequence[Verdict], metric: Metric, at: At) -> list[Verdict]:
    """One verdict per variant and word: its own where it is the only one, else one that draws several together.

    `verdicts` are those of the contrasts, in their order. Differences that only correction hides are drawn together
    apart from those that are plainly not told apart, and one without spread keeps its own sentence.
    """
    tested = sum(contrast.difference.p is not None for contrast in contrasts)
    said: list[Verdict] = []
    totals = {name: sum(other.difference.variant == name for other in contrasts) for name in _variants(contrasts)}
    for name, total in totals.items():
        drawn: dict[tuple[VerdictWord, bool], list[tuple[Contrast, Verdict]]] = {}
        for contrast, verdict in zip(contrasts, verdicts, strict=True):
            if contrast.difference.variant != name:
                continue
            if verdict.verdict == "no difference shown" and contrast.difference.low is None:
                said.append(verdict)
            else:
                drawn.setdefault((verdict.verdict, _hidden_by_correction(contrast)), []).append((contrast, verdict))
        for (word, hidden), members in drawn.items():
            said.append(_together(word, members, Scene(total, tested, metric, at), hidden=hidden))
    return said


def _variants(contrasts: Sequence[Contrast]) -> list[str]:
    return list(dict.fromkeys(contrast.difference.variant for contrast in contrasts))


class Scene(NamedTuple):
    """What every sentence of a variant needs: its settings, how many differences were tested, the metric and when."""

    total: int
    tested: int
    metric: Metric
    at: At


def _hidden_by_correction(contrast: Contrast) -> bool:
    """Whether the interval misses zero and yet no difference is shown."""
    found = contrast.difference
    misses = found.low is not None and found.high is not None and not found.low <= 0 <= found.high
    return found.verdict == "no difference shown" and misses


def _together(word: VerdictWord, members: Sequence[tuple[Contrast, Verdict]], scene: Scene, *, hidden: bool) -> Verdict:
    if len(members) == 1:
        return members[0][1]
    contrasts = sorted(
        (contrast for contrast, _ in members), key=lambda contrast: -abs(contrast.difference.mean or 0.0)
    )
    largest = contrasts[0]
    say = _hidden if hidden else SAY[word]
    left_out = any(side.group.diverged for contrast in contrasts for side in (contrast.side, contrast.baseline))
    return Verdict(
        verdict=word,
        sentence=say(contrasts, (largest.side.subject, largest.baseline.subject), scene)
        + (" Diverged runs are in none of these differences." if left_out else ""),
        key=largest.difference.key,
        variant=largest.difference.variant,
        stratum=largest.difference.stratum,
        difference=largest.difference,
    )


def _shown(contrasts: Sequence[Contrast], names: tuple[str, str], scene: Scene) -> str:
    side = "above" if (contrasts[0].difference.mean or 0.0) > 0 else "below"
    where = _settings(contrasts, scene.total)
    return f"{names[0]} {ends_words(scene.at)} {side} {names[1]} {where}: by {_listed(contrasts, _gap, scene.metric)}."


def _hidden(contrasts: Sequence[Contrast], names: tuple[str, str], scene: Scene) -> str:
    where = _settings(contrasts, scene.total)
    gaps = _listed(contrasts, _signed_gap, scene.metric)
    return (
        f"{names[0]} minus {names[1]} misses zero {where}, {gaps}; "
        f"among {scene.tested} comparisons (Holm) these show no difference."
    )


def _not_shown(contrasts: Sequence[Contrast], names: tuple[str, str], scene: Scene) -> str:
    where = _settings(contrasts, scene.total).replace("at every", "at any").replace("at both", "at either of the")
    largest = _listed(contrasts[:1], _signed_gap, scene.metric)
    return f"{names[0]} is not told apart from {names[1]} {where}; the largest difference is {largest}."


def _too_few(contrasts: Sequence[Contrast], names: tuple[str, str], scene: Scene) -> str:
    where = _settings(contrasts, scene.total)
    return f"{names[0]} and {names[1]} share fewer than {MIN_SEEDS} finished seeds {where}: no verdict there yet."


Say = Callable[[Sequence[Contrast], tuple[str, str], Scene], str]
SAY: dict[VerdictWord, Say] = {
    "better": _shown,
    "worse": _shown,
    "no difference shown": _not_shown,
    "too few seeds": _too_few,
}


def _listed(contrasts: Sequence[Contrast], gap: Callable[[Contrast, str], str], metric: Metric) -> str:
    """The first differences with their intervals and settings; the unit is said once, the rest is counted."""
    unit = f" {metric.difference_unit}" if metric.difference_unit else ""
    gaps = [
        f"{gap(contrast, '' if place else unit)} {_where(contrast)}" for place, contrast in enumerate(contrasts[:SHOWN])
    ]
    more = f", and at {len(contrasts) - SHOWN} more" if len(contrasts) > SHOWN else ""
    return ", ".join(gaps) + more


def _signed_gap(contrast: Contrast, unit: str) -> str:
    found = contrast.difference
    places = decimals_for(found.half_width, found.mean)
    return f"{signed(found.mean, places)}{unit} {bounds(found.low, found.high, places)}"


def _gap(contrast: Contrast, unit: str) -> str:
    """The size of a difference with its interval, both without their sign."""
    found = contrast.difference
    low, high = sorted((abs(found.low or 0.0), abs(found.high or 0.0)))
    places = decimals_for(found.half_width, found.mean)
    return f"{number(abs(found.mean or 0.0), places)}{unit} {bounds(low, high, places)}"


def _axis(contrasts: Sequence[Contrast]) -> str | None:
    """The one field by which the settings differ, if it is one."""
    fields = {tuple(contrast.side.grouped.stratum) for contrast in contrasts}
    (first, *others) = fields
    return first[0] if not others and len(first) == 1 else None


def _where(contrast: Contrast) -> str:
    axis = _axis([contrast])
    if axis is None or isinstance(contrast.side.grouped.stratum[axis], str):
        return contrast.side.place
    return f"at {value_words(contrast.side.grouped.stratum[axis])}"


def _settings(contrasts: Sequence[Contrast], total: int) -> str:
    axis = _axis(contrasts)
    noun = field_words(axis) if axis else "setting"
    if len(contrasts) == total:
        return f"at every {noun}" if total > 2 else f"at both {noun}s"
    return f"at {len(contrasts)} of {total} {noun}s"
