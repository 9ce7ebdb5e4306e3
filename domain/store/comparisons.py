"""Saved comparisons: storing a question, reading, paging and deleting it, and which of its sources are gone."""

from sqlalchemy import Connection, delete, or_, select

from domain.clock import now
from domain.errors import NotFound
from domain.question import Question, SavedComparison
from domain.store import pages
from domain.store.ids import new_id
from domain.store.pages import Page
from domain.tables import comparison, job, study


def save(c: Connection, question: Question, *, title: str, notes: str = "", owner: str) -> SavedComparison:
    """Store a question whose study, if it has one, is named by its id: a name may pass to a newer study."""
    values = comparison.insert().values(
        id=new_id("cmp"),
        owner=owner,
        title=title,
        notes=notes,
        question=question.model_dump(mode="json"),
        created_at=now(c),
    )
    return SavedComparison.model_validate(c.execute(values.returning(comparison)).one())


def get(c: Connection, comparison_id: str) -> SavedComparison:
    """Raises NotFound."""
    row = c.execute(select(comparison).where(comparison.c.id == comparison_id)).one_or_none()
    if row is None:
        raise NotFound("comparison", comparison_id)
    return SavedComparison.model_validate(row)


def page(
    c: Connection, *, search: str | None = None, cursor: str | None = None, limit: int = 50
) -> Page[SavedComparison]:
    """A page of saved comparisons, newest first."""
    query = select(comparison)
    if search:
        words = comparison.c.title.concat(" ").concat(comparison.c.notes)
        query = query.where(words.icontains(search, autoescape=True))
    return pages.fetch(
        c,
        query,
        comparison,
        lambda rows: [SavedComparison.model_validate(row) for row in rows],
        cursor=cursor,
        limit=limit,
    )


def delete_comparison(c: Connection, comparison_id: str) -> None:
    """Forget a saved question; nothing that it compares is touched. Raises NotFound."""
    get(c, comparison_id)
    c.execute(delete(comparison).where(comparison.c.id == comparison_id))


def missing(c: Connection, question: Question) -> list[str]:
    """The study or jobs a question names that are not stored, in its order."""
    if question.study:
        named = or_(study.c.id == question.study, study.c.name == question.study)
        return [] if c.execute(select(study.c.id).where(named).limit(1)).first() else [question.study]
    stored = set(c.execute(select(job.c.id).where(job.c.id.in_(question.jobs))).scalars())
    return [job_id for job_id in question.jobs if job_id not in stored]
