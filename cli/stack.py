"""Which processes make the embedded stack, in the order they start, and what each is told."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import SecretStr

from cli.child import Program
from cli.client import own_url
from cli.exits import CommandError
from cli.guard import guarded
from cli.valkey import Broker, place_broker
from domain.settings import Settings

# What the caller says to the command is no business of the servers: they would inherit another service's key.
CALLERS_OWN = ("NORMLAB_URL", "NORMLAB_KEY", "NORMLAB_KEY_FILE")
MIGRATION_SECONDS = 300
WORKER_GRACE = 45.0  # long enough to save a checkpoint and hand the run back
LOOK_TIMEOUT = httpx.Timeout(2.0)


@dataclass(frozen=True)
class Stack:
    """The programs over one data directory. `broker` is None where the settings name a broker of their own."""

    settings: Settings
    broker: Broker | None
    programs: tuple[Program, ...]

    @property
    def url(self) -> str:
        return own_url(self.settings)

    def remove_temporary_files(self) -> None:
        if self.broker and self.broker.temporary:
            shutil.rmtree(self.broker.temporary, ignore_errors=True)


def plan_stack(settings: Settings, *, workers: int) -> Stack:
    """The stack as it is to be started; starts nothing. CommandError when the port is taken or a part missing."""
    settings = settings.model_copy(update={"port": free_port(settings.host, settings.port)})
    broker = place_broker(settings.data_dir) if is_embedded(settings) else None
    environment = child_environment(settings, broker)
    logs = settings.data_dir / "logs"
    programs = [broker.program(environment, logs / "valkey.log")] if broker else []
    programs.append(_module("dispatcher", "worker.dispatcher", environment, logs))
    for number in range(1, workers + 1):
        name = "worker" if workers == 1 else f"worker-{number}"
        told = {**environment, "NORMLAB_WORKER_NAME": f"{settings.worker_name}-{number}"}
        programs.append(_module(name, "worker.main", told, logs, grace=WORKER_GRACE))
    stack = Stack(settings, broker, ())
    api = _module("api", "api.main", environment, logs)
    ready = Program(
        api.name, api.command, api.environment, api.log, api.grace, lambda: _answers(f"{stack.url}/healthz")
    )
    return Stack(settings, broker, (*programs, ready))


def is_embedded(settings: Settings) -> bool:
    """Whether the broker is the one that this stack brings along, because no other was named."""
    return settings.broker_url == Settings(data_dir=settings.data_dir, broker_url=SecretStr("")).broker_url


def migrate(stack: Stack) -> None:
    """Bring the database's schema to the present form, in a process of its own.

    Raises CommandError with that process's words when it refuses (a database of a newer release, a full disk).
    """
    command = [sys.executable, "-m", "migrations"]
    log = stack.settings.data_dir / "logs" / "migrations.log"
    done = subprocess.run(
        guarded(command),
        env=child_environment(stack.settings, stack.broker),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=MIGRATION_SECONDS,
        start_new_session=True,
        check=False,
    )
    log.write_text(done.stdout + done.stderr)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).rstrip().splitlines()[-15:]
        raise CommandError("The database could not be prepared.", details=(*said, f"The whole log: {log}"))


def free_port(host: str, port: int) -> int:
    """`port` if it can be bound, or some free one for 0. Raises CommandError when somebody else has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} on {host} cannot be used: {error.strerror}.",
                details=("Choose another with --port (0 takes any free one) or NORMLAB_PORT.",),
            ) from error
        return int(probe.getsockname()[1])


def _module(name: str, module: str, environment: Mapping[str, str], logs: Path, *, grace: float = 10.0) -> Program:
    return Program(name, (sys.executable, "-m", module), environment, logs / f"{name}.log", grace)


def child_environment(settings: Settings, broker: Broker | None = None) -> dict[str, str]:
    """This process's environment with the settings as they are here: relative paths made absolute, the port chosen."""
    environment = {**os.environ, **settings.environment()}
    for name in CALLERS_OWN:
        environment.pop(name, None)
    if broker:
        environment["NORMLAB_BROKER_URL"] = broker.url
    # The children import the same packages as we do, from wherever this command was started.
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**environment, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYTHONUNBUFFERED": "1"}


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=LOOK_TIMEOUT, trust_env=False).is_success
    except httpx.HTTPError:
        return False
