"""Where a dataset's files come from: the first source with the right checksum, and a clear error when there is none."""

import hashlib
import http.client
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

_TIMEOUT = 30.0
"""Seconds a server may be silent before the next source is tried."""

Announce = Callable[[str], None]
"""Takes a sentence for the run's events."""


class DatasetUnavailableError(Exception):
    """No source gave the file; the message names every source that was tried and what it said."""

    def __init__(self, dataset: str, name: str, tried: Sequence[str]) -> None:
        attempts = "".join(f"\n  - {attempt}" for attempt in tried)
        super().__init__(
            f"{dataset}: {name} could not be had. Put it into the first of these places, or let the worker reach one "
            f"of the others:{attempts}"
        )


class _NotThere(Exception):  # noqa: N818 - says why one source has nothing, caught where the next one is asked
    pass


@dataclass(frozen=True)
class File:
    """One file of a dataset and the checksums it may have, written `sha256:…` or `md5:…`.

    Several, because distributors pack the same contents anew.
    """

    name: str
    checksums: tuple[str, ...]

    def verify(self, contents: bytes) -> None:
        found = {f"{kind}:{hashlib.new(kind, contents, usedforsecurity=False).hexdigest()}" for kind in self._kinds()}
        if not found & set(self.checksums):
            raise _NotThere(f"has another checksum ({min(found)} instead of {' or '.join(self.checksums)})")

    def _kinds(self) -> set[str]:
        return {checksum.partition(":")[0] for checksum in self.checksums}


class Source(Protocol):
    """A place that may have files."""

    def read(self, file: File) -> bytes:
        """The file's verified contents; raises _NotThere with the reason when this source can't give it."""
        ...


@dataclass(frozen=True)
class Folder:
    """A folder on this machine."""

    path: Path

    def read(self, file: File) -> bytes:
        try:
            contents = (self.path / file.name).read_bytes()
        except OSError as error:
            raise _NotThere((error.strerror or str(error)).lower()) from error
        file.verify(contents)
        return contents

    def __str__(self) -> str:
        return f"the folder {self.path}"


@dataclass(frozen=True)
class Url:
    """A folder on a web server; what it gives is kept in `keep` for the next time, and announced."""

    base: str
    keep: Path
    announce: Announce

    def read(self, file: File) -> bytes:
        address = f"{self.base.rstrip('/')}/{file.name}"
        self.announce(f"Downloading {address}")
        try:
            with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer:  # noqa: S310 - the addresses are ours
                contents: bytes = answer.read()
        except urllib.error.HTTPError as error:
            raise _NotThere(f"answered {error.code} {error.reason}") from error
        except (OSError, http.client.HTTPException) as error:
            raise _NotThere(f"did not answer ({getattr(error, 'reason', error)})") from error
        file.verify(contents)
        _keep(self.keep / file.name, contents)
        return contents

    def __str__(self) -> str:
        return f"the address {self.base}"


def _keep(path: Path, contents: bytes) -> None:
    """Write whole or not at all: two runs may download the same file at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with partial.open("wb") as out:
            out.write(contents)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@dataclass(frozen=True)
class Sources:
    """What the worker gives a dataset to find its files with."""

    directory: Path
    """The data directory: the first place asked, and where downloads are kept."""
    announce: Announce = field(default=lambda _sentence: None)
    addresses: tuple[str, ...] | None = None
    """Web folders to ask instead of the dataset's own."""

    def read(
        self, dataset: str, files: Iterable[File], folders: Iterable[Path], addresses: Iterable[str]
    ) -> list[bytes]:
        """The verified contents of `files`, each from the first source that has it.

        Asked in this order: the data directory, `folders`, `addresses`. Raises DatasetUnavailableError naming all.
        """
        own = self.directory / dataset
        asked = addresses if self.addresses is None else self.addresses
        places: list[Folder | Url] = [Folder(own), *map(Folder, folders)]
        places += [Url(address, own, self.announce) for address in asked]
        return [self._read_one(dataset, file, places) for file in files]

    def _read_one(self, dataset: str, file: File, places: Sequence[Folder | Url]) -> bytes:
        tried = []
        for place in places:
            try:
                contents = place.read(file)
            except _NotThere as reason:
                tried.append(f"{place}: {reason}")
            else:
                self.announce(f"{dataset}: {file.name} read from {place}")
                return contents
        raise DatasetUnavailableError(dataset, file.name, tried)
