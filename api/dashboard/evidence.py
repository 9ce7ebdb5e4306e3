"""Evidence: a comparison as the pages and figures read it, and which runs stand behind each group."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from sqlalchemy import Connection

from api.comparing import answer
from domain.catalog import Catalog
from domain.comparison import compare
from domain.findings import Comparison, Difference, Group
from domain.grouping import flat_where, group_runs, latest, split_fields, stratum_name, variant_name
from domain.metric import MetricChoice
from domain.question import Question
from domain.results import RunResult
from domain.store import studies
from domain.study import Study

REMEMBERED = 500
"""Comparisons kept; each belongs to one state of one study."""


@dataclass(frozen=True)
class Evidence:
    """A comparison, and the runs of each of its groups by (variant, stratum)."""

    comparison: Comparison
    runs: dict[tuple[str, str], Sequence[RunResult]]
    variants: Sequence[str]
    """The baseline first, then as the jobs were submitted: an order that does not change while results come in."""

    def behind(self, group: Group) -> Sequence[RunResult]:
        return self.runs.get((group.variant, group.stratum), ())


_known: OrderedDict[tuple[str, datetime], Evidence] = OrderedDict()
_lock = Lock()


def evidence_of(c: Connection, study: Study, catalog: Catalog) -> Evidence:
    """The comparison of a study by its own axes, metric and baseline. Remembered until one of its runs changes."""
    known = remembered(study)
    if known is not None:
        return known
    made = _compare(c, study, catalog)
    with _lock:
        _known[study.id, study.updated_at] = made
        while len(_known) > REMEMBERED:
            _known.popitem(last=False)
    return made


def remembered(study: Study) -> Evidence | None:
    """What is known without asking the database: None after something changed, or after a restart."""
    with _lock:
        return _known.get((study.id, study.updated_at))


def evidence_of_question(c: Connection, question: Question, catalog: Catalog) -> Evidence:
    """The same for any question; of one that only names a study, what is remembered of that. Raises as `answer`."""
    if question.study and question == Question(study=question.study):
        return evidence_of(c, studies.get(c, question.study), catalog)
    found = answer(c, question, catalog)
    return evidence_in(found.results, found.comparison)


def evidence_in(found: Sequence[RunResult], comparison: Comparison) -> Evidence:
    """A comparison with the runs it was made of."""
    runs = _runs_by_group(found, comparison)
    return Evidence(comparison, runs, _in_written_order(comparison, runs))


def _compare(c: Connection, study: Study, catalog: Catalog) -> Evidence:
    found = answer(c, Question(study=study.id), catalog)
    return evidence_in(found.results, found.comparison)


def _in_written_order(comparison: Comparison, runs: Mapping[tuple[str, str], Sequence[RunResult]]) -> list[str]:
    """Jobs are made in the order of the study's axes, so the first job of each variant tells their order."""
    baselines = {group.variant for group in comparison.groups if group.is_baseline}
    first: dict[str, str] = {}
    for (variant, _), members in runs.items():
        first[variant] = min([first.get(variant, members[0].job_id), *(member.job_id for member in members)])
    return sorted(first, key=lambda variant: (variant not in baselines, first[variant]))


def _runs_by_group(found: Sequence[RunResult], comparison: Comparison) -> dict[tuple[str, str], Sequence[RunResult]]:
    counted = latest(found)
    if not counted:
        return {}
    fields = split_fields(comparison.group_by, flat_where(comparison.baseline))
    grouped = group_runs(counted, comparison.group_by, fields)
    return {(variant_name(group), stratum_name(group)): group.runs for group in grouped}


def challenge(evidence: Evidence, best: Group, following: Group, catalog: Catalog) -> Difference | None:
    """The second best minus the best of a setting, over equal seeds; None while there is nothing to subtract."""
    ours, theirs = evidence.behind(best), evidence.behind(following)
    if not ours or not theirs:
        return None
    shared = evidence.comparison
    fields = [path for path in shared.group_by if best.key[path] != following.key[path]]
    baseline = {path: value for path, value in ours[0].spec.items() if _belongs(path, fields)}
    found = compare(
        [*ours, *theirs],
        group_by=fields,
        metric=MetricChoice(name=shared.metric, at=shared.at),
        baseline=baseline,
        catalog=catalog,
    )
    return next((difference for difference in found.differences if difference.mean is not None), None)


def _belongs(path: str, fields: Sequence[str]) -> bool:
    return any(path == field or path.startswith(f"{field}.") for field in fields)
