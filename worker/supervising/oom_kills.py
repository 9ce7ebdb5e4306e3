"""How often the kernel has killed for lack of memory: what tells such a death from any other kill."""

from pathlib import Path

_COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))


def oom_kills() -> int:
    """How many processes the kernel has killed for lack of memory, in this container and on this machine."""
    return sum(map(_oom_kills_in, _COUNTERS))


def _oom_kills_in(counters: Path) -> int:
    try:
        lines = counters.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
