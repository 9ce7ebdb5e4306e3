"""A runner does not outlive its parent."""

import subprocess
import sys

import pytest

from tests.worker.plant import ROOT


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux")
def test_a_process_whose_parent_is_gone_does_not_begin() -> None:
    """In a process of its own: the tie to the parent cannot be undone."""
    code = "import worker.protocol.lifeline as l\ntry: l.tie_to_parent(1)\nexcept l.OrphanedError: raise SystemExit(7)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 7
