"""The routes of the pages, one module a page; `router` holds them all, and the static files they need."""

from fastapi import APIRouter

from api.dashboard import assets
from api.dashboard.pages import (
    compare,
    figure,
    job,
    jobs,
    new_study,
    normalizations,
    overview,
    run,
    studies,
    study,
    workers,
)

router = APIRouter(include_in_schema=False)
# /studies/new stands before /studies/{id}, which would take it for a name.
for module in (assets, overview, studies, new_study, study, jobs, job, run, compare, figure, normalizations, workers):
    router.include_router(module.router)
