"""A study: a base JobSpec, axes that vary, seeds, a metric, a baseline and a question; it expands into jobs."""

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from domain.catalog import Catalog
from domain.errors import FieldError, InvalidSpec
from domain.grouping import flat_where, is_about, matches
from domain.job import (
    PRIORITY,
    QUEUES,
    JobSpec,
    Seeds,
    Tags,
    flat,
    parse_spec,
    seed_list,
    spec_hash,
    wrong_queue,
    wrong_seeds,
)
from domain.labels import choice_labels
from domain.metric import MetricChoice, metric_problem
from domain.nearest import suggest
from domain.patterns import NAME, PATH
from domain.pointer import pointer
from domain.refusals import validate
from domain.run import Record
from domain.training import Strict
from domain.words import key_words, value_words

__all__ = ["Cell", "PlannedRun", "Study", "StudyRequest", "StudySpec", "expand", "parse_study", "runs_in_order"]

MAX_CELLS = 2_000
MAX_RUNS = 20_000
MAX_AXES = 8
MAX_ERRORS = 20

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=NAME)]
Question = Annotated[str, Field(max_length=500)]
Path = Annotated[str, Field(min_length=1, max_length=200, pattern=PATH)]
Where = Annotated[dict[Path, Any], Field(min_length=1, max_length=MAX_AXES)]


class StudyRequest(Strict):
    """The body of a study submission."""

    name: Name
    question: Question = ""
    base: dict[str, Any]
    """A JobSpec; what every cell varies may be left out."""
    vary: Annotated[
        dict[Path, Annotated[list[Any], Field(min_length=1, max_length=MAX_CELLS)]], Field(max_length=MAX_AXES)
    ]
    """Axes: a dotted path (`training.batch_size`) or a whole choice (`normalization`), each with its values."""
    exclude: Annotated[list[Where], Field(max_length=MAX_CELLS)] = Field(default_factory=list)
    """Cells to leave out: every path named in an entry has the value it gives."""
    seeds: Seeds = 3
    metric: MetricChoice = MetricChoice()
    baseline: dict[Path, Any] = Field(default_factory=dict)
    """What the others are compared with, by path."""
    tags: Tags = Field(default_factory=dict)
    queue: Annotated[str, Field(max_length=64)] = "default"
    priority: Annotated[int, Field(ge=-PRIORITY, le=PRIORITY)] = 0


class StudySpec(BaseModel):
    """A study that passed every check. `base`, `vary`, `exclude` and `baseline` are kept as they were written."""

    model_config = ConfigDict(frozen=True)

    name: str
    question: str = ""
    base: dict[str, Any]
    vary: dict[str, list[Any]]
    exclude: list[dict[str, Any]] = Field(default_factory=list)
    seeds: tuple[int, ...]
    metric: MetricChoice
    baseline: dict[str, Any]
    tags: dict[str, str] = Field(default_factory=dict)
    queue: str = "default"
    priority: int = 0

    @property
    def axes(self) -> list[str]:
        """The paths that vary."""
        return list(self.vary)


class Cell(BaseModel):
    """One combination of the axes: a job of the study."""

    model_config = ConfigDict(frozen=True)

    key: dict[str, Any]
    """The value of each axis, as a scalar: a whole choice by its label (`layer_norm`, `group_norm groups=8`)."""
    label: str
    spec: JobSpec
    spec_hash: str


class PlannedRun(BaseModel):
    """One run of an expansion: which cell (its position), which seed, and the seed's rank."""

    model_config = ConfigDict(frozen=True)

    cell: int
    seed: int
    seed_rank: int


class Study(Record):
    """A stored study as people read it."""

    id: str
    name: str
    question: str
    spec: dict[str, Any]
    """The StudySpec: base, vary, exclude, … as written."""
    axes: list[str]
    seeds: list[int]
    metric: MetricChoice
    baseline: dict[str, Any]
    tags: dict[str, str]
    notes: str
    queue: str
    priority: int
    owner: str | None
    created_at: datetime
    updated_at: datetime
    cells: int
    """How many jobs it has."""
    counts: dict[str, int]
    """Runs by status."""
    outcomes: dict[str, int]
    """Succeeded runs by outcome."""
    waiting: list[str]
    """Why queued runs of it are taken by no worker just now; empty where some worker takes each."""


def parse_study(raw: object, catalog: Catalog, *, queues: Sequence[str] = QUEUES) -> tuple[StudySpec, list[Cell]]:
    """The study that `raw` (parsed JSON or YAML) describes, and its cells in order, each checked against the catalog.

    Raises InvalidSpec with pointers into `raw`; an invalid cell that is not excluded refuses the study and is named.
    """
    request, errors = validate(StudyRequest, raw)
    if request is None:
        raise InvalidSpec(errors[:MAX_ERRORS])
    seeds = seed_list(request.seeds)
    _raise(
        [
            *wrong_seeds(request.seeds),
            *wrong_queue(request.queue, queues),
            *_wrong_metric(request.metric, catalog),
            *_too_many(request.vary, len(seeds)),
        ]
    )
    fields = request.model_dump(include=set(StudySpec.model_fields) - {"seeds", "metric"})
    study = StudySpec(**fields, seeds=seeds, metric=request.metric)
    cells = expand(study, catalog)
    _raise(_wrong_baseline(study, cells))
    return study, cells


