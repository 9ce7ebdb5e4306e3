"""Datasets by hand: `python -m worker.fetch NAME…` gets their files, without a name it says which are here, as JSON."""

import json
import sys
from typing import Any

from domain.job import Choice
from domain.settings import Settings
from worker.menus import make_dataset, variants
from worker.sources import DatasetUnavailableError, Sources


def main() -> int:
    names = sys.argv[1:]
    if not names:
        sys.stdout.write(json.dumps([describe(name) for name in variants("datasets")]) + "\n")
        return 0
    unknown = [name for name in names if name not in variants("datasets")]
    if unknown:
        sys.stderr.write(f"There is no dataset {unknown[0]!r}; there are {', '.join(variants('datasets'))}.\n")
        return 3
    return max(fetch(name) for name in names)


def describe(name: str) -> dict[str, Any]:
    """What the dataset is, and whether a run could load it now without the network."""
    dataset = make_dataset(Choice(kind=name))
    try:
        dataset.load(Sources(Settings().datasets_dir, addresses=()))
        here = True
    except DatasetUnavailableError:
        here = False
    summary = (type(dataset).__doc__ or "").partition("\n")[0]
    sizes = {split: int(size) for split, size in dataset.sizes.items()}
    return {"name": name, "here": here, "sizes": sizes, "licence": dataset.licence, "summary": summary}


def fetch(name: str) -> int:
    """Get the dataset from its first source that answers, saying each step; the exit status."""
    try:
        make_dataset(Choice(kind=name)).load(Sources(Settings().datasets_dir, announce=print))
    except DatasetUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
