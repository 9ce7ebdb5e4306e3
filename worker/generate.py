"""Writes domain/catalog.json from the menus: `python -m worker.generate`, or `--check` to see whether it is stale."""

import argparse
import inspect
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

import lncore.menu
from lncore.diagnostics import measure_invariances
from lncore.diagnostics.invariance import PAPER_TABLE_1, TRANSFORMATIONS
from lncore.menu import normalization
from worker import menus
from worker.costs import measure_costs

CATALOG = Path(__file__).parent.parent / "domain" / "catalog.json"
PLACEMENTS = "lncore.placements"


def build_catalog() -> dict[str, Any]:
    """Every menu, each variant as its signature and docstring describe it."""
    worker_menus = {name: _menu(package, menus.variants(name)) for name, package in menus.MENUS.items()}
    return {
        "normalizations": _normalizations(),
        "placements": _menu(PLACEMENTS, _placements()),
        **worker_menus,
    }


def _normalizations() -> dict[str, Any]:
    """The norms, each with its row of the paper's Table 1, measured and published, and what it costs."""
    described = _menu("lncore.norms", lncore.menu.norms())
    return {
        name: {**told, **_invariances(name), "costs": measure_costs(normalization(name))}
        for name, told in described.items()
    }


def _invariances(name: str) -> dict[str, Any]:
    """Changes of the output relative to its size, to two figures: what is further behind may differ by machine."""
    measured = measure_invariances(normalization(name))
    published = PAPER_TABLE_1.get(name)
    return {
        "invariances": [one.transformation for one in measured if one.holds],
        "changes": {one.transformation: 0.0 if one.holds else float(f"{one.change:.2g}") for one in measured},
        "published": dict(zip(TRANSFORMATIONS, published, strict=True)) if published else {},
    }


def _placements() -> list[str]:
    return lncore.menu.names(Path(inspect.getfile(lncore.menu)).parent / PLACEMENTS.partition(".")[2])


def _menu(package: str, names: list[str]) -> dict[str, Any]:
    return {name: _describe(lncore.menu.load(package, name)) for name in names}


def _describe(variant: type) -> dict[str, Any]:
    return {**lncore.menu.describe(variant), **_facts(variant)}


def _facts(variant: type) -> dict[str, Any]:
    """What a variant states of itself beside its options: the annotated class variables that are plain data."""
    stated = get_type_hints(variant)
    return {
        name: value for name, value in vars(variant).items() if name in stated and name != "rules" and _is_data(value)
    }


def _is_data(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_data, value))
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_data(item) for key, item in value.items())
    return isinstance(value, (str, int, float, bool))


def render(catalog: Mapping[str, Any]) -> str:
    """The catalog as the text of its file: the same for the same menus, whatever the machine."""
    return json.dumps(catalog, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file is stale")
    wanted = render(build_catalog())
    if not parser.parse_args().check:
        CATALOG.write_text(wanted, encoding="utf-8")
    elif not CATALOG.exists() or CATALOG.read_text(encoding="utf-8") != wanted:
        sys.stderr.write(f"{CATALOG} is stale: run `python -m worker.generate` and commit the result.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
