"""`normlab up`: Valkey, migrations, dispatcher, workers and API over one data directory, until Ctrl-C."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cli.child import Child
from cli.client import Address, Client
from cli.directory import RECORD_NAME, DataDirectory, own_start
from cli.exits import CommandError
from cli.stack import Stack, migrate, plan_stack
from cli.supervisor import Limits, Supervisor
from domain.settings import Settings

console = Console(highlight=False)


def up(
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is kept; default ./var.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of API and dashboard; 0 takes any free one.")] = None,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Worker processes, each training one run at a time.")] = 1,
) -> None:
    """Start the whole service on this machine and keep it running until Ctrl-C.

    Ctrl-C lets runs save a checkpoint and go back to the queue; they continue at the next start.

    A second Ctrl-C ends everything at once: the steps since the last checkpoint are lost.
    """
    options: dict[str, Any] = {"data_dir": data_dir, "port": port}
    settings = Settings(**{name: value for name, value in options.items() if value is not None})
    directory = DataDirectory(settings.data_dir)
    directory.prepare()
    directory.take()
    try:
        for name in directory.end_stale_processes():
            console.print(f"Ended {name}, which an earlier start had left running.")
        serve(settings, directory, workers=workers)
    finally:
        directory.release()


def serve(settings: Settings, directory: DataDirectory, *, workers: int) -> None:
    """Run the stack over a directory that is held; returns after a clean stop."""
    stack = plan_stack(settings, workers=workers)
    try:
        supervise(stack, directory)
    finally:
        stack.remove_temporary_files()


def supervise(stack: Stack, directory: DataDirectory) -> None:
    """Start, announce, watch and stop. Whatever happens in between, everything that was started is stopped."""
    record: dict[str, object] = {**own_start(), "url": stack.url}

    def note(children: list[Child]) -> None:
        write_down(directory, record, children)

    limits = Limits(crashes=stack.settings.crash_limit, window=stack.settings.crash_window)
    supervisor = Supervisor(stack.programs, limits=limits, say=console.print, on_change=note)
    supervisor.take_signals()
    note([])
    try:
        migrate(stack)
        supervisor.start()
        if not supervisor.interrupts:
            _announce(stack)
            record["ready"] = True
            note(supervisor.children)
        supervisor.watch()
        console.print("Stopping: runs save and go back to the queue. Ctrl-C again ends everything at once.")
    finally:
        supervisor.stop()
        directory.forget()
    console.print("Stopped.")


def write_down(directory: DataDirectory, record: dict[str, object], children: list[Child]) -> None:
    """Keep what runs, and where, for other commands and for the next start.

    A full disk is said, and ends nothing: what runs goes on, and what is stored can be read.
    """
    running = {child.name: {"pid": child.pid, "started": child.start_mark()} for child in children if child.pid}
    try:
        directory.write_record({**record, "children": running})
    except OSError as error:
        console.print(f"{directory.path / RECORD_NAME} could not be brought up to date: {error.strerror}.")


def _announce(stack: Stack) -> None:
    console.print(f"NormLab serves {stack.settings.data_dir}")
    console.print(f"API:       {stack.url}/v1   (docs: {stack.url}/docs)")
    console.print(f"Dashboard: {login_url(stack.settings, stack.url)}", soft_wrap=True)
    console.print("The dashboard's link works once; `normlab login` makes another. Ctrl-C stops.")


def login_url(settings: Settings, url: str) -> str:
    """A one-time address that opens the dashboard, signed in."""
    key = settings.read_owner_key()
    if not settings.auth:
        return url
    if key is None:
        raise CommandError(f"There is no owner key in {settings.data_dir}.")
    answer = Client(Address(url, key, "the stack just started")).post("/v1/login-codes")
    return str(answer["url"])
