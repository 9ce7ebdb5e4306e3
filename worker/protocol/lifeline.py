"""How a process ends with its parent: the kernel's signal on Linux, polling the parent's id elsewhere."""

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_POLL = 0.5


class OrphanedError(RuntimeError):
    """The parent was gone before the lifeline was tied."""


def tie_to_parent(parent: int) -> None:
    """End this process when `parent`, its parent, ends; call it from the main thread.

    The kernel's signal follows the thread that started us, so the parent must have started us from its main thread too.
    Raises OrphanedError when the parent is gone already: the signal is only sent for a death after this call.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) was refused")
    else:
        threading.Thread(target=_poll, args=(parent,), name="lifeline", daemon=True).start()
    if os.getppid() != parent:
        raise OrphanedError(f"Process {parent} is gone; there is nobody to train for.")


def _poll(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL)
    os.kill(os.getpid(), signal.SIGKILL)


def offer_to_oom_killer() -> None:
    """Let the kernel choose this process first when memory runs out: the runner dies and the worker lives."""
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text("1000", encoding="ascii")
