"""Which runs a query means: `runs=a,b`, or all of a `study` or a `job`."""

from typing import Annotated

from fastapi import Depends, Query
from sqlalchemy import Connection

from api.errors import BadParameter
from api.parameters import IdList, words
from domain.errors import NotFound
from domain.store import jobs, runs, studies

MOST_RUNS = 500
"""Runs of one answer."""


class Selection:
    """The query parameters `runs`, `study` and `job`, of which exactly one is given."""

    def __init__(
        self,
        runs: IdList = None,
        study: Annotated[str | None, Query(max_length=200, description="Or: all runs of this study.")] = None,
        job: Annotated[str | None, Query(max_length=64, description="Or: all runs of this job.")] = None,
    ) -> None:
        self.runs = words(runs)
        self.study = study
        self.job = job

    def ids(self, c: Connection, *, most: int | None = MOST_RUNS) -> list[str]:
        """Ids of the runs. Raises BadParameter, also for more than `most`, and NotFound."""
        if sum(bool(given) for given in (self.runs, self.study, self.job)) != 1:
            raise BadParameter("runs", "give exactly one of runs, study and job")
        found = self._known(c) if self.runs else self._of_study_or_job(c)
        if most is not None and len(found) > most:
            raise BadParameter("runs", f"{len(found)} runs are too many for one answer; at most {most}")
        return found

    def _known(self, c: Connection) -> list[str]:
        missing = runs.missing(c, self.runs)
        if missing:
            raise NotFound("run", missing[0])
        return self.runs

    def _of_study_or_job(self, c: Connection) -> list[str]:
        if self.study:
            return runs.ids(c, study_id=studies.get(c, self.study).id)
        return runs.ids(c, job_id=jobs.get(c, self.job or "").id)


Selected = Annotated[Selection, Depends()]
