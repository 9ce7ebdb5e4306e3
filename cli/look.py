"""`normlab ls` and `normlab show`: what there is, and one thing in full."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.client import Client, Record
from cli.exits import CommandError, ExitCode
from cli.output import console, counts_text, number, print_json, seconds, status_text, table
from cli.places import Place, connect, locate

BEFORE_ALL_LINES = "0.0"
"""The cursor of a log's beginning; without one its last lines are answered."""


class Listing(StrEnum):
    STUDIES = "studies"
    JOBS = "jobs"
    RUNS = "runs"
    WORKERS = "workers"


class Status(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


def ls(
    what: Annotated[Listing, typer.Argument(help="What to list.")] = Listing.STUDIES,
    study: Annotated[str | None, typer.Option(help="Only of this study (id or name).")] = None,
    job: Annotated[str | None, typer.Option(help="Only of this job.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only runs in this status.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only what this owner submitted.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records as JSON.")] = False,
) -> None:
    """List studies, jobs, runs or workers, the newest first."""
    given = {"--study": study, "--job": job, "--status": status, "--owner": owner}
    misplaced = [name for name, value in given.items() if value is not None and name not in FILTERS[what]]
    if misplaced:
        raise CommandError(f"{misplaced[0]} does not apply to {what.value}.", code=ExitCode.BAD_INPUT)
    client = connect()
    query = {
        "study": locate(client, study, kinds=("study",)).id if study else None,
        "job": locate(client, job, kinds=("job",)).id if job else None,
        "status": status,
        "owner": owner,
    }
    records = list(client.pages(f"/v1/{what.value}", limit=limit, **query))
    if as_json:
        print_json(records)
        return
    columns, row = ROWS[what]
    console.print(table(None, columns, (row(record) for record in records)))


def show(
    what: Annotated[str, typer.Argument(help="Id of a run, job or study, or a study's name.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
    logs: Annotated[bool, typer.Option("--logs", help="Print the whole log of a run instead.")] = False,
) -> None:
    """Show one run, job or study: its state, its spec, and what went wrong if something did."""
    client = connect()
    place = locate(client, what, kinds=("run",) if logs else ("run", "job", "study"))
    if logs:
        _print_logs(client, place, as_json=as_json)
        return
    record = client.get(place.path)
    if as_json:
        print_json(record)
        return
    _print_fields(record)
    _print_members(client, place)


def _print_fields(record: Record) -> None:
    """Each field on a line, nested ones by dotted path; empty ones are left out."""
    rows = [(name, value) for name, value in _flat(record, "") if value not in (None, "", [], {})]
    console.print(table(None, ("field", "value"), rows))


def _flat(value: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        return [pair for name, inner in value.items() for pair in _flat(inner, f"{path}.{name}" if path else name)]
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return [pair for place, inner in enumerate(value) for pair in _flat(inner, f"{path}.{place}")]
    return [(path, ", ".join(map(str, value)) if isinstance(value, list) else value)]


def _print_members(client: Client, place: Place) -> None:
    """Below a study its jobs, below a job its runs, below a run its attempts and its files."""
    if place.kind == "study":
        columns, row = ROWS[Listing.JOBS]
        members = client.pages(f"{place.path}/jobs")
    elif place.kind == "job":
        columns, row = ROWS[Listing.RUNS]
        members = client.pages("/v1/runs", job=place.id)
    else:
        columns, row = ATTEMPTS
        members = client.pages(f"{place.path}/attempts")
    console.print()
    console.print(table(None, columns, (row(record) for record in members)))
    if place.kind == "run":
        columns, row = ARTIFACTS
        console.print()
        console.print(table(None, columns, map(row, client.get(f"{place.path}/artifacts")["data"])))


def _print_logs(client: Client, place: Place, *, as_json: bool) -> None:
    lines = client.pages(f"{place.path}/logs", cursor=BEFORE_ALL_LINES)
    if as_json:
        print_json(list(lines))
        return
    for line in lines:
        console.print(Text(line["line"]), soft_wrap=True)


def _study_row(study: Record) -> Sequence[Any]:
    return study["id"], study["name"], study["cells"], counts_text(study["counts"]), study["created_at"][:19]


def _job_row(job: Record) -> Sequence[Any]:
    return job["id"], job["label"], len(job["seeds"]), counts_text(job["counts"]), job["created_at"][:19]


def _run_row(run: Record) -> Sequence[Any]:
    done = f"{100 * run['progress']:.0f} %"
    return run["id"], run["seed"], status_text(run), run["step"], done, seconds(run["seconds_left"]), run["attempt"]


def _worker_row(worker: Record) -> Sequence[Any]:
    queues = ", ".join(worker["queues"])
    return worker["name"], worker["status"], worker["device_name"], queues, worker["run_id"] or "–"


def _attempt_row(attempt: Record) -> Sequence[Any]:
    ending = attempt["ending"] or "running"
    why = attempt["reason"] or (f"signal {attempt['signal']}" if attempt["signal"] else "")
    return attempt["number"], attempt["worker"], number(attempt["start_step"]), ending, why, attempt["message"] or ""


def _artifact_row(artifact: Record) -> Sequence[Any]:
    where = artifact["href"] if artifact["here"] else "not on this machine"
    return artifact["name"], number(artifact["step"]), number(artifact["bytes"]), where


FILTERS: dict[Listing, tuple[str, ...]] = {
    Listing.STUDIES: ("--owner",),
    Listing.JOBS: ("--study", "--owner"),
    Listing.RUNS: ("--study", "--job", "--status", "--owner"),
    Listing.WORKERS: (),
}
ARTIFACTS = (("file", "step", "bytes", "download"), _artifact_row)
ATTEMPTS = (("attempt", "worker", "from step", "ending", "reason", "message"), _attempt_row)
ROWS: dict[Listing, tuple[Sequence[str], Callable[[Record], Sequence[Any]]]] = {
    Listing.STUDIES: (("id", "name", "jobs", "runs", "created"), _study_row),
    Listing.JOBS: (("id", "label", "seeds", "runs", "created"), _job_row),
    Listing.RUNS: (("id", "seed", "status", "step", "done", "left", "attempt"), _run_row),
    Listing.WORKERS: (("name", "status", "device", "queues", "run"), _worker_row),
}
