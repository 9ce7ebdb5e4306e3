"""How answers are shown: tables for people, JSON for machines, errors on stderr."""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, NoReturn

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from cli.client import Record
from cli.exits import CommandError, ExitCode

STATUS_STYLES = {
    "queued": "dim",
    "running": "cyan",
    "paused": "yellow",
    "succeeded": "green",
    "failed": "bold red",
    "cancelled": "dim strike",
}
# A pipe has no width of its own: tables for another program's eyes are not cut at 80 columns.
PIPE_WIDTH = 200

PREFIXES = ("", "k", "M", "G", "T", "P", "E")


class Terminal(Console):
    """A console whose reader may leave early."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        reader_left()


console = Terminal(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH)
messages = Console(stderr=True, highlight=False, soft_wrap=True)


def write_any_terminal() -> None:
    """From now on a terminal that lacks a sign (an en dash in Latin-1) gets a question mark, and no program ends."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def reader_left() -> NoReturn:
    """End well: who reads us has seen enough, as in `normlab ls | head`."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at its end
    raise SystemExit(ExitCode.OK)


@contextmanager
def readers_may_leave() -> Iterator[None]:
    """For what is written past the console."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        reader_left()


def print_json(value: Any) -> None:
    """One JSON document on stdout, uncoloured, uncut, and the same in every locale."""
    with readers_may_leave():
        sys.stdout.write(json.dumps(value, ensure_ascii=not _speaks_unicode(), indent=2) + "\n")


def _speaks_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().startswith("utf")


def say(text: str) -> None:
    """A remark to the person at the terminal; never part of a result that another program reads."""
    messages.print(escape(text))


def complain(error: CommandError, *, as_json: bool) -> None:
    """The error on stderr: a sentence and its details, or the same as JSON."""
    if as_json:
        document = {"code": int(error.code), "message": error.message, "details": list(error.details)}
        sys.stderr.write(json.dumps({"error": document}, ensure_ascii=False) + "\n")
        return
    messages.print(Text.assemble(("Error: ", "bold red"), error.message))
    for line in error.details:
        messages.print(Text(f"  {line}"))


def table(
    title: str | None, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = ()
) -> Table:
    """A plain table; the columns named in `right` hold numbers and are aligned to the right."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    return made


def status_text(record: Record) -> Text:
    """A run's status in its colour, with the outcome or the reason where the word alone says too little."""
    status = record["status"]
    more = record.get("outcome") if record.get("outcome") not in {None, "completed"} else record.get("reason")
    return Text(f"{status} ({more})" if more else status, style=STATUS_STYLES.get(status, ""))


def counts_text(counts: dict[str, int]) -> Text:
    """Counts by status, as in "3 succeeded, 1 running"."""
    parts = [Text(f"{count} {status}", STATUS_STYLES.get(status, "")) for status, count in counts.items() if count]
    return Text(", ").join(parts) if parts else Text("no runs", "dim")


def count(size: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{size} {noun}" if size == 1 else f"{size} {noun}s"


def number(value: float | str | None, digits: int = 4) -> str:
    """A number in few digits; a dash where there is none; NaN and infinities as they are written in the API."""
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:.{digits}g}"


def amount(value: float | None, unit: str = "") -> str:
    """A large count in three figures: 12.3 k, 4.56 M; with a unit, as in 7.8 GB."""
    if value is None:
        return "–"
    power = 0
    while value >= 999.5 and power < len(PREFIXES) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.3g} {PREFIXES[power]}{unit}".rstrip()


def seconds(value: float | None) -> str:
    """A duration as people say it: 12 s, 3 min, 2.1 h."""
    if value is None:
        return "–"
    if value < 90:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"
