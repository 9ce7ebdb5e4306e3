"""Files that a run leaves: found by the rows of its checkpoints, never by a path that a request names."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any

from sqlalchemy import Connection

from api.answers import json_of
from api.errors import FileAway
from domain.artifact import KINDS, MANIFEST, Artifact, ArtifactKind
from domain.database import Database
from domain.errors import NotFound
from domain.run import Checkpoint, Run
from domain.store import jobs, logs, runs

SPEC = "spec.json"
LOG = "log.txt"
MEDIA_TYPES = {".json": "application/json", ".txt": "text/plain"}
BYTES = "application/octet-stream"


def artifacts(c: Connection, run: Run, runs_dir: Path) -> list[Artifact]:
    """What the run leaves: its spec, its log if it wrote one, and the files of its checkpoints, newest first."""
    found = [_beside(run, SPEC, ArtifactKind.SPEC, size=len(spec_text(c, run)))]
    if logs.tail(c, run.id, limit=1):
        found.append(_beside(run, LOG, ArtifactKind.LOG, size=None))
    for saved in runs.checkpoints(c, run.id):
        found += _files(saved, runs_dir)
    return found


def spec_text(c: Connection, run: Run) -> bytes:
    """The resolved spec of the run's job with the run's seed, as JSON."""
    return json_of({**jobs.get(c, run.job_id).spec, "seed": run.seed})


def stored_file(c: Connection, run: Run, name: str, runs_dir: Path) -> Path:
    """The file behind the name of a checkpoint's artifact.

    Raises NotFound when the run has no such artifact, and FileAway when it has but this machine has no such file.
    """
    for saved in runs.checkpoints(c, run.id):
        folder = _Folder.of(saved, runs_dir)
        if name == folder.prefix or name.startswith(f"{folder.prefix}."):
            if not folder.files:
                raise FileAway(folder.prefix)
            file = name.removeprefix(f"{folder.prefix}.")
            if file in folder.files:
                return folder.open(file)
    raise NotFound("artifact", name)


def log_text(database: Database, run_id: str) -> Iterator[str]:
    """The log in pieces, so that a long one needs no memory. The transaction is open while they are sent."""
    with database.read() as c:
        for lines in logs.whole(c, run_id):
            yield "".join(f"{line.at.isoformat(timespec='seconds')} {line.line}\n" for line in lines)


@dataclass(frozen=True)
class _Folder:
    """The directory of a checkpoint, and the files its manifest names: none where it isn't here or is damaged."""

    prefix: str
    path: Path
    files: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, saved: Checkpoint, runs_dir: Path) -> "_Folder":
        path = runs_dir / saved.path
        return cls(path.name, path, _manifest(path, saved.digest))

    def open(self, name: str) -> Path:
        """The path of a file that is here and no link. Raises FileAway."""
        path = self.path / name
        try:
            regular = S_ISREG(os.lstat(path).st_mode)
        except OSError:
            regular = False
        if not regular or path.resolve().parent != self.path.resolve():
            raise FileAway(f"{self.prefix}.{name}")
        return path


def _manifest(path: Path, digest: str) -> dict[str, dict[str, Any]]:
    """The files of a checkpoint with their sizes and SHA-256; none unless the manifest is the one that was saved."""
    try:
        text = (path / MANIFEST).read_bytes()
    except OSError:
        return {}
    if hashlib.sha256(text).hexdigest() != digest:
        return {}
    files = {**json.loads(text)["files"], MANIFEST: {"bytes": len(text), "sha256": digest}}
    # What people come for stands first: the weights.
    order = [*(name for name in KINDS if name in files), *(name for name in files if name not in KINDS)]
    return {name: files[name] for name in order if Path(name).name == name}


def _files(saved: Checkpoint, runs_dir: Path) -> Iterator[Artifact]:
    """The files of a checkpoint; where they aren't here, one entry that says so."""
    folder = _Folder.of(saved, runs_dir)
    away = {"": {"bytes": saved.size_bytes, "sha256": None}}
    for file, entry in (folder.files or away).items():
        name = f"{folder.prefix}.{file}" if file else folder.prefix
        yield Artifact(
            name=name,
            kind=KINDS.get(file, ArtifactKind.OTHER),
            bytes=entry["bytes"],
            sha256=entry["sha256"],
            step=saved.step,
            best=saved.best,
            checkpoint_id=saved.id,
            created_at=saved.created_at,
            here=bool(file),
            href=_href(saved.run_id, name),
        )


def _beside(run: Run, name: str, kind: ArtifactKind, *, size: int | None) -> Artifact:
    """What the store holds and no file does."""
    return Artifact(
        name=name,
        kind=kind,
        bytes=size,
        sha256=None,
        step=None,
        best=False,
        checkpoint_id=None,
        created_at=run.created_at,
        here=True,
        href=_href(run.id, name),
    )


def _href(run_id: str, name: str) -> str:
    return f"/v1/runs/{run_id}/artifacts/{name}"
