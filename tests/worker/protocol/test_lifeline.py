"""A runner does not outlive its parent."""

import subprocess
import sys

import psutil
import pytest

from tests.worker.plant import ROOT

PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
TIED = """
import os, sys, time
from worker.protocol import lifeline
sys.platform = {platform!r}
lifeline.tie_to_parent(os.getppid())
print(os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux")
def test_a_process_whose_parent_is_gone_does_not_begin() -> None:
    """In a process of its own: the tie to the parent cannot be undone."""
    code = "import worker.protocol.lifeline as l\ntry: l.tie_to_parent(1)\nexcept l.OrphanedError: raise SystemExit(7)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 7


@pytest.mark.parametrize("platform", sorted({sys.platform, "darwin"}))
def test_a_process_ends_when_its_parent_is_killed(platform: str) -> None:
    """By the kernel's signal on Linux, by looking for the parent elsewhere (which works on Linux, too)."""
    command = [sys.executable, "-c", PARENT, TIED.format(platform=platform)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        tied = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        parent.wait()
        tied.wait(timeout=20)
