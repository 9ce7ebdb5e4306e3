"""Notes: what a reader must know beside the verdicts, such as divergence, failures, and what else differs."""

from collections.abc import Mapping, Sequence

from domain.contrast import Contrast, Side
from domain.findings import Note
from domain.metric import At, place_words
from domain.verdict import divergence_sentence
from domain.words import field_words

__all__ = ["notes_on_contrasts", "notes_on_groups", "notes_on_strata"]


def notes_on_groups(sides: Sequence[Side], metric: str, at: At) -> list[Note]:
    """Runs that failed, are still to come or have no value of `metric` there; said once for the whole comparison."""
    notes = []
    lost = sum(side.group.failed + side.group.cancelled for side in sides)
    if lost:
        where = "; ".join(side.group.label for side in sides if side.group.failed + side.group.cancelled)
        sentence = f"{lost} failed or cancelled {'run is' if lost == 1 else 'runs are'} in no mean: {where}."
        notes.append(Note(kind="failed", sentence=sentence, key={}))
    waiting = sum(side.group.running + side.group.paused + side.group.queued for side in sides)
    if waiting:
        notes.append(Note(kind="unfinished", sentence=f"{_runs(waiting)} not finished yet.", key={}))
    short = {side.group.label: side.group.finished - side.group.diverged - side.group.n for side in sides}
    if any(short.values()):
        where = "; ".join(label for label, count in short.items() if count)
        anywhere = at in {"final", "best"}
        lacking = f"recorded no {metric}" if anywhere else f"no value {place_words(at)}"
        sentence = f"{_runs(sum(short.values()))} not counted, having {lacking}: {where}."
        notes.append(Note(kind="unrecorded" if anywhere else "short", sentence=sentence, key={}))
    mixed = sorted({path for side in sides if side.mixes() for path in _mixed_fields(side)})
    if mixed:
        sentence = (
            f"Groups hold runs with several values of {_listed(mixed)}; their intervals are over runs, not over seeds. "
            "Group by them too to tell them apart."
        )
        notes.append(Note(kind="mixed", sentence=sentence, key={}))
    return notes


def notes_on_strata(strata: Mapping[str, Sequence[Side]]) -> list[Note]:
    """Divergence beside the baseline's, and strata in which the baseline is missing."""
    has_baseline = any(side.group.is_baseline for members in strata.values() for side in members)
    notes = []
    for members in strata.values():
        baseline = next((side for side in members if side.group.is_baseline), None)
        notes += [_divergence(side, baseline) for side in members if side.group.diverged]
        if has_baseline and baseline is None:
            place = members[0].place
            sentence = f"{place[:1].upper()}{place[1:]}, there is no baseline to compare with."
            notes.append(Note(kind="no baseline", sentence=sentence, key=members[0].grouped.stratum))
    return notes


def notes_on_contrasts(contrasts: Sequence[Contrast]) -> list[Note]:
    """Groups that differ from their baseline in more than what is compared."""
    notes = []
    for contrast in contrasts:
        fields = contrast.confounded()
        if fields and not contrast.side.mixes() and not contrast.baseline.mixes():
            group = contrast.side.group
            sentence = f"{group.label} differs from its baseline in {_listed(fields)} too, so the cause is not settled."
            notes.append(Note(kind="confounded", sentence=sentence, key=group.key))
    return notes


def _divergence(side: Side, baseline: Side | None) -> Note:
    names = (side.subject, baseline.subject if baseline else "")
    sentence = divergence_sentence(side.group, baseline.group if baseline else None, place=side.place, names=names)
    return Note(kind="diverges", sentence=sentence, key=side.group.key)


def _mixed_fields(side: Side) -> set[str]:
    first, *others = (side.rest(run) for run in side.counted)
    return {path for other in others for path, _ in first ^ other}


def _runs(count: int) -> str:
    return f"{count} run is" if count == 1 else f"{count} runs are"


def _listed(paths: Sequence[str]) -> str:
    return ", ".join(field_words(path) for path in paths)
