"""`normlab datasets ls|fetch`: which datasets are on this machine, and getting the others before a run needs them."""

import json
import subprocess
import sys
from typing import Annotated

import typer

from cli.client import Record
from cli.exits import CommandError, ExitCode
from cli.output import console, print_json, table
from cli.stack import child_environment
from domain.settings import Settings

datasets = typer.Typer(help="The datasets of this machine's workers.", no_args_is_help=True)
# Datasets belong to the worker, which needs torch; this command does not, so they are asked in a process of their own.
COMMAND = (sys.executable, "-m", "worker.fetch")
Json = Annotated[bool, typer.Option("--json", help="Print the records as JSON.")]


@datasets.command("ls")
def list_datasets(as_json: Json = False) -> None:
    """List the datasets, and whether a run could load each without the network."""
    records = _records()
    if as_json:
        print_json(records)
        return
    rows = [
        (
            record["name"],
            "yes" if record["here"] else "no",
            sum(record["sizes"].values()),
            record["licence"],
            record["summary"],
        )
        for record in records
    ]
    console.print(table(None, ("name", "here", "cases", "licence", "what"), rows, right=("cases",)))


@datasets.command("fetch")
def fetch_datasets(
    names: Annotated[list[str], typer.Argument(help="Datasets to get, as `normlab datasets ls` names them.")],
    as_json: Json = False,
) -> None:
    """Get datasets into the data directory, each from the first of its sources that answers."""
    if as_json:
        _asked(*names, failure="Not every dataset could be had.")
        print_json([record for record in _records() if record["name"] in names])
        return
    status = subprocess.run((*COMMAND, *names), env=child_environment(Settings()), check=False).returncode
    if status != 0:
        raise typer.Exit(_exit_code(status))


def _records() -> list[Record]:
    records: list[Record] = json.loads(_asked(failure="The datasets cannot be listed."))
    return records


def _asked(*names: str, failure: str) -> str:
    """What the process said on stdout. Raises CommandError with `failure` and its last words on stderr."""
    command = (*COMMAND, *names)
    done = subprocess.run(command, env=child_environment(Settings()), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last_words = tuple(done.stderr.strip().splitlines()[-5:])
        raise CommandError(failure, code=_exit_code(done.returncode), details=last_words)
    return done.stdout


def _exit_code(status: int) -> ExitCode:
    return ExitCode(status) if status in list(ExitCode) else ExitCode.FAILED
