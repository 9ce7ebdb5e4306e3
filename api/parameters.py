"""Parameters that many routes share, with the words that document them."""

from typing import Annotated

from fastapi import Path, Query

from domain.run import RunStatus
from domain.store.pages import LIMIT

RunId = Annotated[str, Path(max_length=64, examples=["run_01JZZZZZZZZZZZZZZZZZZZZZZZ"])]
JobId = Annotated[str, Path(max_length=64, examples=["job_01JZZZZZZZZZZZZZZZZZZZZZZZ"])]
StudyId = Annotated[str, Path(max_length=200, description="Its id, or its name: the latest study of that name.")]
Only = Annotated[str | None, Query(max_length=200, description="Only those of this one.")]
Statuses = Annotated[list[RunStatus], Query(description="Only these; repeat it for several.")]
Search = Annotated[str | None, Query(max_length=200, description="Only those that contain these words.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=LIMIT, description="Rows of a page.")]
SeqCursor = Annotated[int, Query(alias="cursor", ge=0, le=2**63 - 1, description="`next_cursor` of the page before.")]

# Nothing that an address must escape, so that a list of five hundred still fits into one.
IdList = Annotated[
    str | None, Query(max_length=16_000, pattern=r"^[0-9A-Za-z_, ]*$", description="Ids, with commas between them.")
]


def words(text: str | None) -> list[str]:
    """`a,b` as a list; what a parameter that names several things holds."""
    return [word.strip() for word in text.split(",") if word.strip()] if text else []
