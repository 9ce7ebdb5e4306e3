"""Comparisons: runs grouped by what differs, with intervals and verdicts; asked by an address, or saved and shared."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from api.answers import PageOf, answered, paged
from api.asking import Asked
from api.auth import CurrentKey, require_owner
from api.body import JsonObject, validated
from api.comparing import Answer, answer, answer_saved, of_parameters, refuse_unknown
from api.context import CurrentCatalog, CurrentDatabase
from api.errors import BadParameter
from api.idempotency import Created, IdempotencyKey, create
from api.openapi import BINARY, TEXT, body
from api.parameters import PARQUET, Cursor, Limit, Search
from domain.catalog import Catalog
from domain.errors import NotPossible
from domain.export import ExportFormat, export, export_pivot
from domain.findings import Comparison
from domain.pivot import Pivot, pivot
from domain.question import ComparisonRequest, SavedComparison
from domain.store import comparisons

router = APIRouter(prefix="/comparisons", tags=["comparisons"])

ComparisonId = Annotated[str, Path(max_length=64, examples=["cmp_01JZZZZZZZZZZZZZZZZZZZZZZZ"])]
Format = Annotated[
    Literal["json"] | ExportFormat, Query(alias="format", description="The comparison as data, or as a table.")
]
Rows = Annotated[str | None, Query(max_length=200, description="Lay it out as a pivot table: this field down.")]
Columns = Annotated[str | None, Query(max_length=200, description="And this one across.")]

TYPES: dict[ExportFormat, str] = {
    "csv": "text/csv; charset=utf-8",
    "markdown": "text/markdown; charset=utf-8",
    "latex": "application/x-tex; charset=utf-8",
    "parquet": PARQUET,
}
TABLES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "As `format` says.",
        "content": {kind.partition(";")[0]: BINARY if kind == PARQUET else TEXT for kind in TYPES.values()},
    }
}
EXAMPLE: dict[str, Any] = {
    "title": "Small batches, by the best epoch",
    "notes": "For the reading group.",
    "study": "small-batch",
    "metric": "test_error",
    "at": "best",
    "baseline": {"normalization.kind": "layer_norm"},
}


class AnsweredComparison(SavedComparison):
    """A saved question with what the stored runs say to it now."""

    comparison: Comparison | None = Field(description="None where nothing can be compared any more.")
    missing: list[str] = Field(description="Its study, or those of its jobs, that were deleted since it was saved.")
    unanswered: str | None = Field(description="Why there is no comparison.")


@router.get("", response_model=Comparison | Pivot, responses=TABLES)
def read_comparison(
    request: Request,
    database: CurrentDatabase,
    catalog: CurrentCatalog,
    asked: Asked,
    form: Format = "json",
    rows: Rows = None,
    columns: Columns = None,
) -> Response:
    """Compare the runs of a study, or of some jobs.

    Means with 95 % t-intervals over seeds; differences from the baseline paired by seed; p-values corrected by Holm's
    method. With `rows` (and `columns`) it is a pivot table.
    """
    with database.read() as c, of_parameters():
        comparison = answer(c, asked, catalog).comparison
    return _laid_out(request, comparison, form, rows, columns)


@router.post("", status_code=201, response_model=AnsweredComparison, openapi_extra=body(ComparisonRequest, EXAMPLE))
def save_comparison(
    request: Request,
    raw: JsonObject,
    key: CurrentKey,
    catalog: CurrentCatalog,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Save a question, to ask it again and to share it. Nothing is stored of one that cannot be answered."""
    wanted = validated(ComparisonRequest, raw)

    def save(c: Connection) -> Created:
        question = wanted.question()
        refuse_unknown(c, question)
        found = answer(c, question, catalog)
        if found.study:
            question = question.model_copy(update={"study": found.study.id})
        saved = comparisons.save(c, question, title=wanted.title, notes=wanted.notes, owner=key.owner)
        record = _record(saved, found, [], None)
        return Created(record, f"/v1/comparisons/{saved.id}", read=record)

    return create(request, key, idempotency_key, raw, save)


@router.get("/saved", response_model=PageOf[SavedComparison])
def list_comparisons(
    request: Request,
    database: CurrentDatabase,
    search: Search = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Saved comparisons, newest first, without their answers."""
    with database.read() as c:
        return paged(request, comparisons.page(c, search=search, cursor=cursor, limit=limit))


@router.get("/{comparison_id}", response_model=AnsweredComparison | Pivot, responses=TABLES)
def read_saved_comparison(
    request: Request,
    database: CurrentDatabase,
    catalog: CurrentCatalog,
    comparison_id: ComparisonId,
    form: Format = "json",
    rows: Rows = None,
    columns: Columns = None,
) -> Response:
    """A saved comparison with its answer from what is stored now.

    Jobs deleted since are `missing` from it. Where nothing is left to compare, `unanswered` says why, and there is no
    table of it (409).
    """
    with database.read() as c:
        found = saved_answer(c, comparison_id, catalog)
    if form == "json" and rows is None:
        return answered(request, found)
    if found.comparison is None:
        raise NotPossible("lay out", "comparison", comparison_id, found.unanswered or "")
    return _laid_out(request, found.comparison, form, rows, columns)


@router.delete("/{comparison_id}", status_code=204)
def delete_comparison(database: CurrentDatabase, key: CurrentKey, comparison_id: ComparisonId) -> Response:
    """Forget a saved question. The jobs it compares stay."""
    with database.write() as c:
        require_owner(key, comparisons.get(c, comparison_id).owner)
        comparisons.delete_comparison(c, comparison_id)
    return Response(status_code=204)


def saved_answer(c: Connection, comparison_id: str, catalog: Catalog) -> AnsweredComparison:
    saved = comparisons.get(c, comparison_id)
    found = answer_saved(c, saved, catalog)
    return _record(saved, found.answer, found.missing, found.unanswered)


def _record(
    saved: SavedComparison, found: Answer | None, missing: list[str], unanswered: str | None
) -> AnsweredComparison:
    comparison = found.comparison if found else None
    return AnsweredComparison(**saved.model_dump(), comparison=comparison, missing=missing, unanswered=unanswered)


def _laid_out(
    request: Request,
    comparison: Comparison,
    form: Literal["json"] | ExportFormat,
    rows: str | None,
    columns: str | None,
) -> Response:
    """The comparison, or a pivot table of it, in the form asked for."""
    if columns and not rows:
        raise BadParameter(
            "columns", f"a pivot table has rows, too: name another field with rows, or give rows={columns}"
        )
    with of_parameters():
        table = pivot(comparison, rows, columns) if rows else None
    if form == "json":
        return answered(request, table or comparison)
    written = export_pivot(comparison, table, form) if table else export(comparison, form)
    headers = {"Content-Disposition": 'attachment; filename="comparison.parquet"'} if form == "parquet" else {}
    return Response(written, media_type=TYPES[form], headers=headers)
