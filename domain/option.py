"""One option of a variant: what values it takes, and the check of a value against that."""

import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from domain.errors import FieldError
from domain.nearest import suggest
from domain.pointer import join
from domain.words import shown, written

__all__ = ["Option", "check_option"]

WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text"}
BOUND_WORDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


class Option(BaseModel):
    """What an option may be: the type's word (`int`, `float`, `bool`, `str`, `list[int]`, …), bounds and choices."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str
    bounds: dict[str, float] = Field(default_factory=dict)
    """Any of ge, gt, le, lt."""
    choices: tuple[Any, ...] | None = None
    nullable: bool = False
    items: "Option | None" = None
    length: dict[str, float] = Field(default_factory=dict)
    required: bool = False
    default: Any = None
    doc: str = ""


def check_option(option: Option, value: object, pointer: str) -> tuple[Any, list[FieldError]]:
    """The value as it is stored (a whole number given for a fractional one becomes one), and what is wrong with it."""
    if value is None and option.nullable:
        return None, []
    if option.items is not None:
        return _check_list(option, option.items, value, pointer)
    if not _has_type(option.type, value):
        return value, [FieldError(pointer=pointer, code="wrong_type", detail=_wrong_type(option, value))]
    if option.choices is not None and value not in option.choices:
        return value, [_not_a_choice(option.choices, value, pointer)]
    if option.type == "float":
        value = as_float(value)
    wrong = out_of_bounds(option.bounds, value)
    return value, [FieldError(pointer=pointer, code="out_of_range", detail=wrong)] if wrong else []


def as_float(value: Any) -> float:
    """The float of a number, infinite where it is too large for one; −0 becomes 0, so that equal specs look alike."""
    try:
        return float(value) + 0.0
    except OverflowError:
        return math.inf


def out_of_bounds(bounds: Mapping[str, float], value: Any) -> str | None:
    """A sentence when a number is outside its bounds or not finite; None when it is fine or no number."""
    if isinstance(value, (bool, str)):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN and infinity are not values; give a finite number."
    holds = {
        "ge": lambda bound: value >= bound,
        "gt": lambda bound: value > bound,
        "le": lambda bound: value <= bound,
        "lt": lambda bound: value < bound,
    }
    if all(holds[name](bound) for name, bound in bounds.items()):
        return None
    limits = " and ".join(f"{BOUND_WORDS[name]} {written(bound)}" for name, bound in bounds.items())
    return f"It is {shown(value)}, but must be {limits}."


def _has_type(word: str, value: object) -> bool:
    if word == "bool":
        return isinstance(value, bool)
    accepted: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,)}
    return isinstance(value, accepted[word]) and not isinstance(value, bool)


def _wrong_type(option: Option, value: object) -> str:
    wanted = WORDS.get(option.type, option.type)
    return f"It must be {wanted}, not {shown(value)}.{looks_like_number(value)}"


def looks_like_number(value: object) -> str:
    """A hint for the commonest accidents: quotes, and `1e-3`, which YAML reads as a text, for want of a point."""
    if not isinstance(value, str):
        return ""
    try:
        number = float(value)
    except ValueError:
        return ""
    if not math.isfinite(number):
        return ""
    if "e" in value.lower():
        return f" YAML reads {value[:40]} as a text; write {written(number)}."
    return f" Write it without quotes: {written(number)}."


def _not_a_choice(choices: tuple[Any, ...], value: object, pointer: str) -> FieldError:
    detail = f"{shown(value)} is not a choice. {suggest(value, [str(choice) for choice in choices])}"
    return FieldError(pointer=pointer, code="unknown_choice", detail=detail)


def _check_list(option: Option, items: Option, value: object, pointer: str) -> tuple[Any, list[FieldError]]:
    if not isinstance(value, (list, tuple)):
        detail = f"It must be a list of values, each {WORDS.get(items.type, items.type)}, not {shown(value)}."
        return value, [FieldError(pointer=pointer, code="wrong_type", detail=detail)]
    if option.length and out_of_bounds(option.length, len(value)):
        limits = " and ".join(f"{BOUND_WORDS[name]} {written(bound)}" for name, bound in option.length.items())
        detail = f"It has {len(value)} items, but must have {limits}."
        return value, [FieldError(pointer=pointer, code="out_of_range", detail=detail)]
    checked = [check_option(items, item, join(pointer, position)) for position, item in enumerate(value)]
    return [item for item, _ in checked], [error for _, errors in checked for error in errors]
