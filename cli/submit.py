"""`normlab submit`: a job or a study from a file."""

from typing import Annotated

import typer
from rich.markup import escape

from cli.client import Client, Record
from cli.compare import comparison_of
from cli.exits import ExitCode
from cli.output import amount, console, count, print_json, say, seconds, table
from cli.places import Place, connect
from cli.progress import look_on
from cli.specfile import Document, is_study, read_document
from cli.tables import comparison_view


def submit(
    file: Annotated[str, typer.Argument(help="YAML or JSON file with a job or a study; - reads standard input.")],
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it to the end.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be submitted; store nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Submit a job or a study.

    With --watch it is followed to the end, a study is compared, and the exit code says whether every run succeeded.
    """
    document = read_document(file)
    client = connect()
    answer = send(client, document, dry_run=dry_run)
    if as_json and not watch:
        print_json(answer)
    elif dry_run:
        _show_expansion(answer)
    elif not as_json:
        _show_submitted(client, answer, study=is_study(document))
    if watch and not dry_run:
        _watch(client, Place("study" if is_study(document) else "job", answer["id"]), as_json=as_json)


def _watch(client: Client, place: Place, *, as_json: bool) -> None:
    """Follow to the end; then what a study shows, and the exit code."""
    final = look_on(client, place, quiet=as_json)
    if as_json:
        print_json(final.record)
    elif place.kind == "study":
        console.print(comparison_view(comparison_of(client, place)))
    raise typer.Exit(ExitCode.OK if final.all_succeeded else ExitCode.FAILED)


def send(client: Client, document: Document, *, dry_run: bool = False) -> Record:
    """Post the document where it belongs."""
    path = "/v1/studies" if is_study(document) else "/v1/jobs"
    answer: Record = client.post(path, document, dry_run="true") if dry_run else client.create(path, document, say)
    return answer


def _show_submitted(client: Client, answer: Record, *, study: bool) -> None:
    runs = count(sum(answer["counts"].values()), "run")
    what = f"study {answer['name']!r}: {count(answer['cells'], 'job')}, {runs}" if study else f"job: {runs}"
    console.print(f"Submitted {escape(what)}.{_expected(answer)}")
    console.print(answer["id"])
    console.print(f"{client.address.url}/{'studies' if study else 'jobs'}/{answer['id']}", soft_wrap=True)
    _show_warnings(answer)


def _show_expansion(answer: Record) -> None:
    """What a dry run answers: the jobs in their order, what each run of them needs, and how long such runs took."""
    columns = ("#", "job", "runs", "parameters", "memory", "FLOP per step", "FLOP per run")
    rows = [
        (place, job["label"], len(job["seeds"]), *_needs(job["size"])) for place, job in enumerate(answer["jobs"], 1)
    ]
    console.print(table(None, columns, rows, right=("#", *columns[2:])))
    console.print(f"{count(len(rows), 'job')}, {count(answer['runs'], 'run')}; nothing was stored.{_expected(answer)}")
    _show_warnings(answer)


def _needs(size: Record) -> tuple[str, str, str, str]:
    """What a run holds and computes, estimated by the service from the spec alone."""
    held = (amount(size["parameters"]), amount(size["memory"]["total"], "B"))
    return *held, amount(size["flops_per_step"]), amount(size["flops"])


def _expected(answer: Record) -> str:
    """The memory of the largest run; how long runs of the same shape took before, where there were any."""
    estimate = answer["estimate"]
    needs = f" A run needs {amount(estimate['memory'], 'B')} of memory at most."
    expected = estimate["seconds"]
    return needs + ("" if expected is None else f" Training takes about {seconds(expected)} on one worker.")


def _show_warnings(answer: Record) -> None:
    for warning in answer["warnings"]:
        say(f"Note: {warning}")
