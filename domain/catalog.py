"""The catalog: every menu with its variants and options, read from catalog.json without importing what it describes."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from domain.errors import FieldError
from domain.nearest import suggest
from domain.option import Option, check_option
from domain.pointer import join
from domain.words import shown

__all__ = ["Catalog", "Rule", "Variant", "load_catalog"]

CATALOG_FILE = Path(__file__).parent / "catalog.json"


class Rule(BaseModel):
    """A condition across the fields of a job: the field at `path` must satisfy `op` against `value`.

    `ge`, `le` and `in` compare with the value itself; `divides` says that the variant's own option named `value` must
    divide the field. `architecture.width*` stands for every width the architecture states.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    op: str
    value: Any
    message: str


class Variant(BaseModel):
    """An entry of a menu, as the generator describes it; what only one menu has stays in the extra fields."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    summary: str = ""
    formula: str = ""
    paper: str = ""
    axes: str = ""
    helps: str = ""
    hurts: str = ""
    caveats: str = ""
    options: dict[str, Option] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = ()

    def fact(self, name: str, default: Any = None) -> Any:
        """A field that only this menu has: an architecture's `inputs` and `widths`, a dataset's `shape`, …"""
        return (self.model_extra or {}).get(name, default)


class Catalog(BaseModel):
    """The menus by name: normalizations, architectures, datasets, metrics, placements."""

    model_config = ConfigDict(frozen=True)

    menus: dict[str, dict[str, Variant]]

    @classmethod
    def from_data(cls, data: Mapping[str, Mapping[str, Any]]) -> "Catalog":
        """The catalog from the parsed content of catalog.json; keys that hold no menu are left out."""
        return cls(menus={name: _read_menu(entries) for name, entries in data.items() if isinstance(entries, Mapping)})

    def menu(self, menu: str) -> dict[str, Variant]:
        """The variants of a menu by name; an unknown menu is empty."""
        return self.menus.get(menu, {})

    def variant(self, menu: str, name: str) -> Variant:
        """One variant; KeyError when the menu has no such name."""
        return self.menus[menu][name]

    def check(self, menu: str, choice: object, pointer: str) -> tuple[dict[str, Any], list[FieldError]]:
        """A choice `{kind: …, option: …}` completed with defaults, options in their order, and what is wrong with it.

        `pointer` is the JSON pointer of the choice; errors point below it. The completed choice is only meaningful when
        there are no errors.
        """
        if not isinstance(choice, Mapping):
            return {}, [FieldError(pointer=pointer, code="wrong_type", detail=_wants_choice(menu, choice))]
        kind = choice.get("kind")
        variants = self.menu(menu)
        if not isinstance(kind, str) or kind not in variants:
            return {}, [_unknown_kind(menu, choice, variants, pointer)]
        return _check_options(variants[kind], choice, pointer)


def _read_menu(entries: Mapping[str, Any]) -> dict[str, Variant]:
    return {name: Variant.model_validate({**entry, "name": name}) for name, entry in entries.items()}


def _wants_choice(menu: str, choice: object) -> str:
    if isinstance(choice, str):
        return f"Write {{kind: {choice[:60]}}}: options stand beside the kind."
    return f"A choice from the {menu} is an object such as {{kind: …}}, with its options beside the kind."


def _unknown_kind(menu: str, choice: Mapping[str, Any], variants: Mapping[str, Variant], pointer: str) -> FieldError:
    if "kind" not in choice:
        detail = f"The kind is missing. {suggest('', variants)}"
        return FieldError(pointer=join(pointer, "kind"), code="missing", detail=detail)
    kind = choice["kind"]
    detail = f"There is no {menu.removesuffix('s')} {shown(kind)}. {suggest(kind, variants)}"
    return FieldError(pointer=join(pointer, "kind"), code="unknown_variant", detail=detail)


def _check_options(
    variant: Variant, choice: Mapping[str, Any], pointer: str
) -> tuple[dict[str, Any], list[FieldError]]:
    errors = [
        _unknown_option(variant, name, pointer) for name in choice if name != "kind" and name not in variant.options
    ]
    resolved: dict[str, Any] = {"kind": variant.name}
    for name, option in variant.options.items():
        if name in choice:
            resolved[name], wrong = check_option(option, choice[name], join(pointer, name))
            errors += wrong
        elif option.required:
            detail = f"{variant.name} needs {name}: {option.doc}."
            errors.append(FieldError(pointer=join(pointer, name), code="missing", detail=detail))
        else:
            resolved[name] = option.default
    return resolved, errors


def _unknown_option(variant: Variant, name: object, pointer: str) -> FieldError:
    known = suggest(name, variant.options) if variant.options else "It has no options."
    detail = f"{variant.name} has no option {shown(name)}. {known}"
    return FieldError(pointer=join(pointer, str(name)), code="unknown_option", detail=detail)


@functools.lru_cache(maxsize=4)
def load_catalog(path: Path = CATALOG_FILE) -> Catalog:
    """The catalog of a file, read once per process; by default the generated one beside this module."""
    return Catalog.from_data(json.loads(path.read_text(encoding="utf-8")))
