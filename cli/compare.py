"""`normlab compare` and `normlab export`: what runs show, and their raw metrics."""

import itertools
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cli.client import Client, Record
from cli.exits import CommandError, ExitCode
from cli.output import console, print_json, readers_may_leave, say
from cli.places import Place, connect, locate
from cli.tables import comparison_view


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    MARKDOWN = "markdown"
    LATEX = "latex"
    PARQUET = "parquet"
    JSON = "json"


class Points(StrEnum):
    CSV = "csv"
    PARQUET = "parquet"


def compare(
    what: Annotated[
        list[str], typer.Argument(help="A study (id or name), the ids of several jobs, or a saved comparison (cmp_…).")
    ],
    group_by: Annotated[str | None, typer.Option(help="Fields of the spec, with commas; default what differs.")] = None,
    metric: Annotated[str | None, typer.Option(help="Default the study's.")] = None,
    at: Annotated[str | None, typer.Option(help="final, best, a step, or seconds of training as in 60s.")] = None,
    baseline: Annotated[str | None, typer.Option(help="As in normalization.kind=layer_norm.")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Also steps and seconds until the metric is there, in percent where it is one.")
    ] = None,
    save: Annotated[str | None, typer.Option(help="Save the question under this title, to share it.")] = None,
    shape: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Compare runs: mean, t-interval, n, paired difference from the baseline, verdicts, cost."""
    client = connect()
    asked = {"group_by": group_by, "metric": metric, "at": at, "baseline": baseline, "threshold": threshold}
    saved = _saved(client, what, asked, save)
    path, query = (saved.path, {}) if saved else ("/v1/comparisons", {**_selection(client, what), **asked})
    if shape in {Format.TABLE, Format.JSON} or as_json:
        answer = client.get(path, **query)
        print_json(answer) if as_json or shape is Format.JSON else _show(answer)
    else:
        _write(client.chunks(path, **query, format=shape.value), "-", binary=shape is Format.PARQUET)


def _saved(client: Client, what: list[str], asked: Record, title: str | None) -> Place | None:
    """The saved comparison that is named, or the one just saved; None for a question asked in passing."""
    if what[0].startswith("cmp_"):
        given = [name for name, value in {**asked, "save": title}.items() if value is not None]
        if given or len(what) > 1:
            more = f"--{given[0].replace('_', '-')}" if given else what[1]
            message = f"A saved comparison is asked as it was saved; {more} does not go with it."
            raise CommandError(message, code=ExitCode.BAD_INPUT)
        return locate(client, what[0], kinds=("cmp",))
    if title is None:
        return None
    made = client.create("/v1/comparisons", {"title": title, **_body(_selection(client, what), asked)}, say)
    say(f"Saved as {made['id']}: {client.address.url}/comparisons/{made['id']}")
    return Place("cmp", made["id"])


def _body(selection: dict[str, str], asked: Record) -> Record:
    """The question as the body that saves it, from the same texts as stand in an address."""
    body = {name: value for name, value in {**selection, **asked}.items() if value is not None}
    body |= {name: _words(body[name]) for name in ("jobs", "group_by") if name in body}
    if "at" in body:
        body["at"] = int(body["at"]) if body["at"].isdigit() else body["at"]
    if "baseline" in body:
        body["baseline"] = _conditions(body["baseline"])
    return body


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _conditions(text: str) -> dict[str, str]:
    """`a.b=4,c=x` as {"a.b": "4", "c": "x"}; the service reads a text as the value that is written so."""
    pairs = [word.partition("=") for word in _words(text)]
    unread = next((path for path, sign, _ in pairs if not sign), None)
    if unread is not None:
        message = f"--baseline: {unread!r} isn't written path=value, as in normalization.kind=layer_norm."
        raise CommandError(message, code=ExitCode.BAD_INPUT)
    return {path.strip(): value.strip() for path, _, value in pairs}


def _show(answer: Record) -> None:
    """The comparison as a table; of a saved one its title, and what it can no longer say."""
    if "question" not in answer:
        console.print(comparison_view(answer))
        return
    console.print(Text(answer["title"], "bold"))
    if answer["missing"]:
        say(f"Note: deleted since it was saved: {', '.join(answer['missing'])}")
    if answer["comparison"] is None:
        raise CommandError(f"{answer['unanswered']}.", code=ExitCode.CONFLICT)
    console.print(comparison_view(answer["comparison"]))


def comparison_of(client: Client, study: Place) -> Record:
    """The comparison a study asks for."""
    answer: Record = client.get("/v1/comparisons", study=study.id)
    return answer


def export(
    what: Annotated[str, typer.Argument(help="Id of a run, job or study, or a study's name.")],
    key: Annotated[
        str | None, typer.Option(help="Only these series, with commas, as in train_loss,test_error.")
    ] = None,
    shape: Annotated[Points, typer.Option("--format", help="As text, or as typed columns.")] = Points.CSV,
    output: Annotated[str, typer.Option("--output", "-o", help="File to write; - is standard output.")] = "-",
) -> None:
    """Write every stored point of the runs' metrics, as CSV or as Parquet."""
    client = connect()
    place = locate(client, what)
    selection = {place.kind: place.id} if place.kind != "run" else {"runs": place.id}
    chunks = client.chunks("/v1/metrics/export", **selection, key=key, format=shape.value)
    _write(chunks, output, binary=shape is Points.PARQUET)


def _write(chunks: Iterator[bytes], output: str, *, binary: bool) -> None:
    """The bytes into a file, or to standard output, where what is no text must not meet a terminal."""
    if output == "-" and binary and sys.stdout.isatty():
        raise CommandError("Parquet is no text to read; send it into a file, as in > FILE.", code=ExitCode.BAD_INPUT)
    chunks = itertools.chain([next(chunks, b"")], chunks)  # what is refused is refused before a file is made
    if output == "-":
        with readers_may_leave():
            sys.stdout.buffer.writelines(chunks)
        return
    try:
        with Path(output).open("wb") as file:
            file.writelines(chunks)
    except OSError as error:
        raise CommandError(f"Cannot write {output}: {error.strerror}.", code=ExitCode.BAD_INPUT) from error


def _selection(client: Client, what: list[str]) -> dict[str, str]:
    if len(what) == 1:
        place = locate(client, what[0], kinds=("study", "job"))
        return {"study": place.id} if place.kind == "study" else {"jobs": place.id}
    return {"jobs": ",".join(locate(client, item, kinds=("job",)).id for item in what)}
