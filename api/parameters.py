"""Parameters that many routes share, with the words that document them."""

import re
from typing import Annotated

from fastapi import Path, Query
from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from domain.patterns import IDS
from domain.run import RunStatus
from domain.store.pages import LIMIT

RunId = Annotated[str, Path(max_length=64, examples=["run_01JZZZZZZZZZZZZZZZZZZZZZZZ"])]
JobId = Annotated[str, Path(max_length=64, examples=["job_01JZZZZZZZZZZZZZZZZZZZZZZZ"])]
StudyId = Annotated[str, Path(max_length=200, description="Its id, or its name: the latest study of that name.")]
OfStudy = Annotated[str | None, Query(max_length=200, description="Only those of this study, by id or by name.")]
Only = Annotated[str | None, Query(max_length=200, description="Only those of this one.")]
Owner = Annotated[str | None, Query(max_length=64, description="Only what keys of this owner submitted.")]
Statuses = Annotated[list[RunStatus], Query(description="Only these; repeat it for several.")]
Search = Annotated[str | None, Query(max_length=200, description="Only those that contain these words.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=LIMIT, description="Rows of a page.")]
SeqCursor = Annotated[int, Query(alias="cursor", ge=0, le=2**63 - 1, description="`next_cursor` of the page before.")]

IdList = Annotated[str | None, Query(max_length=16_000, pattern=IDS, description="Ids, with commas between them.")]


LONGEST_WAIT = 60.0
"""Seconds that one request may wait."""
DURATION = re.compile(r"(\d{1,4}(?:\.\d{1,6})?)(s|m|)", re.ASCII)


def seconds_of(text: object) -> float:
    """`30s`, `1m` or `30` as seconds. Raises PydanticCustomError for anything else, and beyond LONGEST_WAIT."""
    written = DURATION.fullmatch(str(text))
    seconds = float(written[1]) * (60 if written[2] == "m" else 1) if written else -1
    if not 0 <= seconds <= LONGEST_WAIT:
        raise PydanticCustomError("invalid_duration", "write a time of at most 60 seconds, as in 30s, 1m or 30")
    return seconds


Wait = Annotated[
    float,
    BeforeValidator(seconds_of),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": LONGEST_WAIT},
                {"type": "string", "pattern": r"^([0-5]?[0-9](\.[0-9]{1,6})?s|60s|0m|1m)$"},
            ]
        }
    ),
    Query(description="Answer when the run is final, or after this time: `30s`, `1m`, or seconds; at most 60 s."),
]


PARQUET = "application/vnd.apache.parquet"
"""The media type of what leaves as Parquet."""


def words(text: str | None) -> list[str]:
    """`a,b` as a list; what a parameter that names several things holds."""
    return [word.strip() for word in text.split(",") if word.strip()] if text else []
