"""An artifact: a file that a run leaves and that is worth having; and the names its checkpoints give their files."""

from datetime import datetime
from enum import StrEnum

from domain.run import Record

MANIFEST = "MANIFEST.json"
"""Sizes and SHA-256 of the other files of a checkpoint."""
WEIGHTS = "weights.safetensors"
OPTIMIZER = "optimizer.safetensors"
GENERATORS = "generators.safetensors"
STATE = "state.json"


class ArtifactKind(StrEnum):
    """What an artifact holds."""

    WEIGHTS = "weights"
    OPTIMIZER = "optimizer"
    GENERATORS = "generators"
    STATE = "state"
    MANIFEST = "manifest"
    SPEC = "spec"
    LOG = "log"
    OTHER = "other"


KINDS = {
    WEIGHTS: ArtifactKind.WEIGHTS,
    OPTIMIZER: ArtifactKind.OPTIMIZER,
    GENERATORS: ArtifactKind.GENERATORS,
    STATE: ArtifactKind.STATE,
    MANIFEST: ArtifactKind.MANIFEST,
}
"""The kind of a checkpoint's file, by its name."""


class Artifact(Record):
    """A file of a run, as people read it."""

    name: str
    kind: ArtifactKind
    bytes: int | None
    """None where it is made when it is asked for."""
    sha256: str | None
    step: int | None
    """Of a checkpoint's file: the step it was saved at. The weights of the highest step of a run are its final ones."""
    best: bool
    """Whether it belongs to the best checkpoint so far."""
    checkpoint_id: str | None
    created_at: datetime
    here: bool
    """False where the file can't be had from this machine: it was deleted, or lies where the run was trained."""
    href: str
    """Where it is downloaded."""
