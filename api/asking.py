"""A question as an address asks it, and the address of a question."""

import json
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Query

from api.errors import BadParameter
from api.parameters import IdList, words
from domain.errors import FieldError, InvalidSpec
from domain.grouping import flat_where
from domain.question import Question
from domain.refusals import validate

AT = r"^(final|best|[1-9][0-9]{0,8}|([1-9][0-9]{0,6}(\.[0-9]{1,3})?|0\.[0-9]{1,3})s)$"

Study = Annotated[str | None, Query(max_length=200, description="Id or name of a study.")]
GroupBy = Annotated[
    str | None,
    Query(max_length=2000, description="Dotted fields of the spec, with commas. Default all that differ."),
]
Metric = Annotated[str | None, Query(max_length=100, description="Default the study's, or test_error.")]
At = Annotated[
    str | None,
    Query(description="final, best, a step, or seconds of training as in `60s`.", json_schema_extra={"pattern": AT}),
]
Baseline = Annotated[
    str | None, Query(max_length=2000, description="As in `normalization.kind=layer_norm`; several with commas.")
]
Threshold = Annotated[
    float | None,
    Query(
        allow_inf_nan=False,
        description="Also: steps and seconds until the metric is there, in its unit (percent, no shares).",
    ),
]


def asked(
    study: Study = None,
    jobs: IdList = None,
    group_by: GroupBy = None,
    metric: Metric = None,
    at: At = None,
    baseline: Baseline = None,
    threshold: Threshold = None,
) -> Question:
    """The question of the query parameters. Raises BadParameter and InvalidSpec, whose pointers are `?parameter`."""
    given = {"study": study, "jobs": jobs, "group_by": group_by, "metric": metric, "at": at, "baseline": baseline}
    return question_of({**given, "threshold": threshold})


Asked = Annotated[Question, Depends(asked)]


def question_of(given: Mapping[str, Any]) -> Question:
    """The question of parameters by name; one that is absent or empty asks for nothing. Raises as `asked` does."""
    at, baseline = given.get("at"), given.get("baseline")
    question, errors = validate(
        Question,
        {
            "study": given.get("study") or None,
            "jobs": words(given.get("jobs")),
            "group_by": words(given.get("group_by")),
            "metric": given.get("metric") or None,
            "at": int(at) if at and at.isdigit() else at or None,
            "baseline": None if baseline is None else _read_baseline(baseline),
            "threshold": _number(given.get("threshold")),
        },
    )
    if question is None:
        raise InvalidSpec([_of_query(error) for error in errors])
    return question


def _number(text: str | float | None) -> Any:
    """A number that may be written; what is none is left for the question to refuse."""
    try:
        return None if text in {None, ""} else float(text or 0)
    except ValueError:
        return text


def _of_query(error: FieldError) -> FieldError:
    return error.model_copy(update={"pointer": f"?{error.pointer.split('/')[1]}"})


def query_of(question: Question) -> dict[str, str]:
    """The parameters that ask this; what the question leaves open is left out."""
    baseline = question.baseline
    given = {
        "study": question.study,
        "jobs": ",".join(question.jobs),
        "group_by": ",".join(question.group_by),
        "metric": question.metric,
        "at": question.at,
        "baseline": None if baseline is None else _written_baseline(baseline),
        "threshold": question.threshold,
    }
    return {name: str(value) for name, value in given.items() if value is not None and (value != "" or name == BARE)}


BARE = "baseline"
"""The parameter that says something by being empty: no baseline, where leaving it out asks for the study's."""


def address(path: str, question: Question, **more: str | None) -> str:
    """`path` with the question, and with more parameters that are not None."""
    query = {**query_of(question), **{name: value for name, value in more.items() if value is not None}}
    return f"{path}?{urlencode(query, safe=',')}" if query else path


def _read_baseline(text: str) -> dict[str, Any]:
    """`a.b=4,c=x` as {"a.b": 4, "c": "x"}: numbers, true and false are read as such, all else is text."""
    found = {}
    for pair in words(text):
        path, sign, value = pair.partition("=")
        if not sign or not path.strip():
            raise BadParameter("baseline", f"{pair!r} isn't written path=value, as in normalization.kind=layer_norm")
        found[path.strip()] = _read_value(value.strip())
    return found


def _written_baseline(baseline: Mapping[str, Any]) -> str:
    return ",".join(f"{path}={_write_value(value)}" for path, value in flat_where(baseline).items())


def _read_value(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, int | float | bool) else text


def _write_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
