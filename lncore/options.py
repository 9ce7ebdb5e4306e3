"""How a variant states the bounds of its options, and the constructor that keeps to them.

`Annotated[float, Range(gt=0, le=1)]` beside a keyword-only argument is read twice: by `lncore.description`, which puts
it in the catalog, and by `checked`, which refuses a value outside it. So the two can never disagree.
"""

import functools
import inspect
import math
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Owner = TypeVar("Owner")
Result = TypeVar("Result")


class OptionError(ValueError):
    """An option no variant has, or a value outside its bounds; the message says what would be right."""


@dataclass(frozen=True)
class Range:
    """The numbers an option may take."""

    ge: float | None = None
    le: float | None = None
    gt: float | None = None
    lt: float | None = None

    def holds(self, value: float) -> bool:
        return (
            math.isfinite(value)
            and (self.ge is None or value >= self.ge)
            and (self.le is None or value <= self.le)
            and (self.gt is None or value > self.gt)
            and (self.lt is None or value < self.lt)
        )

    def bounds(self) -> dict[str, float]:
        return {name: bound for name, bound in vars(self).items() if bound is not None}

    def __str__(self) -> str:
        words = {"ge": "at least", "le": "at most", "gt": "above", "lt": "below"}
        return " and ".join(f"{words[name]} {bound:g}" for name, bound in self.bounds().items())


@dataclass(frozen=True)
class Length:
    """How many items a list may have."""

    ge: int | None = None
    le: int | None = None

    def bounds(self) -> dict[str, float]:
        return Range(self.ge, self.le).bounds()


@dataclass(frozen=True)
class Rule:
    """A condition across the fields of a job, as data: the field at `path` must satisfy `op` against `value`.

    `ge`, `le` and `in` compare with the value itself; `divides` says that the variant's own option named `value` must
    divide the field. `architecture.width*` stands for every width the architecture states. `message` is the sentence a
    user reads.
    """

    path: str
    op: Literal["ge", "le", "in", "divides"]
    value: Any
    message: str

    def as_data(self) -> dict[str, Any]:
        return {"path": self.path, "op": self.op, "value": self.value, "message": self.message}


@dataclass(frozen=True)
class OptionType:
    """What one option may be: its type's word, its bounds, its choices, and for a list what its items may be."""

    word: str
    bounds: Range | None = None
    length: Length | None = None
    choices: tuple[Any, ...] | None = None
    nullable: bool = False
    items: "OptionType | None" = None

    def check(self, owner: str, name: str, value: Any) -> None:
        """Raise OptionError unless `value` may stand for the option `name` of `owner`."""
        if value is None and self.nullable:
            return
        if self.choices is not None and value not in self.choices:
            raise OptionError(f"{owner}: {name} is {value!r}, but must be one of {', '.join(map(repr, self.choices))}.")
        if not self._has_type(value):
            raise OptionError(f"{owner}: {name} is {value!r}, but must be of type {self.word}.")
        if self.bounds is not None and not self.bounds.holds(value):
            raise OptionError(f"{owner}: {name} is {value!r}, but must be {self.bounds}.")
        if self.word.startswith("list"):
            self._check_items(owner, name, value)

    def _has_type(self, value: Any) -> bool:
        if self.word.startswith("list"):
            return isinstance(value, (list, tuple))
        accepted: dict[str, tuple[type, ...]] = {"float": (int, float), "int": (int,), "bool": (bool,), "str": (str,)}
        return isinstance(value, accepted.get(self.word, (object,))) and (
            self.word == "bool" or not isinstance(value, bool)
        )

    def _check_items(self, owner: str, name: str, values: Any) -> None:
        if self.length is not None and not Range(self.length.ge, self.length.le).holds(len(values)):
            raise OptionError(f"{owner}: {name} has {len(values)} items, but must have {Range(**vars(self.length))}.")
        if self.items is not None:
            for position, value in enumerate(values):
                self.items.check(owner, f"{name}[{position}]", value)

    def as_data(self) -> dict[str, Any]:
        """The type as JSON-able data, in the words of the catalog."""
        data: dict[str, Any] = {"type": self.word, "bounds": self.bounds.bounds() if self.bounds else {}}
        data["choices"] = None if self.choices is None else list(self.choices)
        data["nullable"] = self.nullable
        if self.items is not None:
            data["items"] = self.items.as_data()
            data["length"] = self.length.bounds() if self.length else {}
        return data


def read_type(annotation: Any) -> OptionType:
    """The OptionType an annotation such as `list[Annotated[int, Range(ge=1)]] | None` stands for."""
    if typing.get_origin(annotation) is typing.Annotated:
        inner, *extras = typing.get_args(annotation)
        return _with_extras(read_type(inner), extras)
    if typing.get_origin(annotation) in {types.UnionType, typing.Union}:
        return _read_optional(annotation)
    if typing.get_origin(annotation) is Literal:
        choices = typing.get_args(annotation)
        return OptionType(type(choices[0]).__name__, choices=choices)
    if typing.get_origin(annotation) in {list, tuple}:
        items = read_type(typing.get_args(annotation)[0])
        return OptionType(f"list[{items.word}]", items=items)
    return OptionType(getattr(annotation, "__name__", str(annotation)))


def _with_extras(plain: OptionType, extras: list[Any]) -> OptionType:
    bounds = next((extra for extra in extras if isinstance(extra, Range)), plain.bounds)
    length = next((extra for extra in extras if isinstance(extra, Length)), plain.length)
    return OptionType(plain.word, bounds, length, plain.choices, plain.nullable, plain.items)


def _read_optional(annotation: Any) -> OptionType:
    members = [member for member in typing.get_args(annotation) if member is not types.NoneType]
    if len(members) != 1:
        raise TypeError(f"An option has one type, or one type and None; {annotation} has {len(members)}.")
    plain = read_type(members[0])
    nullable = len(members) < len(typing.get_args(annotation))
    return OptionType(plain.word, plain.bounds, plain.length, plain.choices, nullable, plain.items)


@functools.cache
def option_types(method: Callable[..., Any]) -> dict[str, OptionType]:
    """The keyword-only arguments of a constructor or class method: the options of a variant, in their order."""
    hints = typing.get_type_hints(method, include_extras=True)
    return {
        name: read_type(hints[name])
        for name, parameter in inspect.signature(method).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }


def checked(
    method: Callable[Concatenate[Owner, Parameters], Result],
) -> Callable[Concatenate[Owner, Parameters], Result]:
    """Make a constructor or class method refuse options outside the bounds its annotations state."""

    @functools.wraps(method)
    def checked_method(owner: Owner, /, *args: Parameters.args, **options: Parameters.kwargs) -> Result:
        allowed = option_types(method)
        cls = owner if isinstance(owner, type) else type(owner)
        for name, value in options.items():
            if name in allowed:
                allowed[name].check(cls.__name__, name, value)
        return method(owner, *args, **options)

    return checked_method
