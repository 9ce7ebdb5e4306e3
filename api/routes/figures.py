"""Figures as plain Plotly JSON, the same ones that the pages draw."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from api.answers import answered
from api.asking import At, Baseline, GroupBy, Metric, Study, Threshold
from api.context import CurrentDatabase
from api.dashboard.figure_csv import csv_of_figure
from api.dashboard.figures import FIGURES
from api.openapi import TEXT
from api.parameters import IdList

router = APIRouter(prefix="/figures", tags=["figures"])

FigureKind = StrEnum("FigureKind", {kind: kind for kind in FIGURES})  # type: ignore[misc]

Text = Annotated[str | None, Query(max_length=200)]
Format = Annotated[Literal["json", "csv"], Query(description="The figure as Plotly JSON, or its numbers.")]
Edge = Annotated[float | None, Query(allow_inf_nan=False)]


@router.get(
    "/{kind}",
    response_model=dict[str, Any],
    responses={200: {"description": "As `format` says.", "content": {"text/csv": TEXT}}},
)
def read_figure(
    request: Request,
    database: CurrentDatabase,
    kind: FigureKind,
    study: Study = None,
    jobs: IdList = None,
    group_by: GroupBy = None,
    metric: Metric = None,
    at: At = None,
    baseline: Baseline = None,
    threshold: Threshold = None,
    stratum: Annotated[Text, Query(description="One setting of the comparison, in its words.")] = None,
    job: Annotated[Text, Query(description="Of `job`.")] = None,
    run: Annotated[Text, Query(description="Of `run`.")] = None,
    name: Annotated[Text, Query(description="A series, for `job` and `run`.")] = None,
    show: Annotated[Text, Query(description="Of curves over seeds: `mean`, `sd`, `range` or `seeds`.")] = None,
    x: Annotated[Text, Query(description="Of curves: step, epoch, samples, relative or wall.")] = None,
    log: Annotated[Text, Query(description="Of curves: the logarithmic axes, `x`, `y` or `xy`.")] = None,
    average: Annotated[Text, Query(description="Of curves: percent of the points, 0, 3, 10 or 30.")] = None,
    clip: Annotated[Text, Query(description="Of curves: `on` leaves outliers out of the range; `off`.")] = None,
    against: Annotated[Text, Query(description="Of `cost`: `time`, `throughput` or `memory`.")] = None,
    rows: Annotated[Text, Query(description="Of `heat` and `effect`: the field down, as in `normalization`.")] = None,
    columns: Annotated[Text, Query(description="Of `heat` and `effect`: the field across.")] = None,
    rest: Annotated[Text, Query(description="Of `heat` and `effect`: where the other fields stand.")] = None,
    start: Annotated[Edge, Query(alias="from", description="With `to`: only this part of the axis.")] = None,
    stop: Annotated[Edge, Query(alias="to")] = None,
    form: Annotated[Format, Query(alias="format")] = "json",
) -> Response:
    """A figure (`data` and `layout`) of a comparison, a job or a run; `kind` says which and so what it needs.

    All kinds but `job` and `run` take the parameters of `/v1/comparisons`.
    """
    given = {"study": study, "jobs": jobs, "group_by": group_by, "metric": metric, "at": at, "baseline": baseline}
    given |= {"threshold": None if threshold is None else repr(threshold), "stratum": stratum}
    given |= {"job": job, "run": run, "name": name}
    given |= {"show": show, "x": x, "log": log, "average": average, "clip": clip}
    given |= {"against": against, "rows": rows, "columns": columns, "rest": rest}
    given |= {"from": None if start is None else repr(start), "to": None if stop is None else repr(stop)}
    with database.read() as c:
        figure = FIGURES[kind](c, {key: value for key, value in given.items() if value is not None})
    if form == "csv":
        headers = {"Content-Disposition": f'attachment; filename="{kind}.csv"'}
        return Response(csv_of_figure(figure), media_type="text/csv; charset=utf-8", headers=headers)
    return answered(request, figure)
