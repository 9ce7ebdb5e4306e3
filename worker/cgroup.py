"""What Linux says about memory: the limit of this container, and how often the kernel has killed for lack of it."""

from pathlib import Path

_GROUP = Path("/sys/fs/cgroup")
_COUNTERS = (_GROUP / "memory.events", Path("/proc/vmstat"))


def memory_limit() -> int | None:
    """Bytes this container may use; None when it has no limit, or there is no such thing on this system."""
    try:
        text = (_GROUP / "memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def oom_kills() -> int:
    """How many processes the kernel has killed for lack of memory, in this container and on this machine."""
    return sum(map(_oom_kills_in, _COUNTERS))


def _oom_kills_in(counters: Path) -> int:
    try:
        lines = counters.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
