"""Studies: submitting one with its jobs and runs, reading, paging and deleting them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from domain.clock import now
from domain.errors import NotFound
from domain.event import EventKind
from domain.job import JobSubmission
from domain.run import RunStatus
from domain.store import events, pages, workers
from domain.store.ids import new_id
from domain.store.jobs import MAX_ATTEMPTS, delete_jobs, edited, insert_job, insert_runs, new_run, tally
from domain.store.pages import Page
from domain.study import Cell, Study, StudySpec, runs_in_order
from domain.tables import job, run, study
from domain.waiting import why_waiting


def submit(
    c: Connection, spec: StudySpec, cells: Sequence[Cell], *, owner: str, max_attempts: int = MAX_ATTEMPTS
) -> Study:
    """Store a study with a job for each cell and its runs, breadth first over seeds."""
    at = now(c)
    row = c.execute(
        study.insert()
        .values(
            id=new_id("study"),
            owner=owner,
            name=spec.name,
            question=spec.question,
            spec=spec.model_dump(mode="json"),
            tags=dict(spec.tags),
            created_at=at,
            updated_at=at,
        )
        .returning(study)
    ).one()
    jobs = [insert_job(c, *_cell_job(spec, cell, at), owner=owner, study_id=row.id, **_names(cell)) for cell in cells]
    insert_runs(
        c,
        [
            new_run(
                jobs[planned.cell],
                cells[planned.cell].spec,
                planned.seed,
                planned.seed_rank,
                at,
                max_attempts=max_attempts,
            )
            for planned in runs_in_order(cells, spec.seeds)
        ],
    )
    data = {"jobs": len(cells), "runs": len(cells) * len(spec.seeds)}
    message = f"{spec.name}: {data['jobs']} jobs, {data['runs']} runs"
    events.append(c, EventKind.STUDY_SUBMITTED, message, study_id=row.id, data=data)
    return get(c, row.id)


def _cell_job(spec: StudySpec, cell: Cell, at: Any) -> tuple[JobSubmission, Any]:
    submission = JobSubmission(
        spec=cell.spec, seeds=spec.seeds, queue=spec.queue, priority=spec.priority, tags=spec.tags
    )
    return submission, at


def _names(cell: Cell) -> dict[str, Any]:
    return {"label": cell.label, "key": cell.key, "digest": cell.spec_hash}


def get(c: Connection, wanted: str) -> Study:
    """A study by id, or the newest of that name. Raises NotFound."""
    newest = select(study).order_by(study.c.created_at.desc(), study.c.id.desc()).limit(1)
    row = c.execute(newest.where(study.c.id == wanted)).one_or_none()
    row = row or c.execute(newest.where(study.c.name == wanted)).one_or_none()
    if row is None:
        raise NotFound("study", wanted)
    return _records(c, [row])[0]


def id_of(c: Connection, wanted: str) -> str:
    """The id of the newest study of that name; what is no name is an id already, also of a study that was deleted."""
    newest = select(study.c.id).where(study.c.name == wanted).order_by(study.c.created_at.desc(), study.c.id.desc())
    return c.execute(newest.limit(1)).scalar_one_or_none() or wanted


def names(c: Connection, ids: Iterable[str]) -> dict[str, str]:
    """The names of studies by their ids."""
    named = select(study.c.id, study.c.name).where(study.c.id.in_(list(ids)))
    return {row.id: row.name for row in c.execute(named)}


def page(
    c: Connection, *, owner: str | None = None, search: str | None = None, cursor: str | None = None, limit: int = 50
) -> Page[Study]:
    """A page of studies, newest first."""
    query = select(study)
    if owner is not None:
        query = query.where(study.c.owner == owner)
    if search:
        words = study.c.name.concat(" ").concat(study.c.question)
        query = query.where(words.icontains(search, autoescape=True))
    return pages.fetch(c, query, study, lambda rows: _records(c, rows), cursor=cursor, limit=limit)


def edit(c: Connection, study_id: str, *, tags: Mapping[str, str] | None = None, notes: str | None = None) -> Study:
    """Change the tags or the notes; what is not given stays. Raises NotFound."""
    c.execute(update(study).where(study.c.id == study_id).values(updated_at=now(c), **edited(tags, notes)))
    return get(c, study_id)


def delete_study(c: Connection, study_id: str) -> list[str]:
    """Delete a study whose runs have all ended, with its jobs.

    Returns the ids of its runs, whose files the caller removes after the commit. Raises NotFound and NotPossible.
    """
    row = c.execute(select(study).where(study.c.id == study_id)).one_or_none()
    if row is None:
        raise NotFound("study", study_id)
    job_ids = c.execute(select(job.c.id).where(job.c.study_id == study_id)).scalars().all()
    deleted = delete_jobs(c, "study", study_id, job_ids)
    c.execute(delete(study).where(study.c.id == study_id))
    events.append(c, EventKind.STUDY_DELETED, f"Deleted {row.name}", study_id=study_id)
    return deleted


def _records(c: Connection, rows: Sequence[Row[Any]]) -> list[Study]:
    ids = [row.id for row in rows]
    tallies = tally(c, run.c.study_id, ids)
    counted = select(job.c.study_id, func.count()).where(job.c.study_id.in_(ids)).group_by(job.c.study_id)
    cells: dict[str, int] = {row[0]: row[1] for row in c.execute(counted)}
    waiting = _why_waiting(c, [each for each in ids if tallies[each].counts[RunStatus.QUEUED]])
    return [
        _record(row, tallies[row.id].over(row.updated_at), cells.get(row.id, 0), waiting.get(row.id, []))
        for row in rows
    ]


def _why_waiting(c: Connection, ids: Sequence[str]) -> dict[str, list[str]]:
    """By study, why queued runs of it wait for more than their turn."""
    if not ids:
        return {}
    places = select(run.c.study_id, run.c.queue, run.c.device).distinct()
    places = places.where(run.c.study_id.in_(ids), run.c.status == RunStatus.QUEUED)
    devices: dict[tuple[str, str], set[str]] = defaultdict(set)
    for study_id, queue, device in c.execute(places):
        devices[study_id, queue].add(device)
    alive = workers.alive(c)
    return {of: why_waiting(found, alive, queue=queue) for (of, queue), found in devices.items()}


def _record(row: Row[Any], tallied: dict[str, Any], cells: int, waiting: Sequence[str]) -> Study:
    spec = row.spec
    from_spec = {name: spec[name] for name in ("seeds", "metric", "baseline", "queue", "priority")}
    return Study.model_validate(
        {**row._asdict(), **from_spec, "axes": list(spec["vary"]), "cells": cells, "waiting": waiting, **tallied}
    )
