"""Artifacts: the files a run leaves, listed and downloaded."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import FileResponse, StreamingResponse

from api.answers import PageOf, listed
from api.artifacts import BYTES, LOG, MEDIA_TYPES, SPEC, artifacts, log_text, spec_text, stored_file
from api.context import CurrentDatabase, CurrentSettings
from api.openapi import BINARY, TEXT
from api.parameters import RunId
from domain.artifact import Artifact
from domain.store import runs

router = APIRouter(prefix="/runs/{run_id}/artifacts", tags=["runs"])

FORMS = {BYTES: BINARY, MEDIA_TYPES[".json"]: {"schema": {"type": "object"}}, MEDIA_TYPES[".txt"]: TEXT}
Name = Annotated[str, Path(max_length=200, description="As the list names it.", examples=["spec.json"])]


@router.get("", response_model=PageOf[Artifact])
def read_run_artifacts(
    request: Request, database: CurrentDatabase, settings: CurrentSettings, run_id: RunId
) -> Response:
    """What the run leaves: its resolved spec, its log, and the files of the checkpoints that are kept, newest first.

    Weights are safetensors, everything else is JSON or text; nothing is pickled.
    """
    with database.read() as c:
        return listed(request, artifacts(c, runs.get(c, run_id), settings.runs_dir))


@router.get(
    "/{name}",
    response_class=FileResponse,
    responses={
        200: {"description": "The file.", "content": FORMS},
        206: {"description": "The part of it that `Range` asks for.", "content": {BYTES: BINARY}},
    },
)
def download_artifact(database: CurrentDatabase, settings: CurrentSettings, run_id: RunId, name: Name) -> Response:
    """One file, as a download. 410 when the run has it, but not on this machine: deleted, or trained elsewhere."""
    with database.read() as c:
        run = runs.get(c, run_id)
        if name == SPEC:
            return Response(spec_text(c, run), headers=_download(run_id, name), media_type=MEDIA_TYPES[".json"])
        if name != LOG:
            file = stored_file(c, run, name, settings.runs_dir)
            kind = MEDIA_TYPES.get(file.suffix, BYTES)
            return FileResponse(file, headers=_download(run_id, name), media_type=kind, stat_result=file.stat())
    lines = log_text(database, run_id)
    return StreamingResponse(lines, headers=_download(run_id, name), media_type=MEDIA_TYPES[".txt"])


def _download(run_id: str, name: str) -> dict[str, str]:
    """To be saved, never shown as a page of this service. The name holds what the store wrote, no quotes or spaces."""
    return {"Content-Disposition": f'attachment; filename="{run_id}.{name}"', "Content-Security-Policy": "sandbox"}
