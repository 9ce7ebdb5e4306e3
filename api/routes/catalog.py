"""The menus: every variant with its options, for forms, help and documentation."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from api.answers import answered
from api.context import CurrentCatalog
from domain.catalog import Catalog, Variant
from domain.errors import NotFound
from domain.training import optimizer_menu, schedule_menu

router = APIRouter(tags=["catalog"])


class CatalogAnswer(BaseModel):
    """The menus of variants by name, and JSON Schemas of what isn't a menu of variants."""

    menus: dict[str, dict[str, Variant]]
    optimizers: dict[str, dict[str, Any]]
    schedules: dict[str, dict[str, Any]]


@router.get("/catalog", response_model=CatalogAnswer)
def read_catalog(request: Request, catalog: CurrentCatalog) -> Response:
    """Everything a job can name. It changes only with the program, so ask with `If-None-Match`."""
    return answered(request, whole(catalog))


@router.get("/catalog/{menu}/{variant}", response_model=Variant)
def read_variant(request: Request, catalog: CurrentCatalog, menu: str, variant: str) -> Response:
    """One variant of one menu."""
    found = catalog.menu(menu).get(variant)
    if found is None:
        raise NotFound(f"variant of {menu}", variant)
    return answered(request, found)


def whole(catalog: Catalog) -> CatalogAnswer:
    """The catalog with the choices that training has."""
    return CatalogAnswer(
        menus=catalog.menus,
        optimizers={name: model.model_json_schema() for name, model in optimizer_menu().items()},
        schedules={name: model.model_json_schema() for name, model in schedule_menu().items()},
    )
