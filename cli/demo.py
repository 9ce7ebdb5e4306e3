"""`normlab demo`: the stack, a study, its progress and what it shows, in one command."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM
from typing import Annotated, Any

import typer

from cli.child import describe_exit
from cli.client import Address, Client
from cli.compare import comparison_of
from cli.directory import DataDirectory
from cli.exits import CommandError, ExitCode
from cli.guard import guarded
from cli.output import console, say
from cli.places import Place
from cli.progress import Followed, follow
from cli.specfile import read_document
from cli.stack import child_environment
from cli.submit import send
from cli.tables import comparison_view
from domain.settings import Settings

DEMO = Path(__file__).resolve().parent.parent / "studies" / "demo.yaml"
START_SECONDS = 120.0
STOP_SECONDS = 60.0


def demo(
    file: Annotated[Path, typer.Option(help="The study to run.")] = DEMO,
    port: Annotated[int | None, typer.Option(help="Port of API and dashboard; 0 takes any free one.")] = None,
) -> None:
    """Start the stack, train the demo study (about two minutes), print what it shows, and stop the stack."""
    given: dict[str, Any] = {} if port is None else {"port": port}
    settings = Settings(**given)
    if settings.threads == 0:  # for networks this small, dividing a step among threads costs more than it saves
        settings = settings.model_copy(update={"threads": 1})
    document = read_document(str(file))
    with running_stack(settings) as client:
        console.print(f"[bold]{document.get('question', '')}[/bold]")
        study = send(client, document)
        console.print(f"Follow it in the browser: {login_address(client)}", soft_wrap=True)
        final = follow(client, Place("study", study["id"]))
        console.print(comparison_view(comparison_of(client, Place("study", study["id"]))))
        console.print(f"The dashboard: {client.address.url}/studies/{study['id']}", soft_wrap=True)
    say("`make up` (or `normlab up`) serves the dashboard with these results until Ctrl-C.")
    _answer_for(final)


@contextmanager
def running_stack(settings: Settings) -> Iterator[Client]:
    """A client of the stack over the data directory: the one that runs there, or one that lives for this block."""
    directory = DataDirectory(settings.data_dir)
    stack = directory.stack()
    if stack and stack.get("ready"):
        say(f"Using the stack that already runs over {settings.data_dir}.")
        yield Client(Address(stack["url"], settings.read_owner_key(), "the running stack"))
        return
    say(f"Starting Valkey, dispatcher, worker and API over {settings.data_dir} …")
    process = _start(settings)
    try:
        url = _wait_until_ready(process, directory)
        yield Client(Address(url, settings.read_owner_key(), "the stack just started"))
    except KeyboardInterrupt:
        say("Stopping: runs save and go back to the queue; `make up` goes on with them.")
        raise
    finally:
        _stop(process)


def login_address(client: Client) -> str:
    """A one-time address that opens the dashboard, signed in."""
    return str(client.post("/v1/login-codes")["url"])


def _start(settings: Settings) -> "subprocess.Popen[str]":
    """`normlab up` as a process of its own, which stops cleanly should this one be killed. Its errors come through."""
    return subprocess.Popen(
        guarded([sys.executable, "-m", "cli.main", "up"], death_signal=SIGTERM),
        env=child_environment(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )


def _wait_until_ready(process: "subprocess.Popen[str]", directory: DataDirectory) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        status = process.poll()
        if status is not None:
            raise CommandError(f"The stack {describe_exit(status)} while starting.")
        stack = directory.stack()
        if stack and stack.get("ready") and stack["pid"] == process.pid:
            return str(stack["url"])
        time.sleep(0.1)
    raise CommandError(f"The stack did not serve within {START_SECONDS:.0f} s; see {directory.path}/logs.")


def _stop(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.terminate()  # the second request ends everything at once
        process.wait(STOP_SECONDS)


def _answer_for(final: Followed) -> None:
    if not final.all_succeeded:
        raise typer.Exit(ExitCode.FAILED)
