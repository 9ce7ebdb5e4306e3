"""Comparing at `/compare`, whose URL holds the whole question, and saved comparisons at `/comparisons/{id}`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from api.asking import address, query_of, question_of
from api.comparing import answer, answer_saved, of_parameters
from api.context import CurrentCatalog, CurrentDatabase
from api.dashboard.evidence import Evidence, evidence_in
from api.dashboard.pages.findings import SECTIONS, findings
from api.dashboard.pages.jobs import job_row
from api.dashboard.pages.place import Chosen, Place
from api.dashboard.render import page
from api.dashboard.spec_difference import spec_difference
from api.errors import BadParameter
from domain.catalog import Catalog
from domain.errors import InvalidSpec
from domain.findings import Comparison
from domain.grouping import CHOICES, differing_fields
from domain.metric import metric_names
from domain.question import MOST_JOBS, Question, SavedComparison
from domain.store import comparisons, jobs, metrics, studies
from domain.study import Study
from domain.words import field_words, value_words

router = APIRouter(include_in_schema=False)

Several = Annotated[list[str], Query(max_length=MOST_JOBS)]
Text = Annotated[str, Query(max_length=2000)]

NEWEST = 50
"""Jobs, studies and saved comparisons that the page without a question lists."""


@dataclass(frozen=True)
class Form:
    """What the form above a comparison offers, and what of it is chosen."""

    fields: Sequence[tuple[str, str, bool]]
    """Path, words, whether it is grouped by."""
    metrics: Sequence[str]
    metric: str
    at: str
    baseline: str
    baselines: Sequence[str]
    threshold: str
    kept: Sequence[tuple[str, str]]
    """What is compared, as hidden fields."""


@router.get("/compare")
def show_compare(
    request: Request,
    database: CurrentDatabase,
    catalog: CurrentCatalog,
    chosen: Chosen,
    study: Annotated[str, Query(max_length=200)] = "",
    jobs: Several = [],  # noqa: B006 - FastAPI copies it
    group_by: Several = [],  # noqa: B006 - as above
    metric: Text = "",
    at: Text = "",
    baseline: Text | None = None,
    threshold: Text = "",
) -> Response:
    """Without a question, what there is to compare; jobs ticked in a list come as several parameters of one name."""
    given = {"study": study, "metric": metric, "at": at, "baseline": baseline, "threshold": threshold}
    if not study and not jobs:
        return _begin(request, database)
    bare = question_of({"study": study, "jobs": ",".join(jobs)})
    with database.read() as c:
        try:
            question = question_of({**given, "jobs": ",".join(jobs), "group_by": ",".join(group_by)})
            with of_parameters():
                found = answer(c, question, catalog)
            wrong = []
        except (InvalidSpec, BadParameter) as refused:
            # The form stays, for what is wrong to be put right; what it offers is what is asked without it.
            question, found = bare, answer(c, bare, catalog)
            wrong = [f"{error.pointer.lstrip('?')}: {error.detail}" for error in refused.errors[:1]]
        evidence = evidence_in(found.results, found.comparison)
        form = _form(c, question, evidence, catalog)
    if wrong:
        form = replace(form, at=at or form.at, baseline=baseline or form.baseline, threshold=threshold)
    place = Place("/compare", question, chosen, query_of(question))
    return _page(request, place, None if wrong else evidence, form=form, study=found.study, wrong=wrong)


@router.get("/comparisons/{comparison_id}")
def show_saved_comparison(
    request: Request, database: CurrentDatabase, catalog: CurrentCatalog, chosen: Chosen, comparison_id: str
) -> Response:
    with database.read() as c:
        saved = comparisons.get(c, comparison_id)
        found = answer_saved(c, saved, catalog)
    place = Place(f"/comparisons/{saved.id}", found.question, chosen)
    evidence = evidence_in(found.answer.results, found.answer.comparison) if found.answer else None
    wrong = [f"{found.unanswered}."] if found.unanswered else []
    study = found.answer.study if found.answer else None
    return _page(request, place, evidence, saved=saved, study=study, missing=found.missing, wrong=wrong)


def _begin(request: Request, database: CurrentDatabase) -> Response:
    with database.read() as c:
        found = jobs.page(c, limit=NEWEST).data
        known = studies.page(c, limit=NEWEST).data
        saved = comparisons.page(c, limit=NEWEST).data
    names = {each.id: each.name for each in known}
    return page(
        request,
        "compare_begin.html",
        here="Compare",
        jobs=[job_row(job) for job in found],
        studies=known,
        names=names,
        saved=[(each, _about(each, names)) for each in saved],
    )


def _about(saved: SavedComparison, names: dict[str, str]) -> str:
    question = saved.question
    if question.study:
        return f"study {names.get(question.study, question.study)}"
    return f"{len(question.jobs)} {'job' if len(question.jobs) == 1 else 'jobs'}"


def _page(
    request: Request,
    place: Place,
    evidence: Evidence | None,
    *,
    form: Form | None = None,
    saved: SavedComparison | None = None,
    study: Study | None = None,
    missing: Sequence[str] = (),
    wrong: Sequence[str] = (),
) -> Response:
    """A comparison, of which there may be none: then what is wrong is said in its place."""
    return page(
        request,
        "compare.html",
        here="Compare",
        title=saved.title if saved else _title(evidence.comparison if evidence else None, study),
        study=study,
        form=form,
        saved=saved,
        missing=missing,
        wrong=wrong,
        change=address("/compare", place.question),
        question=place.question,
        body=place.question.model_dump_json(exclude_defaults=True),
        sections=[*SECTIONS, ("Specs", "specs")] if evidence else [],
        **(findings(place, evidence) if evidence else {}),
        **(_specs(place, evidence) if evidence else {}),
    )


def _title(comparison: Comparison | None, study: Study | None) -> str:
    if study and study.question:
        return study.question
    if comparison is None:
        return "Compare"
    fields = " and ".join(map(field_words, comparison.group_by)) or "jobs"
    return f"{comparison.metric_label.capitalize()} by {fields}"


def _specs(place: Place, evidence: Evidence) -> dict[str, Any]:
    shows_all = place.chosen.identical == "show"
    specs = spec_difference(evidence, identical=shows_all)
    return {
        "specs": specs,
        "specs_tabs": [
            (f"{specs.differing} that differ", place.address(identical=None), not shows_all),
            (f"all {specs.fields}", place.address(identical="show"), shows_all),
        ],
    }


def _form(c: Connection, question: Question, evidence: Evidence, catalog: Catalog) -> Form:
    comparison = evidence.comparison
    found = [run for runs in evidence.runs.values() for run in runs]
    stored = set(metrics.names(c, [run.run_id for run in found]))
    differing = differing_fields(found)
    grouped = comparison.group_by
    asked = query_of(question)
    return Form(
        fields=[(path, field_words(path), path in grouped) for path in dict.fromkeys([*grouped, *differing])],
        metrics=[name for name in metric_names(catalog) if name in stored | {comparison.metric}],
        metric=comparison.metric,
        at=str(comparison.at),
        baseline=asked.get("baseline", _written(comparison)),
        baselines=_baselines(comparison, evidence),
        threshold=asked.get("threshold", ""),
        kept=[(name, asked[name]) for name in ("study", "jobs") if name in asked],
    )


def _written(comparison: Comparison) -> str:
    return query_of(Question(baseline=comparison.baseline)).get("baseline", "")


def _baselines(comparison: Comparison, evidence: Evidence) -> list[str]:
    """What may be written as the baseline: each value of each field grouped by."""
    specs = [run.spec for runs in evidence.runs.values() for run in runs]
    paths = [f"{path}.kind" if path in CHOICES else path for path in comparison.group_by]
    pairs = [(path, value_words(spec[path])) for path in paths for spec in specs if path in spec]
    return [f"{path}={words}" for path, words in dict.fromkeys(pairs)]
