"""Comparisons as a query asks for them: a study as it was meant, or any jobs side by side."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import Depends, Query
from sqlalchemy import Connection

from api.errors import BadParameter
from api.parameters import IdList, words
from domain.catalog import Catalog
from domain.comparison import compare
from domain.errors import InvalidSpec
from domain.findings import Comparison
from domain.metric import MetricChoice, describe_metric, metric_problem
from domain.store import jobs, studies
from domain.store.results import results
from domain.study import Study

MOST_JOBS = 500
"""Jobs of one comparison that is not a study's."""


class Question:
    """The query parameters of a comparison: what to compare, by what, on which number, against whom."""

    def __init__(
        self,
        study: Annotated[str | None, Query(max_length=200, description="Id or name of a study.")] = None,
        jobs: IdList = None,
        group_by: Annotated[
            str | None,
            Query(max_length=2000, description="Dotted fields of the spec, with commas. Default all that differ."),
        ] = None,
        metric: Annotated[str | None, Query(max_length=100, description="Default the study's, or test_error.")] = None,
        at: Annotated[
            str | None, Query(pattern="^(final|best|[1-9][0-9]{0,8})$", description="final, best, or a step.")
        ] = None,
        baseline: Annotated[
            str | None,
            Query(max_length=2000, description="As in `normalization.kind=layer_norm`; several with commas."),
        ] = None,
        threshold: Annotated[
            float | None,
            Query(
                allow_inf_nan=False,
                description="Also: steps and seconds until the metric is there, in its unit (percent, no shares).",
            ),
        ] = None,
    ) -> None:
        self.study = study
        self.jobs = words(jobs)
        self.group_by = words(group_by)
        self.metric = metric
        self.at = at
        self.baseline = baseline
        self.threshold = threshold

    def answer(self, c: Connection, catalog: Catalog) -> Comparison:
        """The comparison. Raises BadParameter, NotFound and InvalidSpec (whose pointers are `?parameter`)."""
        if bool(self.study) == bool(self.jobs):
            raise BadParameter("study", "give either study or jobs")
        study = studies.get(c, self.study) if self.study else None
        if len(self.jobs) > MOST_JOBS:
            raise BadParameter("jobs", f"{len(self.jobs)} are too many; at most {MOST_JOBS}")
        job_ids = [jobs.get(c, job_id).id for job_id in self.jobs]
        metric = self._metric(study, catalog)
        described = describe_metric(metric.name, catalog)
        threshold = None if self.threshold is None else self.threshold / described.scale
        found = results(
            c,
            metric,
            study_id=study.id if study else None,
            job_ids=job_ids,
            lower_is_better=described.lower_is_better,
            threshold=threshold,
        )
        group_by = self.group_by or (study.axes if study else [])
        baseline = self._baseline(study, group_by)
        with of_parameters():
            made = compare(
                found, group_by=group_by, metric=metric, baseline=baseline, catalog=catalog, threshold=threshold
            )
        if self.baseline and made.groups and not any(group.is_baseline for group in made.groups):
            raise BadParameter("baseline", f"none of the groups has {self.baseline}")
        return made

    def _metric(self, study: Study | None, catalog: Catalog) -> MetricChoice:
        default = study.metric if study else MetricChoice()
        name = self.metric or default.name
        problem = metric_problem(name, catalog)
        if problem:
            raise BadParameter("metric", problem)
        return MetricChoice(name=name, at=_read_place(self.at) if self.at else default.at)

    def _baseline(self, study: Study | None, group_by: Sequence[str]) -> dict[str, Any]:
        """The one asked for, or the study's as far as the groups differ in it."""
        if self.baseline is not None:
            return _read_baseline(self.baseline)
        meant = study.baseline if study else {}
        return {path: value for path, value in meant.items() if any(_overlap(path, field) for field in group_by)}


Asked = Annotated[Question, Depends()]


def _read_place(at: str) -> Any:
    return int(at) if at.isdigit() else at


def _read_baseline(text: str) -> dict[str, Any]:
    """`a.b=4,c=x` as {"a.b": 4, "c": "x"}: numbers, true and false are read as such, all else is text."""
    found = {}
    for pair in words(text):
        path, sign, value = pair.partition("=")
        if not sign or not path.strip():
            raise BadParameter("baseline", f"{pair!r} isn't written path=value, as in normalization.kind=layer_norm")
        found[path.strip()] = _read_value(value.strip())
    return found


def _read_value(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, int | float | bool) else text


def _overlap(path: str, field: str) -> bool:
    return path == field or path.startswith(f"{field}.") or field.startswith(f"{path}.")


@contextmanager
def of_parameters() -> Iterator[None]:
    """Points what is refused inside at query parameters: `/rows` becomes `?rows`."""
    try:
        yield
    except InvalidSpec as refused:
        errors = [
            error.model_copy(update={"pointer": f"?{error.pointer.lstrip('/').partition('/')[0]}"})
            for error in refused.errors
        ]
        raise InvalidSpec(errors) from refused
