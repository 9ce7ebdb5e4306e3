"""Headlines: the verdicts of one variant over several settings drawn together, one sentence for each word."""

from collections.abc import Sequence

from domain.contrast import Contrast
from domain.findings import Verdict, VerdictWord
from domain.metric import At, Metric
from domain.numbers import bounds, decimals_for, number, signed
from domain.verdict import ends_words
from domain.words import field_words, value_words

__all__ = ["headlines"]

SHOWN = 3
"""Settings named in one sentence; the rest is counted."""


def headlines(contrasts: Sequence[Contrast], verdicts: Sequence[Verdict], metric: Metric, at: At) -> list[Verdict]:
    """One verdict per variant and word: its own where it is the only one, else one that draws several together.

    `verdicts` are those of the contrasts, in their order. What only misses zero before correction, or has no spread,
    keeps its own sentence, since no shorter one would be true.
    """
    said: list[Verdict] = []
    totals = {name: sum(other.difference.variant == name for other in contrasts) for name in _variants(contrasts)}
    for name, total in totals.items():
        drawn: dict[VerdictWord, list[tuple[Contrast, Verdict]]] = {}
        for contrast, verdict in zip(contrasts, verdicts, strict=True):
            if contrast.difference.variant != name:
                continue
            if _stands_alone(contrast):
                said.append(verdict)
            else:
                drawn.setdefault(verdict.verdict, []).append((contrast, verdict))
        said += [_together(word, members, total, metric, at) for word, members in drawn.items()]
    return said


def _variants(contrasts: Sequence[Contrast]) -> list[str]:
    return list(dict.fromkeys(contrast.difference.variant for contrast in contrasts))


def _stands_alone(contrast: Contrast) -> bool:
    found = contrast.difference
    crosses = found.low is not None and found.high is not None and found.low <= 0 <= found.high
    return found.verdict == "no difference shown" and not crosses


def _together(
    word: VerdictWord, members: Sequence[tuple[Contrast, Verdict]], total: int, metric: Metric, at: At
) -> Verdict:
    if len(members) == 1:
        return members[0][1]
    contrasts = sorted(
        (contrast for contrast, _ in members), key=lambda contrast: -abs(contrast.difference.mean or 0.0)
    )
    largest = contrasts[0]
    names = (largest.side.subject, largest.baseline.subject)
    sentence = {
        "better": _shown,
        "worse": _shown,
        "no difference shown": _not_shown,
        "too few seeds": _too_few,
    }[word](contrasts, names, total, metric, at)
    left_out = any(side.group.diverged for contrast in contrasts for side in (contrast.side, contrast.baseline))
    return Verdict(
        verdict=word,
        sentence=sentence + (" Diverged runs are in none of these differences." if left_out else ""),
        key=largest.difference.key,
        variant=largest.difference.variant,
        stratum=largest.difference.stratum,
        difference=largest.difference,
    )


def _shown(contrasts: Sequence[Contrast], names: tuple[str, str], total: int, metric: Metric, at: At) -> str:
    side = "above" if (contrasts[0].difference.mean or 0.0) > 0 else "below"
    gaps = [
        f"{_gap(contrast, metric, first=not at_)} {_where(contrast)}" for at_, contrast in enumerate(contrasts[:SHOWN])
    ]
    more = f", and at {len(contrasts) - SHOWN} more" if len(contrasts) > SHOWN else ""
    where = _settings(contrasts, total)
    return f"{names[0]} {ends_words(at)} {side} {names[1]} {where}: by {', '.join(gaps)}{more}."


def _not_shown(contrasts: Sequence[Contrast], names: tuple[str, str], total: int, metric: Metric, at: At) -> str:
    del at
    found = contrasts[0].difference
    places = decimals_for(found.half_width, found.mean)
    unit = f" {metric.difference_unit}" if metric.difference_unit else ""
    largest = f"{signed(found.mean, places)}{unit} {bounds(found.low, found.high, places)} {_where(contrasts[0])}"
    where = _settings(contrasts, total).replace("at every", "at any").replace("at both", "at either of the")
    return f"{names[0]} is not told apart from {names[1]} {where}; the largest difference is {largest}."


def _too_few(contrasts: Sequence[Contrast], names: tuple[str, str], total: int, metric: Metric, at: At) -> str:
    del metric, at
    where = _settings(contrasts, total)
    return f"{names[0]} and {names[1]} share fewer than 3 finished seeds {where}: no verdict there yet."


def _gap(contrast: Contrast, metric: Metric, *, first: bool) -> str:
    """The size of a difference with its interval; the unit is said once."""
    found = contrast.difference
    mean = found.mean or 0.0
    low, high = (found.low, found.high) if mean > 0 else (-(found.high or 0.0), -(found.low or 0.0))
    places = decimals_for(found.half_width, mean)
    unit = f" {metric.difference_unit}" if first and metric.difference_unit else ""
    return f"{number(abs(mean), places)}{unit} {bounds(low, high, places)}"


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
