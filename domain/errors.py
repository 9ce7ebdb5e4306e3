"""The errors people see: a tree, each taking facts and writing its own sentence.

NormLabError
├── InvalidSpec            the submitted spec is wrong; carries one FieldError per place (422)
├── NotFound               no such job, run, study, worker or key (404)
├── NotPossible            the thing exists, but not in a state that allows this (409)
├── KeyReused              an Idempotency-Key came back with another body (422)
├── KeyRunning             the first request with this Idempotency-Key is still being answered (409)
├── InvalidCursor          a page cursor this service did not write (400)
├── NotAuthenticated       no key, a wrong one, a revoked or expired one (401)
├── NotAllowed             the key's scopes do not cover this (403)
├── NotYours               the thing belongs to another owner, and the key is no admin's (403)
├── StaleToken             a write with a fencing token that is no longer the run's (the writer must stop)
├── DatabaseNotReady       the schema is not at head
├── DatabaseTooNew         the schema is of a later release
├── UnsuitableStorage      the data directory cannot hold the database safely
└── InvalidSettings        a setting has a value that cannot work
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from pathlib import Path


class FieldError(BaseModel):
    """One thing wrong at one place of a submitted document."""

    model_config = ConfigDict(frozen=True)

    pointer: str
    """JSON Pointer (RFC 6901) to the field, "" for the whole document."""
    code: str
    """Stable word for programs, such as `unknown_option` or `out_of_range`."""
    detail: str
    """Sentence for people: what is wrong and what would be right."""


class NormLabError(Exception):
    """Every error with a sentence meant for the person who asked."""


class InvalidSpec(NormLabError):
    """A spec that is refused; nothing was stored."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = list(errors)
        super().__init__("; ".join(f"{error.pointer or '/'}: {error.detail}" for error in self.errors))


class NotFound(NormLabError):
    def __init__(self, noun: str, wanted: str) -> None:
        self.noun = noun
        self.wanted = wanted
        super().__init__(f"There is no {noun} {wanted!r}.")


class NotPossible(NormLabError):
    """The state of the thing does not allow the action."""

    def __init__(self, action: str, noun: str, wanted: str, why: str) -> None:
        self.action = action
        self.noun = noun
        self.wanted = wanted
        super().__init__(f"Cannot {action} {noun} {wanted}: {why}.")


class KeyReused(NormLabError):
    def __init__(self, key: str) -> None:
        super().__init__(
            f"Idempotency-Key {key!r} was used before with another body; send the same body, or a new key."
        )


class KeyRunning(NormLabError):
    def __init__(self, key: str) -> None:
        super().__init__(f"The first request with Idempotency-Key {key!r} is still being answered; send it again soon.")


class InvalidCursor(NormLabError):
    def __init__(self, cursor: str) -> None:
        super().__init__(f"The cursor {cursor[:40]!r} was not given out by this service; start from the first page.")


class NotAuthenticated(NormLabError):
    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"{why} Send 'Authorization: Bearer <key>'; `normlab keys` makes one.")


class NotAllowed(NormLabError):
    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(f"This key may not do that: it lacks the scope {scope!r}.")


class NotYours(NormLabError):
    def __init__(self, owner: str) -> None:
        self.owner = owner
        super().__init__(
            f"This belongs to {owner!r}: only a key of that owner, or one with the scope 'admin', changes it."
        )


class StaleToken(NormLabError):
    """The run was given to somebody else, or ended; whoever holds this token must stop and write nothing more."""

    def __init__(self, run_id: str, token: int) -> None:
        self.run_id = run_id
        self.token = token
        super().__init__(f"Token {token} of {run_id} is no longer valid: the run ended or was claimed again.")


class DatabaseNotReady(NormLabError):
    def __init__(self, found: str | None, wanted: str | None) -> None:
        self.found = found
        self.wanted = wanted
        state = f"at revision {found}" if found else "empty"
        super().__init__(
            f"The database is {state}, this version of NormLab needs revision {wanted}: run `python -m migrations`."
        )


class DatabaseTooNew(NormLabError):
    """The schema was made by a later release, which this one would damage."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(
            f"The database is at revision {found!r}, which this NormLab (revision {wanted!r}) does not know: "
            "it was written by a newer one. Use that version, or another NORMLAB_DATA_DIR. Nothing was changed."
        )


class UnsuitableStorage(NormLabError):
    def __init__(self, directory: "Path", filesystem: str) -> None:
        super().__init__(
            f"The data directory {directory} is on {filesystem}, where SQLite cannot lock safely; "
            "choose a local disk (NORMLAB_DATA_DIR) or use PostgreSQL (NORMLAB_DATABASE_URL)."
        )


class InvalidSettings(NormLabError):
    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"NORMLAB_{name.upper()}: {why}")
