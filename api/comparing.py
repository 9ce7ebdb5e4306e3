"""A question answered from what is stored: a study as it was meant, or any jobs side by side."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection

from domain.catalog import Catalog
from domain.comparison import compare
from domain.errors import FieldError, InvalidSpec
from domain.findings import Comparison
from domain.grouping import is_about
from domain.metric import MetricChoice, describe_metric, metric_problem
from domain.question import Question, SavedComparison
from domain.results import RunResult
from domain.store import comparisons, jobs, studies
from domain.store.results import results
from domain.study import Study


class Answer(NamedTuple):
    """A comparison with the runs it is made of, and the study if it is about one."""

    comparison: Comparison
    results: Sequence[RunResult]
    study: Study | None


def answer(c: Connection, question: Question, catalog: Catalog) -> Answer:
    """Raises NotFound for a study or job that is not there, and InvalidSpec with pointers into the question."""
    _refuse_two_sources(question)
    study = studies.get(c, question.study) if question.study else None
    job_ids = [jobs.get(c, job_id).id for job_id in question.jobs]
    metric = _metric(question, study, catalog)
    described = describe_metric(metric.name, catalog)
    threshold = None if question.threshold is None else question.threshold / described.scale
    found = results(
        c,
        metric,
        study_id=study.id if study else None,
        job_ids=job_ids,
        lower_is_better=described.lower_is_better,
        threshold=threshold,
    )
    group_by = question.group_by or (study.axes if study else [])
    baseline = _baseline(question, study, group_by)
    made = compare(found, group_by=group_by, metric=metric, baseline=baseline, catalog=catalog, threshold=threshold)
    if question.baseline and made.groups and not any(group.is_baseline for group in made.groups):
        raise _refused("baseline", "no_such_group", f"None of the groups has {_conditions(question.baseline)}.")
    return Answer(made, found, study)


class SavedAnswer(NamedTuple):
    """What a saved question gives now: no answer where nothing of it is left, and then a sentence that says why."""

    question: Question
    """The saved one without the jobs that are gone."""
    answer: Answer | None
    missing: list[str]
    unanswered: str | None


def answer_saved(c: Connection, saved: SavedComparison, catalog: Catalog) -> SavedAnswer:
    """The answer over what is still stored of the study or jobs that the saved question names."""
    question = saved.question
    missing = comparisons.missing(c, question)
    left = question.model_copy(update={"jobs": [each for each in question.jobs if each not in missing]})
    if question.study in missing or (question.jobs and not left.jobs):
        what = "The study" if question.study else "Each of the jobs"
        return SavedAnswer(left, None, missing, f"{what} this compares was deleted")
    try:
        return SavedAnswer(left, answer(c, left, catalog), missing, None)
    except InvalidSpec as refused:
        return SavedAnswer(left, None, missing, refused.errors[0].detail.rstrip("."))


def refuse_unknown(c: Connection, question: Question) -> None:
    """Raises InvalidSpec that points at every study or job of the question that is not stored."""
    _refuse_two_sources(question)
    gone = set(comparisons.missing(c, question))
    if question.study in gone:
        raise _refused("study", "not_found", f"There is no study {question.study!r}.")
    errors = [
        FieldError(pointer=f"/jobs/{position}", code="not_found", detail=f"There is no job {job_id!r}.")
        for position, job_id in enumerate(question.jobs)
        if job_id in gone
    ]
    if errors:
        raise InvalidSpec(errors)


def _refuse_two_sources(question: Question) -> None:
    if bool(question.study) == bool(question.jobs):
        raise _refused("study", "one_of", "Give either study or jobs.")


def _metric(question: Question, study: Study | None, catalog: Catalog) -> MetricChoice:
    default = study.metric if study else MetricChoice()
    problem = metric_problem(question.metric or default.name, catalog)
    if problem:
        raise _refused("metric", "unknown_metric", problem)
    return MetricChoice(name=question.metric or default.name, at=question.at or default.at)


def _baseline(question: Question, study: Study | None, group_by: Sequence[str]) -> Mapping[str, Any]:
    """The one asked for, or the study's as far as the groups differ in it."""
    if question.baseline is not None:
        return question.baseline
    meant = study.baseline if study else {}
    return {path: value for path, value in meant.items() if any(is_about(field, path) for field in group_by)}


def _conditions(baseline: Mapping[str, Any]) -> str:
    return ", ".join(f"{path}={value}" for path, value in baseline.items())


def _refused(name: str, code: str, detail: str) -> InvalidSpec:
    return InvalidSpec([FieldError(pointer=f"/{name}", code=code, detail=detail)])


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
