"""A job: one immutable JobSpec with its seeds, how it is checked against the catalog, and the record people read."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from domain.catalog import Catalog
from domain.errors import FieldError, InvalidSpec
from domain.nearest import suggest
from domain.patterns import TEXT
from domain.refusals import validate
from domain.rules import broken_rules
from domain.run import Record
from domain.training import Strict, TrainingSpec
from domain.words import shown

__all__ = [
    "QUEUES",
    "Choice",
    "Job",
    "JobRequest",
    "JobSpec",
    "JobSubmission",
    "flat",
    "parse_job",
    "parse_spec",
    "spec_hash",
]

QUEUES = ("default", "cpu", "gpu")
MENUS = {"dataset": "datasets", "architecture": "architectures", "normalization": "normalizations"}
MAX_SEEDS = 1000
MAX_SEED = 2**32 - 1
PRIORITY = 1000

Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Line = Annotated[str, Field(max_length=200, pattern=TEXT)]
TagName = Annotated[str, Field(min_length=1, max_length=64, pattern=TEXT)]
Notes = Annotated[str, Field(max_length=5000, pattern=TEXT)]
"""What people write beside a result; several lines."""
Tags = Annotated[dict[TagName, Line], Field(max_length=16)]
Count = Annotated[int, Field(ge=1, le=MAX_SEEDS), Tag("count")]
SeedList = Annotated[list[Seed], Field(min_length=1, max_length=MAX_SEEDS), Tag("list")]
Seeds = Annotated[Count | SeedList, Discriminator(lambda given: "list" if isinstance(given, list) else "count")]


class Choice(BaseModel):
    """A variant and its options, written flat: `{kind: layer_norm, eps: 1.0e-5}`. The catalog says which there are."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    kind: str

    @property
    def options(self) -> dict[str, Any]:
        """The options without the kind."""
        return dict(self.model_extra or {})


class JobSpec(Strict):
    """What to train. Made by `parse_job` and `expand`, so its choices are known to be on the menus and complete."""

    dataset: Choice
    architecture: Choice
    normalization: Choice
    training: TrainingSpec

    def resolved(self) -> dict[str, Any]:
        """The whole spec as JSON data, every default filled in: what is stored and what the runner reads."""
        return self.model_dump(mode="json")


class JobRequest(JobSpec):
    """The body of a job submission: a JobSpec, and how often, where and how soon to run it."""

    seeds: Seeds = 1
    """A list of seeds, or how many: 3 stands for 0, 1, 2."""
    queue: Annotated[str, Field(max_length=64)] = "default"
    priority: Annotated[int, Field(ge=-PRIORITY, le=PRIORITY)] = 0
    """Higher runs first."""
    tags: Tags = Field(default_factory=dict)
    name: Line | None = None


SpecModel = TypeVar("SpecModel", bound=JobSpec)


class JobSubmission(BaseModel):
    """A job that passed every check and may be stored."""

    model_config = ConfigDict(frozen=True)

    spec: JobSpec
    seeds: tuple[int, ...]
    queue: str = "default"
    priority: int = 0
    tags: dict[str, str] = Field(default_factory=dict)
    name: str | None = None


class Job(Record):
    """A stored job as people read it."""

    id: str
    study_id: str | None
    name: str | None
    label: str
    """A few words that tell the job from its neighbours: of a study's job, what its cell varies."""
    key: dict[str, Any]
    """Of a study's job, the values of its cell by axis; else empty."""
    spec: dict[str, Any]
    """Resolved: every default filled in."""
    spec_hash: str
    seeds: list[int]
    queue: str
    priority: int
    tags: dict[str, str]
    notes: str
    owner: str | None
    created_at: datetime
    updated_at: datetime
    counts: dict[str, int]
    """Runs by status."""
    outcomes: dict[str, int]
    """Succeeded runs by outcome."""
    waiting: list[str]
    """Why queued runs of it are taken by no worker just now; empty where some worker takes each."""


def parse_job(raw: object, catalog: Catalog, *, queues: Sequence[str] = QUEUES) -> JobSubmission:
    """The job that `raw` (parsed JSON or YAML) describes, checked against the catalog and completed.

    Raises InvalidSpec with every wrong field at once, each with its JSON pointer.
    """
    request, spec = _checked(raw, JobRequest, catalog)
    errors = [*broken_rules(spec.resolved(), catalog), *wrong_seeds(request.seeds), *wrong_queue(request.queue, queues)]
    if errors:
        raise InvalidSpec(errors)
    return JobSubmission(
        spec=spec,
        seeds=seed_list(request.seeds),
        queue=request.queue,
        priority=request.priority,
        tags=request.tags,
        name=request.name,
    )


def parse_spec(raw: object, catalog: Catalog) -> JobSpec:
    """The JobSpec alone, as in a study's cell; raises InvalidSpec."""
    _, spec = _checked(raw, JobSpec, catalog)
    errors = broken_rules(spec.resolved(), catalog)
    if errors:
        raise InvalidSpec(errors)
    return spec


def _checked(raw: object, model: type[SpecModel], catalog: Catalog) -> tuple[SpecModel, JobSpec]:
    """`raw` as `model`, and its JobSpec with every choice completed; rules across fields are not looked at yet."""
    checked, errors = validate(model, raw, elsewhere=tuple(MENUS))
    resolved: dict[str, dict[str, Any]] = {}
    for field, menu in MENUS.items():
        if isinstance(raw, Mapping) and field in raw:
            resolved[field], wrong = catalog.check(menu, raw[field], f"/{field}")
            errors += wrong
    if errors or checked is None:
        raise InvalidSpec(errors)
    choices = {field: Choice.model_validate(choice) for field, choice in resolved.items()}
    return checked, JobSpec(**choices, training=checked.training)


def seed_list(seeds: int | list[int]) -> tuple[int, ...]:
    """The seeds in the order they run; a count n stands for 0 … n−1."""
    return tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)


def wrong_seeds(seeds: int | list[int]) -> list[FieldError]:
    """A seed that is listed twice would be the same run twice, and no second observation."""
    chosen = seed_list(seeds)
    return [
        FieldError(pointer=f"/seeds/{position}", code="duplicate", detail=f"Seed {seed} is listed twice.")
        for position, seed in enumerate(chosen)
        if seed in chosen[:position]
    ]


def wrong_queue(queue: str, queues: Sequence[str]) -> list[FieldError]:
    """Queues are a closed list: a run in a queue that no worker serves would wait for ever."""
    if queue in queues:
        return []
    detail = f"There is no queue {shown(queue)}. {suggest(queue, queues)}"
    return [FieldError(pointer="/queue", code="unknown_queue", detail=detail)]


def spec_hash(spec: JobSpec) -> str:
    """SHA-256 of the resolved spec in canonical JSON: equal specs, however they were written, have equal hashes."""
    canonical = json.dumps(spec.resolved(), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def flat(spec: JobSpec | Mapping[str, Any]) -> dict[str, Any]:
    """The spec by dotted paths (`normalization.kind`, `training.batch_size`); lists stay whole, as text `1000-1000`."""
    data = spec.resolved() if isinstance(spec, JobSpec) else spec
    return dict(_walk(data, ""))


def _walk(data: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _walk(value, f"{prefix}{name}.")
        elif isinstance(value, (list, tuple)):
            yield prefix + name, "-".join(str(item) for item in value)
        else:
            yield prefix + name, value
