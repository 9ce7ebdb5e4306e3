"""Menus: a folder of files, each of which is one variant; listed by name, loaded by name, made into a norm factory.

`lncore/norms/rms_norm.py` is the variant `rms_norm`; the one public class in it takes a width and keyword-only options.
The same functions serve any folder laid out so.
"""

import difflib
import importlib
import importlib.util
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lncore.description import describe
from lncore.options import Length, OptionError, Range, Rule, option_types

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "Length",
    "NormFactory",
    "OptionError",
    "Range",
    "Rule",
    "UnknownVariantError",
    "describe",
    "load",
    "names",
    "nearest",
    "normalization",
    "norms",
]


class UnknownVariantError(LookupError):
    """A name that is on no menu; the message offers the nearest one."""


def names(folder: Path) -> list[str]:
    """The variants of a menu, by the names of its files; imports nothing."""
    return sorted(file.stem for file in folder.glob("*.py") if not file.stem.startswith("_"))


def norms() -> list[str]:
    """The normalizations on lncore's menu."""
    return names(Path(__file__).parent / "norms")


def nearest(name: str, candidates: Iterable[str]) -> str:
    """`Did you mean …?` for a wrong name, or the whole list when nothing is near."""
    known = list(candidates)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else f"There are: {', '.join(known)}."


def load(package: str, name: str) -> type:
    """The one public class of the variant `name` in the menu `package` ("lncore.norms"); imports that file only.

    Raises UnknownVariantError, with the nearest name, when the folder has no such file.
    """
    known = names(_folder(package))
    if name not in known:
        raise UnknownVariantError(f"{package} has no {name!r}. {nearest(name, known)}")
    module = importlib.import_module(f"{package}.{name}")
    public = [
        member
        for label, member in vars(module).items()
        if inspect.isclass(member) and member.__module__ == module.__name__ and not label.startswith("_")
    ]
    if len(public) != 1:
        raise TypeError(f"{module.__name__} must hold one public class, its variant; it holds {len(public)}.")
    return public[0]


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UnknownVariantError(f"{package} is no package, so it is no menu.")
    return Path(next(iter(spec.submodule_search_locations)))


@dataclass(frozen=True)
class NormFactory:
    """What an architecture receives instead of a norm's name: it makes the chosen layer for any width.

    `factory(width)` is the layer to put behind a weight layer of that many features; `factory.reparametrize(layer)` is
    the weight layer itself, wrapped where the variant acts on weights (weight_norm, weight_standardization) and
    untouched otherwise. An architecture calls both and so serves every variant.
    """

    name: str
    variant: type
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, width: int) -> "nn.Module":
        return self.variant(width, **self.options)

    def reparametrize(self, layer: "nn.Module") -> "nn.Module":
        wrap = getattr(self.variant, "reparametrize", None)
        return layer if wrap is None else wrap(layer, **self.options)

    @property
    def affine_bias(self) -> bool:
        """Whether the bias of the weight layer before it has no effect, because the norm removes any constant."""
        return bool(getattr(self.variant, "removes_bias", False))


def normalization(name: str, **options: Any) -> NormFactory:
    """The norm factory of a variant with its options.

    Raises UnknownVariantError for a name that is not on the menu, OptionError for an option the variant doesn't have
    or a value outside its bounds.
    """
    variant = load("lncore.norms", name)
    allowed = option_types(variant.__init__)  # type: ignore[misc]  # the constructor of this very class is meant
    for option, value in options.items():
        if option not in allowed:
            hint = nearest(option, allowed) if allowed else "It has no options."
            raise OptionError(f"{name} has no option {option!r}. {hint}")
        allowed[option].check(name, option, value)
    return NormFactory(name, variant, options)
