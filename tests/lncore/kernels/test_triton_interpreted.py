"""The Triton kernels on the CPU: their own tests, under Triton's interpreter, in a process of their own."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
def test_the_triton_kernels_equal_float64_under_the_interpreter() -> None:
    """Triton reads TRITON_INTERPRET when it is imported, and then compiles nothing any more."""
    command = [sys.executable, "-m", "pytest", "-x", "tests/lncore/kernels/triton_cases.py"]
    found = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout[-4000:]
    assert " passed" in found.stdout
