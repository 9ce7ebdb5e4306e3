"""One study at `/studies/{id}`: the question, what the runs show and what is behind it; the URL holds the choices."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from api.asking import address
from api.context import CurrentCatalog, CurrentDatabase
from api.dashboard.evidence import evidence_of
from api.dashboard.pages.findings import SECTIONS, findings
from api.dashboard.pages.parts import finished_of, open_of, state_of
from api.dashboard.pages.place import Chosen, Place
from api.dashboard.render import page
from api.dashboard.spec_text import yaml_markup
from domain.question import Question
from domain.run import RunStatus
from domain.store import runs, studies
from domain.study import Study
from domain.words import key_words

router = APIRouter(include_in_schema=False)


@router.get("/studies/{study_id}")
def show_study(
    request: Request,
    database: CurrentDatabase,
    catalog: CurrentCatalog,
    study_id: str,
    chosen: Chosen,
) -> Response:
    with database.read() as c:
        study = studies.get(c, study_id)
        evidence = evidence_of(c, study, catalog)
        left = _seconds_left(c, study)
    place = Place(f"/studies/{study.id}", Question(study=study.id), chosen)
    return page(
        request,
        "study.html",
        here="Studies",
        stream=f"/v1/events?study={study.id}",
        study=study,
        sections=[*SECTIONS, ("Repeat", "repeat")],
        left=left,
        **_head(study),
        **findings(place, evidence),
        compare=address("/compare", place.question),
        commands=_commands(study),
        spec_yaml=yaml_markup(_written(study)),
    )


def _seconds_left(c: Connection, study: Study) -> float | None:
    """What the running runs say is left, the longest of them; None while none has said anything."""
    if not study.counts.get("running"):
        return None
    running = runs.page(c, study_id=study.id, status=[RunStatus.RUNNING], limit=50).data
    return max((run.seconds_left for run in running if run.seconds_left is not None), default=None)


def _head(study: Study) -> dict[str, Any]:
    base = study.spec["base"]
    parts = [
        str(base[part].get("kind", "")) for part in ("architecture", "dataset") if isinstance(base.get(part), dict)
    ]
    return {
        "counts": study.counts,
        "state": state_of(study.counts),
        "finished": finished_of(study.counts),
        "open_runs": open_of(study.counts),
        "total": sum(study.counts.values()),
        "summary": " on ".join(part for part in parts if part)
        + f", {len(study.seeds)} seeds"
        + (f", baseline {key_words(study.baseline)}" if study.baseline else ""),
    }


def _written(study: Study) -> Mapping[str, Any]:
    """The study as one would write it: nothing that is only a default."""
    spec = study.spec
    kept = {name: spec[name] for name in ("name", "question", "base", "vary") if spec.get(name)}
    if spec.get("exclude"):
        kept["exclude"] = spec["exclude"]
    seeds: Any = len(study.seeds) if study.seeds == list(range(len(study.seeds))) else study.seeds
    return {**kept, "seeds": seeds, "metric": study.metric.model_dump(), "baseline": study.baseline}


def _commands(study: Study) -> str:
    runs_in_all = sum(study.counts.values())
    return (
        f"# the whole study, {runs_in_all} runs; the YAML beside it as {study.name}.yaml\n"
        f"normlab submit {study.name}.yaml --watch\n\n"
        f"# what it shows\nnormlab compare {study.name}\n\n"
        f"# every point\nnormlab export {study.name} > {study.name}.csv\n"
    )
