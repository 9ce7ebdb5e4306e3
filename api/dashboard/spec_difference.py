"""The specs of what is compared side by side: dotted fields as rows, groups as columns, what differs marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.dashboard.evidence import Evidence
from domain.findings import Group
from domain.results import RunResult
from domain.words import value_words

MOST_COLUMNS = 40
MOST_VALUES = 4
"""Values of one cell that are written out; the others are counted."""


@dataclass(frozen=True)
class Column:
    """A group, with the job to open where all its runs are of one."""

    name: str
    stratum: str
    job_id: str | None
    jobs: int


@dataclass(frozen=True)
class Row:
    path: str
    differs: bool
    cells: Sequence[str]


@dataclass(frozen=True)
class SpecDifference:
    """The rows of fields that differ, and with them or without those that are the same everywhere."""

    columns: Sequence[Column]
    left_out: int
    """Groups there was no room for."""
    rows: Sequence[Row]
    differing: int
    fields: int


def spec_difference(evidence: Evidence, *, identical: bool) -> SpecDifference:
    """`identical` keeps the fields that every run has with the same value."""
    groups = evidence.comparison.groups
    shown = groups[:MOST_COLUMNS]
    paths = list(dict.fromkeys(path for group in groups for run in evidence.behind(group) for path in run.spec))
    rows = [_row(path, groups, shown, evidence) for path in paths]
    differing = [row for row in rows if row.differs]
    return SpecDifference(
        columns=[_column(group, evidence.behind(group)) for group in shown],
        left_out=len(groups) - len(shown),
        rows=rows if identical else differing,
        differing=len(differing),
        fields=len(rows),
    )


def _column(group: Group, runs: Sequence[RunResult]) -> Column:
    jobs = list(dict.fromkeys(run.job_id for run in runs))
    return Column(group.variant, group.stratum, jobs[0] if len(jobs) == 1 else None, len(jobs))


def _row(path: str, groups: Sequence[Group], shown: Sequence[Group], evidence: Evidence) -> Row:
    values = [_values(path, evidence.behind(group)) for group in groups]
    differs = len({frozenset(found) for found in values}) > 1 or any(len(found) > 1 for found in values)
    return Row(path, differs, [_words(found) for found in values[: len(shown)]])


def _values(path: str, runs: Sequence[RunResult]) -> list[str]:
    """The values of a field in these runs, each once; one that a spec does not have is a dash."""
    missing: Any = object()
    found = [run.spec.get(path, missing) for run in runs]
    return list(dict.fromkeys("–" if value is missing else value_words(value) for value in found))


def _words(values: Sequence[str]) -> str:
    more = f" and {len(values) - MOST_VALUES} more" if len(values) > MOST_VALUES else ""
    return ", ".join(values[:MOST_VALUES]) + more
