"""The list of studies at `/studies`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.context import CurrentCatalog, CurrentDatabase
from api.dashboard.evidence import evidence_of
from api.dashboard.pages.parts import study_card
from api.dashboard.render import page
from domain.store import studies

router = APIRouter(include_in_schema=False)

CARDS = 12


@router.get("/studies")
def list_studies(
    request: Request,
    database: CurrentDatabase,
    catalog: CurrentCatalog,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    with database.read() as c:
        found = studies.page(c, cursor=cursor, limit=CARDS)
        cards = [study_card(study, evidence_of(c, study, catalog)) for study in found.data]
    return page(
        request,
        "studies.html",
        here="Studies",
        stream="/v1/events",
        cards=cards,
        first="/studies" if cursor else None,
        next=f"/studies?cursor={found.next_cursor}" if found.next_cursor else None,
    )
