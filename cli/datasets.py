"""`normlab datasets ls|fetch`: which datasets are on this machine, and getting the others before a run needs them."""

import json
import subprocess
import sys
from typing import Annotated

import typer

from cli.exits import CommandError, ExitCode
from cli.output import console, print_json, table
from cli.stack import child_environment
from domain.settings import Settings

datasets = typer.Typer(help="The datasets of this machine's workers.", no_args_is_help=True)
# Datasets belong to the worker, which needs torch; this command does not, so they are asked in a process of their own.
COMMAND = (sys.executable, "-m", "worker.fetch")


@datasets.command("ls")
def list_datasets(as_json: Annotated[bool, typer.Option("--json", help="Print the records as JSON.")] = False) -> None:
    """List the datasets, and whether a run could load each without the network."""
    done = subprocess.run(COMMAND, env=child_environment(Settings()), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandError("The datasets cannot be listed.", details=tuple(done.stderr.strip().splitlines()[-5:]))
    records = json.loads(done.stdout)
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
) -> None:
    """Get datasets into the data directory, each from the first of its sources that answers."""
    status = subprocess.run((*COMMAND, *names), env=child_environment(Settings()), check=False).returncode
    if status != 0:
        known = {code.value for code in ExitCode}
        raise typer.Exit(status if status in known else ExitCode.FAILED)
