"""A program under the guard ends with its parent, on Linux by the kernel's signal and elsewhere by looking."""

import platform
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
SYSTEMS = sorted({platform.system(), "Darwin"})
GUARD = "import platform, sys; platform.system = lambda: {system!r}; from cli import guard; sys.exit(guard.main())"
PARENT = "import os, subprocess, sys; subprocess.run([*sys.argv[1:4], sys.argv[4], str(os.getpid()), *sys.argv[5:]])"
PATIENT = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
print('ready', flush=True)
signal.pause()
"""
COUNTING = """
import os, signal, time
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(1))
print(os.getpid(), flush=True)
time.sleep(2)
print(len(told), flush=True)
"""
GUARDED = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(60)"


def guard(system: str) -> list[str]:
    return [sys.executable, "-c", GUARD.format(system=system)]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("death_signal", [signal.SIGTERM, signal.SIGKILL])
def test_a_program_ends_when_its_parent_is_killed(system: str, death_signal: signal.Signals) -> None:
    command = [sys.executable, "-c", PARENT, *guard(system), str(int(death_signal)), sys.executable, "-c", GUARDED]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        program = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        parent.wait()
        program.wait(timeout=20)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_program_is_told_of_signals_and_its_exit_status_is_passed_on(system: str) -> None:
    parent = str(psutil.Process().pid)
    command = [*guard(system), str(int(signal.SIGKILL)), parent, sys.executable, "-c", PATIENT]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as guarded:
        assert guarded.stdout
        assert guarded.stdout.readline() == "ready\n"
        guarded.terminate()
        assert guarded.wait(timeout=20) == 5


@pytest.mark.parametrize("system", SYSTEMS)
def test_an_orphan_is_told_once_so_that_it_may_stop_in_peace(system: str) -> None:
    command = [sys.executable, "-c", PARENT, *guard(system), str(int(signal.SIGTERM)), sys.executable, "-c", COUNTING]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        parent.stdout.readline()
        parent.kill()
        assert parent.stdout.readline() == "1\n"
