"""What a study left behind, in a form that can be compared with what another one left."""

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

from cli.client import Client, Record
from domain.metric import MEASURED
from tests.chaos.killing import patiently
from worker.protocol.spool import PULSE, read_pulse

IN_A_ROW = 3
"""Attempts without progress after which a run is given up: the default of `max_attempts`."""

Points = dict[str, list[tuple[int, str]]]


@dataclass(frozen=True)
class Trained:
    """One run's results: weights by hash, series by name as (step, value as it was written)."""

    weights: str
    equal: Points
    measured: dict[str, list[int]]
    """Of the measuring series only the steps."""


def evidence(client: Client, runs_dir: Path, study: str) -> dict[tuple[str, int], Trained]:
    """The results of a finished study by job label and seed."""
    jobs = {job["id"]: job["label"] for job in patiently(lambda: list(client.pages("/v1/jobs", study=study)))}
    runs = patiently(lambda: list(client.pages("/v1/runs", study=study)))
    return {(jobs[run["job_id"]], run["seed"]): trained(client, runs_dir, run) for run in runs}


def trained(client: Client, runs_dir: Path, run: Record) -> Trained:
    """The results of one finished run."""
    series = points(patiently(lambda: b"".join(client.chunks("/v1/metrics/export", runs=run["id"])).decode()))
    return Trained(
        weights=weights(client, runs_dir, run["id"]),
        equal={name: rows for name, rows in series.items() if name not in MEASURED},
        # They must be complete, and cannot be equal.
        measured={name: [step for step, _ in rows] for name, rows in series.items() if name in MEASURED},
    )


def points(text: str) -> Points:
    """The exported CSV by series, in the order of the rows: a row too many would show."""
    series: Points = {}
    for row in csv.DictReader(io.StringIO(text)):
        series.setdefault(row["name"], []).append((int(row["step"]), row["value"]))
    return series


def weights(client: Client, runs_dir: Path, run_id: str) -> str:
    """SHA-256 of the final weights, from the manifest of the newest checkpoint."""
    checkpoints = patiently(lambda: client.get(f"/v1/runs/{run_id}/checkpoints")["data"])
    newest = max(checkpoints, key=lambda checkpoint: checkpoint["step"])
    manifest = json.loads((runs_dir / newest["path"] / "MANIFEST.json").read_text())
    return f"step {newest['step']}: {manifest['files']['weights.safetensors']['sha256']}"


def entries(client: Client, path: str) -> list[Record]:
    return list(client.pages(path))


def violations(client: Client, runs_dir: Path, study: str) -> list[str]:
    """What the study's runs left behind that may never be; the invariants' numbers are those of RELIABILITY.md.

    No end or several (I1, I5), two attempts or two runners at once (I2, I3), too many attempts without progress (I7),
    files that belong to nothing (I8).
    """
    found = []
    for run in patiently(lambda: list(client.pages("/v1/runs", study=study))):
        if run["status"] != "succeeded":
            found.append(f"{run['id']} ended as {run['status']}: {run['reason']} {run['message']}")
        events = patiently(partial(entries, client, f"/v1/runs/{run['id']}/events"))
        ends = [event["kind"] for event in events if event["kind"] in {"run_succeeded", "run_failed", "run_cancelled"}]
        if len(ends) != 1:
            found.append(f"{run['id']} ended {len(ends)} times: {ends}")
        attempts = patiently(partial(client.get, f"/v1/runs/{run['id']}/attempts"))["data"]
        found += overlaps(run["id"], attempts)
        found += stepped_together(runs_dir, run["id"])
        found += too_many_in_a_row(run["id"], attempts)
        found += left_over(client, runs_dir, run["id"])
    return found


def stepped_together(runs_dir: Path, run_id: str) -> list[str]:
    """Attempts whose runners both made steps at some moment, by their own account: each keeps its first and last.

    The clock of these moments goes on in suspend and is one for the whole machine.
    """
    paths = sorted((runs_dir / run_id / "attempts").glob(f"*/{PULSE}"), key=lambda path: int(path.parent.name))
    beats = [(path.parent.name, beat) for path in paths if (beat := read_pulse(path)) is not None]
    return [
        f"{run_id}: attempt {token} took the run before attempt {before} had made its last step"
        for (before, earlier), (token, later) in pairwise(beats)
        if earlier.last > later.first
    ]


def too_many_in_a_row(run_id: str, attempts: Sequence[Record]) -> list[str]:
    """More attempts from one checkpoint than a run is given; those that were drained or paused don't count."""
    counted = [attempt["start_step"] for attempt in attempts if attempt["ending"] not in {"drained", "paused"}]
    return [
        f"{run_id}: {times} attempts from step {step}" for step, times in Counter(counted).items() if times > IN_A_ROW
    ]


def left_over(client: Client, runs_dir: Path, run_id: str) -> list[str]:
    """Files of a finished run that no record names: half checkpoints, checkpoints without a row, spools."""
    checkpoints = patiently(lambda: client.get(f"/v1/runs/{run_id}/checkpoints")["data"])
    known = {Path(checkpoint["path"]).name for checkpoint in checkpoints}
    directories = {path.name for path in (runs_dir / run_id / "ck").iterdir()}
    spools = [path for path in (runs_dir / run_id / "attempts").glob("*/*") if path.name != PULSE]
    return [f"{run_id}: {name} belongs to nothing" for name in [*(directories ^ known), *map(str, spools)]]


def gaps(client: Client, *, runs: int) -> list[str]:
    """Where the event stream, read from its beginning to the end of the last of so many runs, leaves a number out."""
    numbers, ended = [0], 0
    for event in patiently(lambda: client.stream("/v1/events", after=0)):
        numbers.append(event["seq"])
        ended += event["kind"] == "run_succeeded"
        if ended == runs:
            break
    return [f"event {later} follows {earlier}" for earlier, later in pairwise(numbers) if later != earlier + 1]


def overlaps(run_id: str, attempts: Sequence[Record]) -> list[str]:
    """Attempts of one run that were both valid at some moment."""
    ordered = sorted(attempts, key=lambda attempt: attempt["token"])
    return [
        f"{run_id}: attempt {later['token']} began before attempt {earlier['token']} had ended"
        for earlier, later in pairwise(ordered)
        if earlier["ended_at"] is None or earlier["ended_at"] > later["started_at"]
    ]
