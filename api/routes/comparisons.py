"""Comparisons: runs grouped by what differs, with intervals, paired differences and verdicts; as data or as a table."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from api.answers import answered
from api.comparing import Asked, of_parameters
from api.context import CurrentCatalog, CurrentDatabase
from domain.export import ExportFormat, export, export_pivot
from domain.findings import Comparison
from domain.pivot import Pivot, pivot

router = APIRouter(prefix="/comparisons", tags=["comparisons"])

Format = Annotated[Literal["json"] | ExportFormat, Query(description="The comparison as data, or as a table.")]
Rows = Annotated[str | None, Query(max_length=200, description="Lay it out as a pivot table: this field down.")]
Columns = Annotated[str | None, Query(max_length=200, description="And this one across.")]

TYPES: dict[ExportFormat, str] = {
    "csv": "text/csv; charset=utf-8",
    "markdown": "text/markdown; charset=utf-8",
    "latex": "application/x-tex; charset=utf-8",
}
TABLES: dict[str, dict[str, str]] = {kind.partition(";")[0]: {} for kind in TYPES.values()}


@router.get(
    "", response_model=Comparison | Pivot, responses={200: {"description": "As `format` says.", "content": TABLES}}
)
def read_comparison(
    request: Request,
    database: CurrentDatabase,
    catalog: CurrentCatalog,
    asked: Asked,
    form: Annotated[Format, Query(alias="format")] = "json",
    rows: Rows = None,
    columns: Columns = None,
) -> Response:
    """Compare the runs of a study, or of some jobs.

    Means with 95 % t-intervals over seeds; differences from the baseline paired by seed; p-values corrected by Holm's
    method. With `rows` (and `columns`) it is a pivot table.
    """
    with database.read() as c:
        comparison = asked.answer(c, catalog)
    with of_parameters():
        table = pivot(comparison, rows, columns) if rows else None
    if form == "json":
        return answered(request, table or comparison)
    text = export_pivot(comparison, table, form) if table else export(comparison, form)
    return Response(text, media_type=TYPES[form])
