"""`normlab compare` and `normlab export`: what runs show, and their raw metrics."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from cli.client import Client, Record
from cli.exits import CommandError, ExitCode
from cli.output import console, print_json
from cli.places import Place, connect, locate
from cli.tables import comparison_view


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    MARKDOWN = "markdown"
    LATEX = "latex"
    JSON = "json"


def compare(
    what: Annotated[list[str], typer.Argument(help="A study (id or name), or the ids of several jobs.")],
    group_by: Annotated[str | None, typer.Option(help="Fields of the spec, with commas; default what differs.")] = None,
    metric: Annotated[str | None, typer.Option(help="Default the study's.")] = None,
    at: Annotated[str | None, typer.Option(help="final, best, or a step.")] = None,
    baseline: Annotated[str | None, typer.Option(help="As in normalization.kind=layer_norm.")] = None,
    shape: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Compare runs: mean, t-interval, n, paired difference from the baseline, verdicts, cost."""
    client = connect()
    query = {**_selection(client, what), "group_by": group_by, "metric": metric, "at": at, "baseline": baseline}
    if shape in {Format.TABLE, Format.JSON} or as_json:
        answer = client.get("/v1/comparisons", **query)
        print_json(answer) if as_json or shape is Format.JSON else console.print(comparison_view(answer))
    else:
        sys.stdout.write(client.text("/v1/comparisons", **query, format=shape.value))


def comparison_of(client: Client, study: Place) -> Record:
    """The comparison a study asks for."""
    answer: Record = client.get("/v1/comparisons", study=study.id)
    return answer


def export(
    what: Annotated[str, typer.Argument(help="Id of a run, job or study, or a study's name.")],
    key: Annotated[
        str | None, typer.Option(help="Only these series, with commas, as in train_loss,test_error.")
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="File to write; - is standard output.")] = "-",
) -> None:
    """Write every stored point of the runs' metrics as CSV."""
    client = connect()
    place = locate(client, what)
    selection = {place.kind: place.id} if place.kind != "run" else {"runs": place.id}
    text = client.text("/v1/metrics/export", **selection, key=key)
    if output == "-":
        sys.stdout.write(text)
        return
    try:
        with open(output, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise CommandError(f"Cannot write {output}: {error.strerror}.", code=ExitCode.BAD_INPUT) from error


def _selection(client: Client, what: list[str]) -> dict[str, str]:
    if len(what) == 1:
        place = locate(client, what[0], kinds=("study", "job"))
        return {"study": place.id} if place.kind == "study" else {"jobs": place.id}
    return {"jobs": ",".join(locate(client, item, kinds=("job",)).id for item in what)}
