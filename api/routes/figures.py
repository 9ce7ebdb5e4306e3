"""Figures as plain Plotly JSON, the same ones that the pages draw."""

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api.answers import answered
from api.context import CurrentDatabase
from api.dashboard.figures import FIGURES

router = APIRouter(prefix="/figures", tags=["figures"])

FigureKind = StrEnum("FigureKind", {kind: kind for kind in FIGURES})  # type: ignore[misc]

Text = Annotated[str | None, Query(max_length=200)]
Edge = Annotated[float | None, Query(allow_inf_nan=False)]


@router.get("/{kind}", response_model=dict[str, Any])
def read_figure(
    request: Request,
    database: CurrentDatabase,
    kind: FigureKind,
    study: Annotated[Text, Query(description="Of `curves`, `forest`, `effect` and `cost`.")] = None,
    stratum: Annotated[Text, Query(description="One setting of a study, as in its comparison.")] = None,
    job: Annotated[Text, Query(description="Of `job`.")] = None,
    run: Annotated[Text, Query(description="Of `run`.")] = None,
    name: Annotated[Text, Query(description="A series, for `job` and `run`.")] = None,
    show: Annotated[Text, Query(description="`mean`, `seeds` or `range`.")] = None,
    x: Annotated[Text, Query(description="step, epoch, samples, relative or wall.")] = None,
    start: Annotated[Edge, Query(alias="from", description="With `to`: only this part of the axis.")] = None,
    stop: Annotated[Edge, Query(alias="to")] = None,
) -> Response:
    """A figure (`data` and `layout`) of a study, a job or a run; `kind` says which and so what it needs."""
    given = {"study": study, "stratum": stratum, "job": job, "run": run, "name": name, "show": show, "x": x}
    given |= {"from": None if start is None else repr(start), "to": None if stop is None else repr(stop)}
    with database.read() as c:
        figure = FIGURES[kind](c, {key: value for key, value in given.items() if value is not None})
    return answered(request, figure)
