"""Datasets by hand: `python -m worker.fetch NAME…` gets their files, without a name it says which are here, as JSON."""

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

from domain.job import Choice
from domain.settings import Settings
from lncore.menu import names
from worker.sources import DatasetUnavailableError, Sources


class FilesAreHereError(Exception):
    """The files of a dataset were found and have the right checksums; there is no need to read on."""


class Probe(Sources):
    """Sources that only look."""

    def read(self, *args: Any) -> NoReturn:
        super().read(*args)
        raise FilesAreHereError


def main() -> int:
    wanted, there_are = sys.argv[1:], names(Path(__file__).parent / "datasets")
    if not wanted:
        sys.stdout.write(json.dumps([describe(name) for name in there_are]) + "\n")
        return 0
    unknown = [name for name in wanted if name not in there_are]
    if unknown:
        sys.stderr.write(f"There is no dataset {unknown[0]!r}; there are {', '.join(there_are)}.\n")
        return 3
    return max(fetch(name) for name in wanted)


def dataset_named(name: str) -> Any:
    """The dataset with its default options."""
    from worker.menus import make_dataset  # noqa: PLC0415 - loads torch, which a wrong name need not wait for

    return make_dataset(Choice(kind=name))


def describe(name: str) -> dict[str, Any]:
    """What the dataset is, and whether a run could load it now without the network."""
    dataset = dataset_named(name)
    try:
        dataset.load(Probe(Settings().datasets_dir, addresses=()))
        here = True
    except FilesAreHereError:
        here = True
    except DatasetUnavailableError:
        here = False
    summary = (type(dataset).__doc__ or "").partition("\n")[0]
    sizes = {split: int(size) for split, size in dataset.sizes.items()}
    return {"name": name, "here": here, "sizes": sizes, "licence": dataset.licence, "summary": summary}


def fetch(name: str) -> int:
    """Get the dataset from its first source that answers, saying each step; the exit status."""
    try:
        dataset_named(name).load(Sources(Settings().datasets_dir, announce=print))
    except DatasetUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
