"""From what a person types (an id, a study's name) to the routes of that thing."""

import re
from dataclasses import dataclass

from cli.client import Client, find_address
from cli.exits import CommandError, ExitCode
from domain.settings import Settings

PLURALS = {"run": "runs", "job": "jobs", "study": "studies", "cmp": "comparisons", "wrk": "workers", "key": "keys"}
ID = re.compile(r"^(run|job|study|cmp|wrk|key)_[0-9A-Za-z]+$")
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
"""What a study may be called, so that a name is one segment of an address."""


@dataclass(frozen=True)
class Place:
    """One run, job, study or saved comparison of the service."""

    kind: str
    id: str

    @property
    def path(self) -> str:
        return f"/v1/{PLURALS[self.kind]}/{self.id}"


def connect() -> Client:
    """A client of the service that the environment, or the data directory, names."""
    return Client(find_address(Settings()))


def locate(client: Client, wanted: str, *, kinds: tuple[str, ...] = ("run", "job", "study")) -> Place:
    """The thing with this id, or the newest study with this name.

    Raises CommandError (not found) when there is none, and (bad input) when it is of a kind that doesn't fit here.
    """
    match = ID.match(wanted)
    if match is None and "study" in kinds and NAME.match(wanted):
        found: str = client.get(f"/v1/studies/{wanted}")["id"]
        return Place("study", found)
    if match is None or match[1] not in kinds:
        expected = " or ".join(f"{kind}_…" for kind in kinds) + (" and no study's name" if "study" in kinds else "")
        code = ExitCode.NOT_FOUND if match is None else ExitCode.BAD_INPUT
        raise CommandError(f"{wanted!r} is no id of the form {expected}.", code=code)
    return Place(match[1], wanted)