def expand(study: StudySpec, catalog: Catalog) -> list[Cell]:
    """The cells of a study; the first axis changes slowest. Raises InvalidSpec, naming the cell that cannot run."""
    labels = {path: axis_labels(values) for path, values in study.vary.items()}
    cells: list[Cell] = []
    refused: list[tuple[dict[str, Any], list[FieldError]]] = []
    used: set[int] = set()
    for place in _places(study):
        raw = _merged(study, place)
        excluded = [number for number, where in enumerate(study.exclude) if _matches(raw, where)]
        used.update(excluded)
        if excluded:
            continue
        key = {path: labels[path][position] for path, position in place.items()}
        cell, wrong = _make_cell(raw, key, catalog)
        cells += [cell] if cell else []
        refused += [(key, [_in_study(error, place) for error in wrong])] if wrong else []
    _raise([*_named(refused, total=len(cells) + len(refused)), *_unused_exclusions(study, used)])
    _raise(_duplicates(cells) or _nothing_left(cells))
    return cells


def _places(study: StudySpec) -> Iterator[dict[str, int]]:
    """Every combination of positions on the axes."""
    for positions in itertools.product(*(range(len(values)) for values in study.vary.values())):
        yield dict(zip(study.vary, positions, strict=True))


def runs_in_order(cells: Sequence[Cell], seeds: Sequence[int]) -> Iterator[PlannedRun]:
    """Breadth first: the first seed of every cell, then the second; an early answer that gets tighter."""
    for rank, seed in enumerate(seeds):
        for number in range(len(cells)):
            yield PlannedRun(cell=number, seed=seed, seed_rank=rank)


def axis_labels(values: Sequence[Any]) -> list[Any]:
    """The values of an axis as scalars that tell them apart; a whole choice by its kind and what else differs."""
    if all(isinstance(value, Mapping) for value in values):
        return list(choice_labels(values))
    return [value_words(value) if isinstance(value, (Mapping, list, tuple)) else value for value in values]


def _merged(study: StudySpec, place: Mapping[str, int]) -> dict[str, Any]:
    """The base with the values of one cell put in; whole choices first, so that an axis below one adjusts it."""
    raw: dict[str, Any] = json.loads(json.dumps(study.base))
    for path in sorted(place, key=lambda path: path.count(".")):
        _put(raw, path.split("."), study.vary[path][place[path]])
    return raw


