"""Metric series: curves in buckets that lose no spike, and every raw point as CSV or Parquet."""

import csv
import io
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy import Connection

from api.answers import answered
from api.context import CurrentCatalog, CurrentDatabase
from api.errors import BadParameter
from api.openapi import BINARY, TEXT
from api.parameters import PARQUET, words
from api.selection import Selected
from domain.catalog import Catalog
from domain.database import Database
from domain.metric import metric_problem
from domain.store import curves, metrics
from domain.store.curves import MAX_POINTS, Axis, Curve

router = APIRouter(prefix="/metrics", tags=["metrics"])

Name = Annotated[str, Query(alias="key", max_length=64, description="Name of the series, as in `train_loss`.")]
Names = Annotated[str | None, Query(alias="key", max_length=2000, description="Only these series, with commas.")]
From = Annotated[float | None, Query(alias="from", allow_inf_nan=False, description="Only from here on the axis.")]
To = Annotated[float | None, Query(alias="to", allow_inf_nan=False, description="Only up to here on the axis.")]
Points = Annotated[int, Query(ge=3, le=MAX_POINTS, description="At most so many points a line.")]

Form = Annotated[Literal["csv", "parquet"], Query(alias="format", description="As text, or as typed columns.")]

COLUMNS = ("run_id", "name", "step", "value", "at", "relative", "epoch", "samples")
CHUNK_ROWS = 5000


class Series(BaseModel):
    """One series of some runs, a curve for each run that has it."""

    key: str
    axis: Axis
    curves: list[Curve]


@router.get("/series", response_model=Series)
def read_series(
    request: Request,
    database: CurrentDatabase,
    catalog: CurrentCatalog,
    selected: Selected,
    key: Name,
    x: Axis = "step",
    start: From = None,
    stop: To = None,
    max_points: Points = MAX_POINTS,
) -> Response:
    """A series of some runs, ready to draw.

    The range is cut into buckets; each gives its minimum, maximum and last value at their true places. Values that
    aren't finite are `marks`. `count` says how many points a curve stands for; ask again with `from` and `to` to zoom.
    """
    if start is not None and stop is not None and start > stop:
        raise BadParameter("to", f"it ends at {stop:g}, before it begins at {start:g}")
    with database.read() as c:
        ids = selected.ids(c)
        _refuse_unknown([key], ids, c, catalog)
        found = curves.curves(c, ids, key, axis=x, start=start, stop=stop, max_points=max_points)
    return answered(request, Series(key=key, axis=x, curves=found))


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": f"A row for each point: {', '.join(COLUMNS)}.",
            "content": {"text/csv": TEXT, PARQUET: BINARY},
        }
    },
)
def export_points(
    database: CurrentDatabase, catalog: CurrentCatalog, selected: Selected, key: Names = None, form: Form = "csv"
) -> StreamingResponse:
    """Every stored point as CSV or Parquet. `at` is seconds since 1970, `relative` seconds of training."""
    with database.read() as c:
        ids = selected.ids(c, most=None)
        _refuse_unknown(words(key), ids, c, catalog)
    headers = {"Content-Disposition": f'attachment; filename="metrics.{form}"'}
    written, media_type = (_parquet, PARQUET) if form == "parquet" else (_lines, "text/csv")
    return StreamingResponse(written(database, ids, words(key)), media_type=media_type, headers=headers)


def _refuse_unknown(names: list[str], run_ids: list[str], c: Connection, catalog: Catalog) -> None:
    """No menu has such a metric, and no earlier version has recorded it in these runs."""
    problems = {name: problem for name in names if (problem := metric_problem(name, catalog))}
    recorded = metrics.names(c, run_ids) if problems else []
    for name, problem in problems.items():
        if name not in recorded:
            raise BadParameter("key", problem)


def _parquet(database: Database, run_ids: list[str], names: list[str]) -> Iterator[bytes]:
    """As `_lines`, a row group at a time."""
    from domain.parquet import points_as_parquet  # noqa: PLC0415 - 40 MB that only this needs

    with database.read() as c:
        yield from points_as_parquet(metrics.rows(c, run_ids, names=names))


def _lines(database: Database, run_ids: list[str], names: list[str]) -> Iterator[bytes]:
    """CSV in pieces, so that ten million points need no memory. The transaction is open while they are sent."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    with database.read() as c:
        for count, row in enumerate(metrics.rows(c, run_ids, names=names), start=1):
            writer.writerow([_written(row[column]) for column in COLUMNS])
            if count % CHUNK_ROWS == 0:
                yield _taken(text)
    yield _taken(text)


def _written(value: Any) -> Any:
    # repr gives the digits that read back to the same number.
    return repr(value) if isinstance(value, float) else value


def _taken(text: io.StringIO) -> bytes:
    taken = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return taken
