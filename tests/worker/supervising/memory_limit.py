"""A limit on the memory of processes that run already, as a container sets it: a control group of their own."""

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_LIMITS = {
    Path("/sys/fs/cgroup/memory"): "memory.limit_in_bytes",
    Path("/sys/fs/cgroup"): "memory.max",
}
"""Where control groups with a memory controller may lie, and the file with the limit: the first version, the second."""


def place() -> Path | None:
    """Where a group with a limit can be made; None where only a service manager may."""
    for root, limit in _LIMITS.items():
        group = root / f"normlab-{secrets.token_hex(4)}"
        try:
            group.mkdir()
        except OSError:
            continue
        made = (group / limit).exists()
        group.rmdir()
        if made and os.access(root / "cgroup.procs", os.W_OK):
            return root
    return None


@contextmanager
def limited(processes: Iterable[psutil.Process], size: int) -> Iterator[None]:
    """These processes, and those that they start, have so many bytes more for the length of the block."""
    root = place()
    assert root is not None
    group = root / f"normlab-{secrets.token_hex(4)}"
    group.mkdir()
    (group / _LIMITS[root]).write_text(str(size))
    for process in processes:
        (group / "cgroup.procs").write_text(str(process.pid))
    try:
        yield
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            (root / "cgroup.procs").write_text(pid)
        group.rmdir()
