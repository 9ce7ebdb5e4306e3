"""Checkpoints as directories: written whole or not at all, verified before use. Their contents are the runner's matter.

A directory is filled under a temporary name, every file synced, then `MANIFEST.json` with sizes and SHA-256, then the
directory, then renamed, then its parent synced. So a directory with its final name is complete, whatever dies when.
Nothing here imports torch: the supervising process verifies and deletes.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from domain.artifact import MANIFEST

HEADER_LIMIT = 16 << 20
"""Bytes a safetensors header may have: names and shapes of some hundred thousand tensors. The library takes 100 MB."""
_TEMPORARY = ".tmp-"
_TENSORS = ".safetensors"


class BadCheckpointError(Exception):
    """A checkpoint whose files are missing, cut short or changed."""


@dataclass(frozen=True)
class Saved:
    """A complete checkpoint on disk."""

    path: Path
    size_bytes: int
    digest: str
    """SHA-256 of the manifest, and so of everything."""


def write(path: Path, fill: Callable[[Path], None]) -> Saved:
    """Make the checkpoint directory `path`, with the files that `fill` writes into the directory it is given.

    Raises OSError when the disk refuses; then nothing has the name `path` and the temporary directory is gone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}{_TEMPORARY}{secrets.token_hex(4)}")
    partial.mkdir()
    try:
        fill(partial)
        saved = _seal(partial)
        partial.rename(path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    _sync(path.parent)
    return Saved(path, *saved)


def _seal(directory: Path) -> tuple[int, str]:
    files = {}
    size = 0
    for file in sorted(directory.iterdir()):
        _sync(file)
        size += file.stat().st_size
        files[file.name] = {"bytes": file.stat().st_size, "sha256": _sha256(file)}
    text = json.dumps({"files": files}, indent=1, sort_keys=True).encode()
    manifest = directory / MANIFEST
    manifest.write_bytes(text)
    _sync(manifest)
    _sync(directory)
    return len(text) + size, hashlib.sha256(text).hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _header_size(file: Path) -> int:
    """The first eight bytes of a safetensors file state it."""
    with file.open("rb") as opened:
        return int.from_bytes(opened.read(8), "little")


def verify(path: Path, digest: str) -> None:
    """Check every byte of a checkpoint against its manifest, and the manifest against `digest`.

    Raises BadCheckpointError, saying what is wrong.
    """
    try:
        text = (path / MANIFEST).read_bytes()
        if hashlib.sha256(text).hexdigest() != digest:
            raise BadCheckpointError(f"{MANIFEST} is not the one that was saved")
        for name, entry in json.loads(text)["files"].items():
            if (path / name).stat().st_size != entry["bytes"]:
                raise BadCheckpointError(f"{name} has another size than when it was saved")
            if name.endswith(_TENSORS) and _header_size(path / name) > HEADER_LIMIT:
                raise BadCheckpointError(f"{name} has a header of more than {HEADER_LIMIT >> 20} MiB")
            if _sha256(path / name) != entry["sha256"]:
                raise BadCheckpointError(f"{name} has other contents than when it was saved")
    except OSError as error:
        raise BadCheckpointError(
            f"{Path(error.filename or path).name}: {(error.strerror or str(error)).lower()}"
        ) from error


def remove(path: Path) -> None:
    """Delete a checkpoint; one that is gone already is fine."""
    shutil.rmtree(path, ignore_errors=True)


def token_of(path: Path) -> int:
    """The token of the attempt that writes, or wrote, this checkpoint: its name is `<step>.<token>`."""
    return int(path.name.split(".")[1])


def sweep(directory: Path, *, before: int) -> None:
    """Delete what writers that were killed left half made; a token below `before` was theirs."""
    for partial in directory.glob(f"*{_TEMPORARY}*"):
        if token_of(partial) < before:
            shutil.rmtree(partial, ignore_errors=True)
