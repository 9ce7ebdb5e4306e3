"""A real stack (`normlab up`) over a temporary directory, for tests of cli and browser, the kill test, benchmarks."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from cli.client import Address, Client
from cli.directory import DataDirectory
from cli.guard import guarded
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 90.0
STOP_SECONDS = 60.0


@dataclass
class RunningStack:
    """A stack that serves, and the ways tests reach it."""

    directory: Path
    environment: dict[str, str]
    process: "subprocess.Popen[str]"
    url: str = ""
    key: str = ""
    _log: list[str] = field(default_factory=list)

    def client(self) -> Client:
        """The client of the command line, as the owner."""
        return Client(Address(self.url, self.key, "the test's stack"))

    def normlab(self, *arguments: str, **more: Any) -> "subprocess.CompletedProcess[str]":
        """Run the command against this stack, found through its data directory."""
        return normlab(*arguments, environment=self.environment, **more)

    def pid(self, name: str) -> int | None:
        """The pid of one of its processes now: valkey, dispatcher, worker, api; None while it is being restarted."""
        entry = DataDirectory(self.directory).record().get("children", {}).get(name)
        return int(entry["pid"]) if entry else None

    def worker(self) -> int | None:
        """The pid of the worker's main process."""
        return self.pid("worker")

    def pool(self) -> int | None:
        """The pid of the worker's child that takes messages and watches over the runner."""
        runner = self.runner()
        return psutil.Process(runner).ppid() if runner else None

    def runner(self) -> int | None:
        """The pid of the process that trains, or waits to: a descendant of the supervisor, in a session of its own."""
        descendants = psutil.Process(self.process.pid).children(recursive=True)
        return next((process.pid for process in descendants if is_runner(process)), None)

    def processes(self) -> list[psutil.Process]:
        """The supervisor and all its descendants."""
        supervisor = psutil.Process(self.process.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask for the end and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def logs(self) -> str:
        """The last lines of every log, for the message of a failed test."""
        parts = []
        for log in sorted((self.directory / "logs").glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-25:]
            parts.append(f"--- {log.name}\n" + "\n".join(lines))
        return "\n".join(parts)


def is_runner(process: psutil.Process) -> bool:
    try:
        return "worker.runner" in process.cmdline()
    except psutil.Error:
        return False


def normlab(
    *arguments: str, environment: dict[str, str], timeout: float = 120.0, text: str | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `normlab ARGUMENTS` as a process; its output is captured."""
    command = [sys.executable, "-m", "cli.main", *arguments]
    return subprocess.run(
        command, env=environment, cwd=ROOT, input=text, capture_output=True, text=True, timeout=timeout, check=False
    )


def environment_of(directory: Path, **settings: Any) -> dict[str, str]:
    """The environment of a command over `directory`; settings by their names in domain.settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("NORMLAB_")}
    chosen = {f"NORMLAB_{name.upper()}": str(value) for name, value in settings.items()}
    return {**inherited, "COLUMNS": "160", "NORMLAB_DATA_DIR": str(directory), "NORMLAB_THREADS": "1", **chosen}


def start_stack(directory: Path, *, arguments: Sequence[str] = (), **settings: Any) -> RunningStack:
    """Start `normlab up` on a free port and wait until it serves. Fails with its words when it does not."""
    environment = environment_of(directory, **settings)
    process = subprocess.Popen(
        # A test run that is itself killed must leave nothing behind.
        guarded([sys.executable, "-m", "cli.main", "up", "--port", "0", *arguments], death_signal=signal.SIGTERM),
        env=environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    stack = RunningStack(directory, environment, process)
    wait_until(lambda: _is_ready(stack), seconds=START_SECONDS)
    record = DataDirectory(directory).record()
    stack.url = record["url"]
    stack.key = (directory / "owner.key").read_text().strip()
    return stack


@contextmanager
def running_stack(directory: Path, *, arguments: Sequence[str] = (), **settings: Any) -> Iterator[RunningStack]:
    """A stack for the length of a block; afterwards it is stopped, and nothing of it may be left."""
    stack = start_stack(directory, arguments=arguments, **settings)
    try:
        yield stack
    finally:
        end(stack)


def end(stack: RunningStack) -> None:
    """Stop the stack, by force if need be, and see that none of its processes is left."""
    if stack.process.poll() is None:
        family = stack.processes()
        try:
            stack.stop()
        except subprocess.TimeoutExpired:
            stack.process.kill()
            stack.process.wait()
        _, alive = psutil.wait_procs(family, timeout=5)
        for process in alive:
            process.kill()
        assert not alive, f"left running after the stop: {alive}"
    if stack.process.stdout is not None:
        stack.process.stdout.close()


def _is_ready(stack: RunningStack) -> bool:
    status = stack.process.poll()
    if status is not None:
        said = stack.process.stdout.read() if stack.process.stdout else ""
        raise AssertionError(f"normlab up ended with {status}:\n{said}\n{stack.logs()}")
    record = DataDirectory(stack.directory).record()
    return bool(record.get("ready")) and record.get("pid") == stack.process.pid


def parse(done: "subprocess.CompletedProcess[str]") -> Any:
    """The JSON a command printed; fails with its error output when it printed none."""
    assert done.stdout.strip(), done.stderr
    return json.loads(done.stdout)
