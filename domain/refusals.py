"""What a pydantic model refuses, as FieldErrors for people: JSON pointers, plain words, the nearest valid name."""

import types
import typing
from collections.abc import Mapping, Sequence, Sized
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from domain.errors import FieldError
from domain.nearest import suggest
from domain.option import looks_like_number
from domain.patterns import in_words
from domain.pointer import pointer
from domain.words import shown, written

__all__ = ["merged", "say", "validate"]

NOUNS = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
LENGTHS = {
    "string_too_short": ("min_length", "character"),
    "string_too_long": ("max_length", "character"),
    "too_short": ("min_length", "item"),
    "too_long": ("max_length", "item"),
}
LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("above", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("below", "lt"),
}


CHOICES = ("literal", "enum")
RARER = {
    "finite_number": ("out_of_range", "NaN and infinity are not values; give a finite number."),
    "string_unicode": ("wrong_text", "It holds half of a surrogate pair, which is no character."),
}

Model = TypeVar("Model", bound=BaseModel)


def validate(
    model: type[Model], raw: object, *, elsewhere: Sequence[str] = ()
) -> tuple[Model | None, list[FieldError]]:
    """`raw` as a `model`, or None and everything that is refused.

    What stands below the top-level fields in `elsewhere` is somebody else's to judge, so it is not reported twice; that
    one of them is missing is reported.
    """
    try:
        return model.model_validate(raw), []
    except ValidationError as refused:
        found = [_as_field_error(model, raw, error) for error in _plain(refused.errors(include_url=False))]
    given = raw if isinstance(raw, Mapping) else {}
    judged = [pointer([field]) for field in elsewhere if field in given]
    return None, [error for error in found if not any(_lies_in(error.pointer, place) for place in judged)]


def _lies_in(place: str, above: str) -> bool:
    return place == above or place.startswith(f"{above}/")


def _plain(errors: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """One error per place and kind: a union reports one per member."""
    return list({(error["loc"], error["type"]): error for error in errors}.values())


def _as_field_error(model: type[BaseModel], raw: object, error: ErrorDetails) -> FieldError:
    path = _path_in(raw, error["loc"])
    code, detail = _say(model, raw, path, error)
    where = [*path, "kind"] if error["type"].startswith("union_tag") else path
    return FieldError(pointer=pointer(where), code=code, detail=detail)


def _path_in(raw: object, location: Sequence[str | int]) -> list[str | int]:
    """The location as a path in what was sent: pydantic also names the union member it tried, which nobody wrote."""
    path: list[str | int] = []
    here: object = raw
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if isinstance(here, Mapping) and (part in here or (last and here.get("kind") != part)):
            path.append(part)
            here = here.get(part)
        elif isinstance(here, (list, tuple)) and isinstance(part, int):
            path.append(part)
            here = here[part] if part < len(here) else None
    return path


def _say(model: type[BaseModel], raw: object, path: Sequence[str | int], error: ErrorDetails) -> tuple[str, str]:
    """The code and the sentence for one of pydantic's errors."""
    kind = error["type"]
    if kind == "missing":
        return "missing", f"{path[-1] if path else 'A value'} is missing."
    if kind == "extra_forbidden":
        return (
            "unknown_key",
            f"There is no {str(path[-1])[:60]!r} here. {suggest(path[-1], _fields_beside(model, raw, path))}",
        )
    return say(error)


def say(error: ErrorDetails) -> tuple[str, str]:
    """The code and the sentence for an error that is about a value alone."""
    kind, facts, given = error["type"], error.get("ctx", {}), error["input"]
    if kind.startswith(("union_tag", *CHOICES)):
        return _say_choice(kind, facts, given)
    return _say_value(kind, facts, given) or (kind, f"{error['msg']}.")


def merged(same: Sequence[ErrorDetails]) -> ErrorDetails:
    """One error for a value on which pydantic tried several lists of choices."""
    first = same[0]
    if len(same) == 1 or not all(error["type"].startswith(CHOICES) for error in same):
        return first
    return {**first, "ctx": {"expected": ", ".join(str(error.get("ctx", {}).get("expected")) for error in same)}}


def _say_choice(kind: str, facts: Mapping[str, Any], given: object) -> tuple[str, str]:
    names = _listed(facts.get("expected_tags", facts.get("expected", "")))
    if kind == "union_tag_not_found":
        return "missing", "The kind is missing."
    if kind == "union_tag_invalid":
        return "unknown_variant", f"There is no {facts['tag']!r}. {suggest(facts['tag'], names)}"
    return "unknown_choice", f"{shown(given)} is not a choice. {suggest(given, names)}"


def _say_value(kind: str, facts: Mapping[str, Any], given: object) -> tuple[str, str] | None:
    if kind in NOUNS:
        return "wrong_type", f"It must be {NOUNS[kind]}, not {shown(given)}.{looks_like_number(given)}"
    if kind in LIMITS:
        word, fact = LIMITS[kind]
        return "out_of_range", f"It is {shown(given)}, but must be {word} {written(facts[fact])}."
    if kind == "value_error":
        sentence = str(facts["error"])
        return "wrong_value", f"{sentence[:1].upper()}{sentence[1:]}."
    if kind == "string_pattern_mismatch":
        return "wrong_text", in_words(facts["pattern"])
    return _say_length(kind, facts, given) or RARER.get(kind)


def _say_length(kind: str, facts: Mapping[str, Any], given: object) -> tuple[str, str] | None:
    if kind not in LENGTHS:
        return None
    fact, noun = LENGTHS[kind]
    has, limit = len(given) if isinstance(given, Sized) else 0, facts[fact]
    least = "at least" if fact == "min_length" else "at most"
    return kind, f"It has {_count(has, noun)}, but must have {least} {limit}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _listed(quoted: str) -> list[str]:
    """The names in pydantic's `'a', 'b' or 'c'`."""
    return quoted.split("'")[1::2]


def _fields_beside(model: type[BaseModel], raw: object, path: Sequence[str | int]) -> list[str]:
    """The fields of the object in which the last part of `path` stands; of several kinds, those of the one written."""
    owners: set[type[BaseModel]] = {model}
    for part in path[:-1]:
        raw = raw[part] if isinstance(raw, Mapping) else None
        below = {found for owner in owners for found in _models_in(_annotation(owner, part))}
        kind = raw.get("kind") if isinstance(raw, Mapping) else None
        owners = {found for found in below if _kind(found) == kind} or below
    return sorted({name for owner in owners for name in owner.model_fields})


def _annotation(owner: type[BaseModel], part: str | int) -> Any:
    field = owner.model_fields.get(str(part))
    return field.annotation if field else None


def _kind(model: type[BaseModel]) -> object:
    return model.model_fields["kind"].default if "kind" in model.model_fields else None


def _models_in(annotation: Any) -> set[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    if typing.get_origin(annotation) in {typing.Annotated, typing.Union, types.UnionType, list, tuple}:
        return {found for member in typing.get_args(annotation) for found in _models_in(member)}
    return set()
