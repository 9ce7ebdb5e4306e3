"""Grouping of runs by what differs: which runs count, what their groups are called, and which groups are compared."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from domain.errors import FieldError, InvalidSpec
from domain.labels import choice_labels
from domain.nearest import suggest
from domain.pointer import pointer
from domain.results import RunResult
from domain.words import key_words, value_words

__all__ = ["Fields", "Grouped", "differing_fields", "flat_where", "group_runs", "is_about", "latest", "matches"]

CHOICES = ("dataset", "architecture", "normalization")


class Grouped(NamedTuple):
    """The runs with one value of every field grouped by."""

    key: dict[str, Any]
    variant: dict[str, Any]
    """The part of the key that the baseline is about."""
    stratum: dict[str, Any]
    """The rest of the key: where variants are compared with each other."""
    runs: list[RunResult]


class Fields(NamedTuple):
    """The fields grouped by, split into what is compared and where."""

    variant: tuple[str, ...]
    stratum: tuple[str, ...]


def latest(results: Iterable[RunResult]) -> list[RunResult]:
    """One run for each spec and seed, in the order of their ids.

    Of a job's runs with one seed the newest counts, which is the retry. A seed of the same spec in another job is the
    same observation again and not a second one; there a finished run is preferred.
    """
    newest: dict[tuple[str, int], RunResult] = {}
    for result in sorted(results, key=lambda result: result.run_id):
        newest[result.job_id, result.seed] = result
    chosen: dict[Hashable, RunResult] = {}
    for result in sorted(newest.values(), key=lambda result: (result.status == "succeeded", result.run_id)):
        chosen[frozenset(result.spec.items()), result.seed] = result
    return sorted(chosen.values(), key=lambda result: result.run_id)


def differing_fields(results: Sequence[RunResult]) -> list[str]:
    """The fields in which the specs differ: everything but the seed. A choice whose kind differs counts as a whole."""
    paths = list(dict.fromkeys(path for result in results for path in result.spec))
    differing = [path for path in paths if len({_value(result.spec, path) for result in results}) > 1]
    whole = [choice for choice in CHOICES if f"{choice}.kind" in differing]
    return [*whole, *(path for path in differing if path.split(".")[0] not in whole)]


def is_about(field: str, path: str) -> bool:
    """Whether the condition on `path` is one on `field`: one is or contains the other; a kind stands for its choice."""
    whole = field.removesuffix(".kind")
    return path in {field, whole} or path.startswith(f"{whole}.") or field.startswith(f"{path}.")


def split_fields(group_by: Sequence[str], baseline: Mapping[str, Any]) -> Fields:
    """Which of the fields the baseline is about; without one, the normalization or else the first field.

    Raises InvalidSpec when the baseline names a field that is not grouped by: its groups could not be told apart.
    """
    for path in baseline:
        if not any(is_about(field, path) for field in group_by):
            detail = f"The baseline names {path}, which is not grouped by. {suggest(path, group_by)}"
            raise InvalidSpec([FieldError(pointer=pointer(["baseline", path]), code="not_grouped", detail=detail)])
    related = [field for field in group_by if any(is_about(field, path) for path in baseline)]
    if not baseline:
        related = [field for field in group_by if field.startswith("normalization")] or list(group_by[:1])
    return Fields(tuple(related), tuple(field for field in group_by if field not in related))


def group_runs(results: Sequence[RunResult], group_by: Sequence[str], fields: Fields) -> list[Grouped]:
    """The groups, stratum by stratum, in the order of their numbers or else of their first runs."""
    columns = [_column(results, field, group_by) for field in group_by]
    grouped: dict[tuple[Any, ...], list[RunResult]] = defaultdict(list)
    for values, result in zip(zip(*columns, strict=True) if columns else [()] * len(results), results, strict=True):
        grouped[values].append(result)
    groups = []
    for values, runs in grouped.items():
        key = dict(zip(group_by, values, strict=True))
        groups.append(Grouped(key, {f: key[f] for f in fields.variant}, {f: key[f] for f in fields.stratum}, runs))
    return sorted(groups, key=lambda group: [_order(value) for value in group.stratum.values()])


def flat_where(where: Mapping[str, Any]) -> dict[str, Any]:
    """Conditions by the paths of a flat spec: `{normalization: {kind: none}}` becomes `{normalization.kind: none}`."""
    leaves: dict[str, Any] = {}
    for path, value in where.items():
        if isinstance(value, Mapping):
            leaves |= flat_where({f"{path}.{name}": below for name, below in value.items()})
        elif path in CHOICES:
            leaves[f"{path}.kind"] = value
        else:
            leaves[path] = value_words(value) if isinstance(value, (list, tuple)) else value
    return leaves


def matches(spec: Mapping[str, Any], leaves: Mapping[str, Any]) -> bool:
    """Whether a flat spec has these values; a text stands for the value that is read so: an address has only texts."""
    return all(path in spec and _equal(spec[path], wanted) for path, wanted in leaves.items())


def variant_name(group: Grouped) -> str:
    """What is compared, in words."""
    return key_words(group.variant) or key_words(group.key) or "all runs"


def stratum_name(group: Grouped) -> str:
    """Where it is compared, in words; empty when nothing else varies."""
    return key_words(group.stratum)


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, str):
        return wanted in {value_words(found), str(found).lower()}
    return isinstance(found, bool) == isinstance(wanted, bool) and bool(found == wanted)


def _column(results: Sequence[RunResult], field: str, group_by: Sequence[str]) -> list[Any]:
    """The value of `field` in every run: a leaf as it stands, a whole choice by its label, None where it is absent."""
    if any(field in result.spec for result in results):
        return [result.spec.get(field) for result in results]
    prefix = f"{field}."
    wholes = [
        {path.removeprefix(prefix): value for path, value in result.spec.items() if _below(path, prefix, group_by)}
        for result in results
    ]
    distinct = list({frozenset(whole.items()): whole for whole in wholes}.values())
    if not any(distinct):
        known = {*CHOICES, *(path for run in results for path in run.spec)}
        detail = f"No spec has {field}. {suggest(field, known)}"
        raise InvalidSpec([FieldError(pointer="/group_by", code="unknown_field", detail=detail)])
    names = dict(zip((frozenset(whole.items()) for whole in distinct), choice_labels(distinct), strict=True))
    return [names[frozenset(whole.items())] for whole in wholes]


def _below(path: str, prefix: str, group_by: Sequence[str]) -> bool:
    """Part of the whole choice, unless it is grouped by on its own."""
    return path.startswith(prefix) and path not in group_by


def _value(spec: Mapping[str, Any], path: str) -> tuple[str, Any]:
    value = spec.get(path)
    return type(value).__name__, value


def _order(value: Any) -> tuple[int, float, str]:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (0, float(value), "")
    return (1, 0.0, value_words(value))
