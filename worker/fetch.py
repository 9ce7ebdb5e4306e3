"""Datasets from the command line: `python -m worker.fetch` lists them as JSON, with names it gets them."""

import json
import sys
from typing import Any

from domain.settings import Settings
from lncore.menu import describe, load, nearest
from worker import menus
from worker.loading.idx import BadIdxError
from worker.loading.sources import DatasetUnavailableError, Sources


def records(settings: Settings) -> list[dict[str, Any]]:
    """Every dataset: its name, sizes, licence, sentence, and whether a run could load it here without the network."""
    return [_record(name, settings) for name in menus.variants("datasets")]


def _record(name: str, settings: Settings) -> dict[str, Any]:
    dataset: Any = load(menus.MENUS["datasets"], name)
    described = describe(dataset)
    facts = {"sizes": dataset.sizes, "licence": dataset.licence, "source": described["paper"]}
    return {"name": name, "summary": described["summary"], "here": _is_here(dataset, settings), **facts}


def _is_here(dataset: Any, settings: Settings) -> bool:
    try:
        dataset().load(Sources(settings.datasets_dir, addresses=()))
    except (DatasetUnavailableError, BadIdxError):
        return False
    return True


def fetch(names: list[str], settings: Settings) -> int:
    """Load each dataset once, saying where its files come from; 1 when one could not be had, 3 when there is none."""
    known = menus.variants("datasets")
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        sys.stderr.write(f"There is no dataset {unknown!r}. {nearest(unknown, known)}\n")
        return 3
    return max(_fetch_one(name, settings) for name in names)


def _fetch_one(name: str, settings: Settings) -> int:
    try:
        load(menus.MENUS["datasets"], name)().load(Sources(settings.datasets_dir, _say))
    except (DatasetUnavailableError, BadIdxError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{name} cannot be kept in {settings.datasets_dir}: {error.strerror or error}.\n")
        return 1
    return 0


def _say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")


def main() -> int:
    settings = Settings()
    names = sys.argv[1:]
    if names:
        return fetch(names, settings)
    _say(json.dumps(records(settings)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
