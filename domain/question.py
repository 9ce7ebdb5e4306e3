"""A question to what is stored: which runs, grouped by what, on which number, against whom; and the saved ones."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from domain.job import Line, Notes
from domain.metric import At
from domain.patterns import TEXT
from domain.run import Record
from domain.study import MAX_AXES, Path
from domain.training import Strict

__all__ = ["MOST_JOBS", "ComparisonRequest", "Question", "SavedComparison"]

MOST_JOBS = 500
"""Jobs of one comparison that is not a study's."""
MOST_FIELDS = 20

Id = Annotated[str, Field(min_length=1, max_length=200, pattern=TEXT)]


class Question(Strict):
    """A study as it was meant, or jobs side by side; what is None is the study's, or what suits jobs."""

    study: Id | None = None
    """Id or name. Either this or `jobs`."""
    jobs: Annotated[list[Id], Field(max_length=MOST_JOBS)] = Field(default_factory=list)
    group_by: Annotated[list[Path], Field(max_length=MOST_FIELDS)] = Field(default_factory=list)
    """Dotted fields of the spec; empty for the study's axes, or for all that differ."""
    metric: Annotated[str, Field(max_length=100)] | None = None
    """None for the study's, or test_error."""
    at: At | None = None
    baseline: Annotated[dict[Path, Any], Field(max_length=MAX_AXES)] | None = None
    """Conditions by path; empty for no baseline, None for the study's."""
    threshold: float | None = None
    """Also: steps and seconds until the metric is there, in the unit it is read in (percent, no shares)."""


class ComparisonRequest(Question):
    """The body that saves a question."""

    title: Annotated[Line, Field(min_length=1)]
    notes: Notes = ""

    def question(self) -> Question:
        """The question alone."""
        return Question.model_validate(self.model_dump(include=set(Question.model_fields)))


class SavedComparison(Record):
    """A stored question as people read it. Its answer is made anew each time, from what is stored then."""

    id: str
    title: str
    notes: str
    question: Question
    owner: str | None
    created_at: datetime
