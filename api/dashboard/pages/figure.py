"""A figure by itself at `/figures/{kind}`, with its numbers as a table."""

from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from api.asking import address, question_of
from api.context import CurrentDatabase
from api.dashboard.figure_table import table_of_figure, table_of_points
from api.dashboard.figures import FIGURES, heat, strip
from api.dashboard.figures.plot import Figure
from api.dashboard.render import page
from api.dashboard.view import CURVES, RUN, Choice, View, controls, read_view
from domain.errors import NotFound
from domain.question import Question
from domain.store import jobs, runs, studies

VIEWS = {"curves": CURVES, "job": CURVES, "run": RUN}
"""The kinds that are drawn as a view wants them, and what it is when the address says nothing."""

router = APIRouter(include_in_schema=False)

LINES = ("curves", "job", "run", "effect")
"""The kinds that are read along an axis; of the others every point is a row."""
TITLES = {
    "forest": "differences from the baseline",
    "seeds": "every seed",
    "divergence": "diverged runs",
    "cost": "cost against quality",
    "heat": "heat map",
    "parallel": "parallel coordinates",
}


@router.get("/figures/{kind}")
def show_figure(request: Request, database: CurrentDatabase, kind: str) -> Response:
    if kind not in FIGURES:
        raise NotFound("figure", kind)
    params = dict(request.query_params)
    with database.read() as c:
        figure = FIGURES[kind](c, params)
        if kind == "run":
            run = runs.get(c, params["run"])
            back, words = f"/runs/{run.id}", f"{jobs.get(c, run.job_id).label}, seed {run.seed}"
        elif kind == "job":
            job = jobs.get(c, params["job"])
            back, words = f"/jobs/{job.id}", job.label
        else:
            back, words = _comparison(c, question_of(params))
    return page(
        request,
        "figure.html",
        here="Jobs" if kind in {"run", "job"} else "Studies" if back.startswith("/studies") else "Compare",
        url=f"/v1/figures/{kind}?{request.url.query}",
        back=back,
        words=words,
        title=", ".join(part for part in (_title(kind, figure), params.get("stratum"), params.get("rest")) if part),
        height=_height(kind, figure),
        broad=kind in {"heat", "parallel"},
        table=table_of_figure(figure) if kind in LINES else table_of_points(figure),
        view_tabs=_controls(kind, params) if kind in VIEWS else None,
    )


def _title(kind: str, figure: Figure) -> str:
    return TITLES.get(kind) or str(figure["layout"]["yaxis"]["title"]["text"])


def _height(kind: str, figure: Figure) -> int:
    """Pixels: a row of names or of cells wants its place, everything else the same."""
    if kind == "heat":
        return heat.height(len(figure["data"][0]["y"]))
    rows = len(figure["layout"]["yaxis"].get("tickvals", []))
    return max(240, strip.height(rows)) if kind in {"forest", "seeds", "divergence"} else 420


def _controls(kind: str, params: dict[str, str]) -> list[tuple[str, list[Choice]]]:
    default = VIEWS[kind]
    others = {name: value for name, value in params.items() if name not in View.__dataclass_fields__}
    return controls(
        read_view(params, default),
        lambda view: f"/figures/{kind}?{urlencode({**others, **view.query(default)})}",
        seeds=kind != "run",
    )


def _comparison(c: Connection, question: Question) -> tuple[str, str]:
    """The page of a comparison, and what it is called."""
    if question.study and question == Question(study=question.study):
        study = studies.get(c, question.study)
        return f"/studies/{study.id}", study.name
    return address("/compare", question), "comparison"
