"""Verdicts: what a difference shows, in sentences that say no more than its interval."""

from collections.abc import Mapping
from typing import Any

from domain.findings import Difference, Group, VerdictWord
from domain.metric import At, Metric
from domain.metric import place_words as metric_place
from domain.numbers import bounds, decimals_for, number, p_value, percent, signed
from domain.words import field_words, setting_words, value_words

__all__ = [
    "MIN_SEEDS",
    "divergence_sentence",
    "ends_words",
    "place_words",
    "subject_words",
    "verdict_sentence",
    "verdict_word",
]

MIN_SEEDS = 3
"""Fewer seeds, or pairs of them, give no verdict."""
ALPHA = 0.05
PREPOSITIONS = {"dataset": "on", "architecture": "with", "normalization": "with"}


def verdict_word(n: int, mean: float | None, p_holm: float | None, *, lower_is_better: bool) -> VerdictWord:
    """One of the four words, from the corrected p-value."""
    if n < MIN_SEEDS or mean is None:
        return "too few seeds"
    if p_holm is None or p_holm >= ALPHA:
        return "no difference shown"
    return "better" if (mean < 0) == lower_is_better else "worse"


def verdict_sentence(
    difference: Difference,
    group: Group,
    baseline: Group,
    metric: Metric,
    *,
    at: At,
    tested: int,
    place: str,
    names: tuple[str, str],
) -> str:
    """The sentence for one difference.

    `place` says where (`at batch size 4`), `names` what is compared with what, `tested` among how many differences.
    """
    subject, reference = names
    if difference.verdict == "too few seeds":
        is_open = any(side.running + side.paused + side.queued for side in (group, baseline))
        said = _too_few(difference, subject, reference, metric, is_open=is_open)
    elif difference.verdict == "no difference shown":
        said = _not_told_apart(difference, subject, reference, metric, at, tested)
    else:
        said = f"{subject} {ends_words(at)} {_gap(difference, metric)} {reference} {_size_bounds(difference)}"
    sentence = f"{place[:1].upper()}{place[1:]}, {said}." if place else f"{said}."
    return sentence + _left_out(group, subject) + _left_out(baseline, reference)


def ends_words(at: At) -> str:
    """The verb for the point at which the metric is taken."""
    return {"final": "ends", "best": "at its best is"}.get(str(at), f"{metric_place(at)} is")


def _gap(difference: Difference, metric: Metric) -> str:
    """The size of the difference in words: `2.67 points above`."""
    mean = difference.mean or 0.0
    size = number(abs(mean), decimals_for(difference.half_width, mean))
    unit = f" {metric.difference_unit}" if metric.difference_unit else ""
    return f"{size}{unit} {'above' if mean > 0 else 'below'}"


def _size_bounds(difference: Difference) -> str:
    """The interval of the size: below the baseline it is turned round, as the words have said the direction."""
    low, high = difference.low, difference.high
    if low is not None and high is not None and (difference.mean or 0.0) < 0:
        low, high = -high, -low
    return bounds(low, high, decimals_for(difference.half_width, difference.mean))


def _signed_bounds(difference: Difference, metric: Metric) -> str:
    places = decimals_for(difference.half_width, difference.mean)
    unit = f" {metric.difference_unit}" if metric.difference_unit else ""
    return f"{signed(difference.mean, places)}{unit} {bounds(difference.low, difference.high, places)}".rstrip()


def _not_told_apart(
    difference: Difference,
    subject: str,
    reference: str,
    metric: Metric,
    at: At,
    tested: int,
) -> str:
    if difference.low is None or difference.high is None or difference.p_holm is None:
        if difference.p_holm is not None:
            seeds = f"in every seed ({difference.pairs} seeds)"
            return f"{subject} {ends_words(at)} at exactly the value of {reference} {seeds}"
        return (
            f"{subject} {ends_words(at)} {_gap(difference, metric)} {reference} "
            f"in each of {difference.pairs} seeds alike, so there is no spread to judge it by"
        )
    if difference.low <= 0 <= difference.high:
        return f"{subject} is not told apart from {reference}: {_signed_bounds(difference, metric)}"
    return (
        f"{subject} {ends_words(at)} {_gap(difference, metric)} {reference} {_size_bounds(difference)}, "
        f"which among {tested} comparisons shows no difference (Holm, p = {p_value(difference.p_holm)})"
    )


def _too_few(difference: Difference, subject: str, reference: str, metric: Metric, *, is_open: bool) -> str:
    seeds = "seed" if difference.pairs == 1 else "seeds"
    counted = f"{subject} and {reference} share {difference.pairs} finished {seeds}"
    if difference.pairs == 0:
        what, yet = ("finished seed", " yet") if is_open else ("seed with a value", "")
        return f"{subject} and {reference} share no {what}: no interval and no verdict{yet}"
    if difference.low is None:
        why = f": n = {difference.pairs}" if difference.pairs == 1 else " and are equally far apart in each"
        return f"{counted}{why}, so no interval and no verdict yet"
    return f"{counted}, too few for a verdict; so far {_signed_bounds(difference, metric)}"


def _left_out(group: Group, name: str) -> str:
    """Diverged seeds are in no mean, and a reader of the sentence must know."""
    if not group.diverged:
        return ""
    be = "is" if group.diverged == 1 else "are"
    return f" {_of_runs(group)} with {name} diverged and {be} not in this difference."


def _of_runs(group: Group) -> str:
    return f"{group.diverged} of {group.divergence.of} {'run' if group.divergence.of == 1 else 'runs'}"


def divergence_sentence(group: Group, baseline: Group | None, *, place: str, names: tuple[str, str]) -> str:
    """How often a group diverged, beside the baseline where there is one, with Wilson intervals."""
    said = f"{_of_runs(group)} with {names[0]} diverged {_share_bounds(group)}"
    if baseline is not None and baseline is not group and baseline.divergence.of:
        count = "none" if not baseline.diverged else str(baseline.diverged)
        said += f"; with {names[1]} {count} of {baseline.divergence.of} {_share_bounds(baseline)}"
    return f"{place[:1].upper()}{place[1:]}, {said}." if place else f"{said}."


def _share_bounds(group: Group) -> str:
    low, high = group.divergence.low, group.divergence.high
    return "" if low is None or high is None else f"[{percent(low)}, {percent(high)}]"


def place_words(stratum: Mapping[str, Any]) -> str:
    """Where, in words: `on digits, with mlp, at batch size 4`; empty for one stratum."""
    return ", ".join(_place(path, value) for path, value in stratum.items())


def _place(path: str, value: Any) -> str:
    root = path.split(".", 1)[0]
    is_choice = path in {root, f"{root}.kind"} and root in PREPOSITIONS
    if is_choice:
        return f"{PREPOSITIONS[root]} {subject_words({path: value})}"
    return f"at {setting_words(path, value)}"


def subject_words(variant: Mapping[str, Any]) -> str:
    """What is compared, as the subject of a sentence; the variant `none` is "no normalization"."""
    return ", ".join(
        f"no {field_words(path)}" if value == "none" else _subject(path, value) for path, value in variant.items()
    )


def _subject(path: str, value: Any) -> str:
    return value_words(value) if path.endswith("kind") else setting_words(path, value)
