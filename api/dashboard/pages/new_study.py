"""Writing a study at `/studies/new`: form and YAML side by side, checked as one writes; it is sent to `/v1/studies`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.context import CurrentCatalog, CurrentDatabase, CurrentSettings
from api.dashboard.draft import MAX_TEXT, Draft, draft_of, first_runs
from api.dashboard.entered import apply
from api.dashboard.form import errors_by_field, sections
from api.dashboard.render import environment, page
from api.dashboard.spec_text import yaml_text
from api.planning import expect
from domain.catalog import Catalog
from domain.database import Database
from domain.settings import Settings
from domain.store import studies

router = APIRouter(include_in_schema=False)

DEMO = Path(__file__).parents[3] / "studies" / "demo.yaml"
BLANK: dict[str, Any] = {
    "name": "my-study",
    "question": "",
    "base": {
        "dataset": {"kind": "digits"},
        "architecture": {"kind": "mlp"},
        "normalization": {"kind": "layer_norm"},
        "training": {"batch_size": 32, "budget": {"epochs": 10}, "optimizer": {"kind": "adam", "lr": 0.001}},
    },
    "vary": {"normalization": [{"kind": "layer_norm"}, {"kind": "batch_norm"}]},
    "seeds": 3,
    "metric": {"name": "test_error", "at": "final"},
    "baseline": {"normalization.kind": "layer_norm"},
}


class Entered(BaseModel):
    """What the page sends while one writes: the text, and the form's values if the form was edited last."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(max_length=MAX_TEXT)]
    form: dict[str, list[str]] | None = None


@router.get("/studies/new")
def write_study(
    request: Request,
    database: CurrentDatabase,
    catalog: CurrentCatalog,
    settings: CurrentSettings,
    template: Literal["", "demo"] = "",
    normalization: Annotated[str, Query(max_length=100)] = "",
    origin: Annotated[str, Query(alias="from", max_length=100)] = "",
) -> Response:
    text = _beginning(database, template, normalization, origin)
    draft = draft_of(text, catalog, settings.queues)
    return page(
        request,
        "new_study.html",
        here="Studies",
        hide_new=True,
        text=text,
        **_checked(draft, database, catalog, settings),
    )


@router.post("/studies/new")
def check_study(
    entered: Entered, database: CurrentDatabase, catalog: CurrentCatalog, settings: CurrentSettings
) -> dict[str, Any]:
    """The draft as it now stands: the text, the form, the errors at their fields and the preview, as HTML."""
    text = entered.text
    if entered.form is not None:
        before = draft_of(text, catalog, settings.queues)
        text = yaml_text(apply(before.raw or BLANK, entered.form, catalog))
    draft = draft_of(text, catalog, settings.queues)
    checked = _checked(draft, database, catalog, settings)
    templates = environment()
    return {
        "text": text,
        "study": draft.raw if draft.study else None,
        "runs": draft.runs,
        "form": templates.get_template("study_form.html").render(checked),
        "preview": templates.get_template("study_preview.html").render(checked),
    }


def _beginning(database: Database, template: str, normalization: str, origin: str) -> str:
    """The text one begins with: a stored study, the demo, or a small comparison."""
    if origin:
        with database.read() as c:
            spec = studies.get(c, origin).spec
        return yaml_text({name: value for name, value in spec.items() if value not in ("", [], {}, 0)})
    if template == "demo":
        return DEMO.read_text(encoding="utf-8")
    if normalization:
        varied = [{"kind": "layer_norm"}, *([{"kind": normalization}] if normalization != "layer_norm" else [])]
        return yaml_text({**BLANK, "name": f"{normalization}-or-layer_norm", "vary": {"normalization": varied}})
    return yaml_text(BLANK)


def _checked(draft: Draft, database: Database, catalog: Catalog, settings: Settings) -> Mapping[str, Any]:
    """What form and preview show of a draft."""
    form = sections(draft.raw or BLANK, catalog, settings.queues)
    placed, rest = errors_by_field(form, draft.errors)
    expected = None
    if draft.study:
        with database.read() as c:
            specs, study = [cell.spec for cell in draft.cells], draft.study
            expected = expect(c, specs, study.seeds, queue=study.queue, priority=study.priority, catalog=catalog)
    return {
        "draft": draft,
        "form": form,
        "placed": placed,
        "rest": rest,
        "seconds": expected.estimate.seconds if expected else None,
        "needs": expected.estimate if expected else None,
        "warnings": expected.warnings if expected else [],
        "first": first_runs(draft) if draft.study else None,
    }