def _put(raw: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    here = raw
    for key in keys[:-1]:
        below = here.get(key)
        here[key] = dict(below) if isinstance(below, dict) else {}
        here = here[key]
    here[keys[-1]] = dict(value) if isinstance(value, dict) else value


def _matches(raw: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    return all(_same(_get(raw, path.split(".")), wanted) for path, wanted in where.items())


def _get(raw: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        if not isinstance(raw, Mapping) or key not in raw:
            return _Missing
        raw = raw[key]
    return raw


class _Missing:
    """Stands for a path that leads nowhere; equal to nothing that can be written."""


def _same(found: Any, wanted: Any) -> bool:
    """Equal, or an object that has everything the wanted one names; True is not 1."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            name in found and _same(found[name], value) for name, value in wanted.items()
        )
    return isinstance(found, bool) == isinstance(wanted, bool) and bool(found == wanted)


def _make_cell(raw: dict[str, Any], key: dict[str, Any], catalog: Catalog) -> tuple[Cell | None, list[FieldError]]:
    try:
        spec = parse_spec(raw, catalog)
    except InvalidSpec as refused:
        return None, refused.errors
    return Cell(key=key, label=key_words(key), spec=spec, spec_hash=spec_hash(spec)), []


def _in_study(error: FieldError, place: Mapping[str, int]) -> FieldError:
    """The error of a cell, pointed at the axis or at the base it comes from."""
    keys = error.pointer.split("/")[1:]
    for path in sorted(place, key=lambda path: -path.count(".")):
        along = path.split(".")
        # An axis may reach below something that is no object; then the error lies above the end of its path.
        if keys[: len(along)] == along or (len(keys) > 1 and along[: len(keys)] == keys):
            where = pointer(["vary", path, place[path]]) + "".join(f"/{key}" for key in keys[len(along) :])
            return FieldError(pointer=where, code=error.code, detail=error.detail)
    return FieldError(pointer=f"/base{error.pointer}", code=error.code, detail=error.detail)


def _named(refused: Sequence[tuple[Mapping[str, Any], Sequence[FieldError]]], *, total: int) -> list[FieldError]:
    """Each error once. It names its first cell, unless every cell has it: then it is the base's or the axis's own."""
    cells: dict[FieldError, list[str]] = {}
    for key, errors in refused:
        for error in errors:
            cells.setdefault(error, []).append(key_words(key))
    return [
        error if len(labels) == total else error.model_copy(update={"detail": f"{_cells(labels)}: {error.detail}"})
        for error, labels in cells.items()
    ]


def _cells(labels: Sequence[str]) -> str:
    if len(labels) == 1:
        return f"Cell {labels[0]}"
    return f"Cell {labels[0]} and {len(labels) - 1} more"


def _unused_exclusions(study: StudySpec, used: set[int]) -> list[FieldError]:
    return [
        FieldError(pointer=pointer(["exclude", number]), code="matches_nothing", detail="No cell has these values.")
        for number in range(len(study.exclude))
        if number not in used
    ]


def _duplicates(cells: Sequence[Cell]) -> list[FieldError]:
    first: dict[str, Cell] = {}
    return [
        FieldError(
            pointer="/vary",
            code="duplicate",
            detail=f"Cells {known.label} and {cell.label} are the same job once defaults are filled in.",
        )
        for cell in cells
        if (known := first.setdefault(cell.spec_hash, cell)) is not cell
    ]


def _nothing_left(cells: Sequence[Cell]) -> list[FieldError]:
    detail = "Every cell is excluded; nothing is left to run."
    return [] if cells else [FieldError(pointer="/exclude", code="nothing_left", detail=detail)]


def _wrong_metric(metric: MetricChoice, catalog: Catalog) -> list[FieldError]:
    problem = metric_problem(metric.name, catalog)
    return [FieldError(pointer="/metric/name", code="unknown_metric", detail=problem)] if problem else []


def _too_many(vary: Mapping[str, Sequence[Any]], seeds: int) -> list[FieldError]:
    """Counted before anything is expanded."""
    cells = math.prod(len(values) for values in vary.values())
    if cells > MAX_CELLS:
        detail = f"The axes have {cells} combinations; a study has at most {MAX_CELLS}."
        return [FieldError(pointer="/vary", code="resource_limit", detail=detail)]
    if cells * seeds > MAX_RUNS:
        detail = f"{cells} cells × {seeds} seeds are {cells * seeds} runs; a study has at most {MAX_RUNS}."
        return [FieldError(pointer="/seeds", code="resource_limit", detail=detail)]
    return []


def _wrong_baseline(study: StudySpec, cells: Sequence[Cell]) -> list[FieldError]:
    """A baseline that no cell has, or that no axis is about, would silently compare nothing."""
    specs = [flat(cell.spec) for cell in cells]
    missed = [
        _no_such(path, wanted, specs)
        for path, wanted in study.baseline.items()
        if not any(matches(spec, flat_where({path: wanted})) for spec in specs)
    ]
    varies = any(is_about(axis, path) for axis in study.axes for path in study.baseline)
    if missed or not study.baseline or not study.axes:
        return missed
    if not varies:
        named, axes = ", ".join(study.baseline), ", ".join(study.axes)
        detail = f"Every cell has it, as {named} does not vary: name one value of {axes}."
        return [FieldError(pointer="/baseline", code="not_varied", detail=detail)]
    return _ambiguous_baseline(study, [cell for cell, spec in zip(cells, specs, strict=True) if _meets(spec, study)])


def _no_such(path: str, wanted: Any, specs: Sequence[Mapping[str, Any]]) -> FieldError:
    leaves = flat_where({path: wanted})
    known = {value_words(spec[leaf]) for leaf in leaves for spec in specs if leaf in spec}
    meant = suggest(value_words(wanted), known) if known else suggest(path, {field for spec in specs for field in spec})
    detail = f"No cell has {path} = {value_words(wanted)}. {meant}"
    return FieldError(pointer=pointer(["baseline", path]), code="matches_nothing", detail=detail)


def _meets(spec: Mapping[str, Any], study: StudySpec) -> bool:
    return matches(spec, flat_where(study.baseline))


def _ambiguous_baseline(study: StudySpec, meeting: Sequence[Cell]) -> list[FieldError]:
    """Each cell is compared with one baseline: the one of its own setting of the other axes."""
    if not meeting:
        detail = "No cell has all of these values together."
        return [FieldError(pointer="/baseline", code="matches_nothing", detail=detail)]
    others = [axis for axis in study.axes if not any(is_about(axis, path) for path in study.baseline)]
    first: dict[tuple[Any, ...], Cell] = {}
    for cell in meeting:
        known = first.setdefault(tuple(cell.key[axis] for axis in others), cell)
        if known is not cell:
            detail = f"It is met by {known.label} and by {cell.label}; say which of them is meant."
            return [FieldError(pointer="/baseline", code="ambiguous", detail=detail)]
    return []


def _raise(errors: Sequence[FieldError]) -> None:
    if errors:
        raise InvalidSpec(errors[:MAX_ERRORS])
