"""Following runs to their end: the event stream as the alarm, the runs as the truth, bars in the terminal."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import httpx
import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from cli.client import Client, Record
from cli.exits import CommandError, ExitCode
from cli.output import console, counts_text, print_json, say, seconds
from cli.places import Place, connect, locate

FINAL = frozenset({"succeeded", "failed", "cancelled"})
SHORTEST_LOOK = 0.4  # seconds between two readings, however many events come
LONGEST_LOOK = 2.0  # a reading without any event, should the stream be broken
RECONNECT_SECONDS = 1.0
WIDE = 100  # columns of a terminal in which label, bar, percentage, note and clock stand in one line
PATIENCE_SECONDS = 60.0  # how long a service that does not answer is waited for


@dataclass(frozen=True)
class Followed:
    """How it ended: the record of the thing, and its runs (of a retried run only the newest)."""

    record: Record
    runs: list[Record]

    @property
    def all_succeeded(self) -> bool:
        return all(run["status"] == "succeeded" for run in self.runs)

    @property
    def finished(self) -> bool:
        return all(run["status"] in FINAL for run in self.runs)


def watch(
    what: Annotated[str, typer.Argument(help="Id of a run, job or study, or a study's name.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the final record as JSON.")] = False,
) -> None:
    """Follow a run, job or study to its end. The exit code says whether every run succeeded."""
    client = connect()
    final = look_on(client, locate(client, what), quiet=as_json)
    if as_json:
        print_json(final.record)
    raise typer.Exit(ExitCode.OK if final.all_succeeded else ExitCode.FAILED)


def look_on(client: Client, place: Place, *, quiet: bool = False) -> Followed:
    """Follow runs that do not depend on this command; who leaves with Ctrl-C is told so."""
    try:
        return follow(client, place, quiet=quiet)
    except KeyboardInterrupt:
        say(f"The runs go on: `normlab watch {place.id}` follows them, `normlab cancel {place.id}` ends them.")
        raise


def follow(client: Client, place: Place, *, quiet: bool = False) -> Followed:
    """Block until every run of the thing is final, drawing bars meanwhile (one per job, or per run of a single job).

    A service that is away for less than a minute is waited for; the runs do not depend on it.
    """
    alarm = Alarm(client, place)
    alarm.start()
    try:
        with Bars(labels=labels_of(client, place), disabled=quiet) as bars:
            while True:
                state = read_patiently(client, place)
                bars.draw(state.runs)
                if state.finished:
                    break
                alarm.wait()
    finally:
        alarm.stop()
    if not quiet:
        _summarize(state)
    return state


def read_patiently(client: Client, place: Place) -> Followed:
    """The present state; a service that does not answer is asked again for a minute."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return read(client, place)
        except CommandError as error:
            retry = error.code in {ExitCode.UNREACHABLE, ExitCode.SERVER_ERROR}
            if not retry or time.monotonic() > deadline:
                raise
            time.sleep(RECONNECT_SECONDS)


def read(client: Client, place: Place) -> Followed:
    """The thing and its runs now. The runs are read first, so that the record is never older than they are."""
    if place.kind == "run":
        record = client.get(place.path)
        return Followed(record, [record])
    if place.kind == "study":
        runs = list(client.pages(f"{place.path}/runs"))
    else:
        every = list(client.pages("/v1/runs", job=place.id))
        replaced = {run["retry_of"] for run in every if run["retry_of"]}
        runs = [run for run in every if run["id"] not in replaced]
    return Followed(client.get(place.path), runs)


class Alarm:
    """Wakes the reader when the event stream speaks of the thing; reconnects by itself after the last event seen."""

    def __init__(self, client: Client, place: Place) -> None:
        self._client = Client(client.address)  # a connection of its own: this one is read all the time
        self._query = {place.kind: place.id}
        self._heard = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True, name="events")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let the thread go; it ends with its connection, at the latest with the process."""
        self._stopped.set()

    def wait(self) -> None:
        time.sleep(SHORTEST_LOOK)
        self._heard.wait(LONGEST_LOOK - SHORTEST_LOOK)
        self._heard.clear()

    def _listen(self) -> None:
        last: int | None = None
        while not self._stopped.is_set():
            try:
                for event in self._client.stream("/v1/events", after=last, **self._query):
                    last = event["seq"] if event["seq"] is not None else last
                    self._heard.set()
                    if self._stopped.is_set():
                        return
            except (httpx.HTTPError, CommandError):
                self._heard.set()
            self._stopped.wait(RECONNECT_SECONDS)


class Bars:
    """One bar per job (its runs together), or per run where there is one job; nothing is drawn into a pipe."""

    def __init__(self, *, labels: dict[str, str], disabled: bool) -> None:
        self._labels = labels
        # A narrow terminal has no room for the drawing, and the numbers say the same.
        drawn = (BarColumn(bar_width=30),) if console.width >= WIDE else ()
        clock = (TimeElapsedColumn(),) if console.width >= WIDE else ()
        self._progress = Progress(
            TextColumn("{task.description}"),
            *drawn,
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[note]}"),
            *clock,
            console=console,
            disable=disabled or not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._plain = not disabled and not console.is_terminal
        self._said = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def draw(self, runs: Sequence[Record]) -> None:
        for label, members in grouped(runs, self._labels).items():
            self._draw_group(label, members)
        if self._plain:
            self._say_counts(runs)

    def _draw_group(self, label: str, members: list[Record]) -> None:
        if label not in self._tasks:
            self._tasks[label] = self._progress.add_task(label, total=1.0, note="")
        done = sum(1.0 if run["status"] in FINAL else run["progress"] for run in members) / len(members)
        self._progress.update(self._tasks[label], completed=done, note=note_of(members))

    def _say_counts(self, runs: Sequence[Record]) -> None:
        """Into a pipe or a log: one line whenever the number of finished runs changes."""
        finished = sum(run["status"] in FINAL for run in runs)
        text = f"{finished} of {len(runs)} runs finished"
        if text != self._said:
            say(text)
            self._said = text


def labels_of(client: Client, place: Place) -> dict[str, str]:
    """The labels of a study's jobs by their ids; a job alone needs none."""
    if place.kind != "study":
        return {}
    return {job["id"]: job["label"] for job in client.pages(f"{place.path}/jobs")}


def grouped(runs: Sequence[Record], labels: dict[str, str]) -> dict[str, list[Record]]:
    """Runs by the label of their job, in the order of their creation; by seed where no jobs are labelled."""
    groups: dict[str, list[Record]] = {}
    for run in sorted(runs, key=lambda run: (run["job_id"], run["seed_rank"])):
        groups.setdefault(labels.get(run["job_id"], f"seed {run['seed']}"), []).append(run)
    return groups


def note_of(members: Sequence[Record]) -> str:
    """What is worth saying beside a bar: what runs now, or how it ended."""
    counts = Counter(run["status"] for run in members)
    if counts["running"]:
        run = next(run for run in members if run["status"] == "running")
        left = f", {seconds(run['seconds_left'])} left" if run.get("seconds_left") is not None else ""
        return f"{(run.get('phase') or 'running').replace('_', ' ')}, step {run['step']}{left}"
    return counts_text(dict(counts)).plain


def _summarize(state: Followed) -> None:
    """The failures, each with what went wrong, then the counts."""
    for run in state.runs:
        if run["status"] == "failed":
            why = f"{run['responsible']}/{run['reason']}: {run['message']}"
            say(f"{run['id']} (seed {run['seed']}) failed, {why}")
    console.print(counts_text(dict(Counter(run["status"] for run in state.runs))))
