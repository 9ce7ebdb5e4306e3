"""The supervisor over small programs: order, restarts, giving up, and nothing left behind."""

import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from cli.child import Child, Program
from cli.exits import CommandError
from cli.stack import child_environment
from cli.supervisor import Limits, Supervisor
from domain.settings import Settings
from tests.waiting import wait_until

SLEEPER = (
    "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(0)); print('up', flush=True); time.sleep(60)"
)

MakeProgram = Callable[..., Program]
MakeSupervisor = Callable[..., Supervisor]


@pytest.fixture
def program(tmp_path: Path) -> MakeProgram:
    environment = child_environment(Settings(data_dir=tmp_path))

    def make(name: str, script: str, **more: Any) -> Program:
        return Program(name, (sys.executable, "-c", script), environment, tmp_path / f"{name}.log", **more)

    return make


@pytest.fixture
def supervise() -> Iterator[MakeSupervisor]:
    made: list[Supervisor] = []

    def make(*programs: Program, crashes: int = 5, changes: list[list[str]] | None = None) -> Supervisor:
        def on_change(children: list[Child]) -> None:
            if changes is not None:
                changes.append([child.name for child in children if child.pid])

        supervisor = Supervisor(programs, limits=Limits(crashes=crashes), say=lambda _: None, on_change=on_change)
        made.append(supervisor)
        return supervisor

    yield make
    for supervisor in made:
        supervisor.interrupts = 2
        supervisor.stop()


def running(child: Child) -> int:
    assert child.pid is not None
    return child.pid


def says(child: Child, word: str) -> bool:
    return word in child.last_lines()


def test_programs_start_in_order_and_stop_in_reverse(
    program: MakeProgram, supervise: MakeSupervisor, tmp_path: Path
) -> None:
    order = tmp_path / "order"
    script = (
        "import signal, sys, time\n"
        f"def stop(*_): open({str(order)!r}, 'a').write(NAME); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop); print('up', flush=True); time.sleep(60)"
    )
    changes: list[list[str]] = []
    programs = [program(name, script.replace("NAME", repr(name))) for name in "abc"]
    supervisor = supervise(*programs, changes=changes)
    supervisor.start()
    for child in supervisor.children:
        wait_until(partial(says, child, "up"))
    supervisor.stop()
    assert changes[:3] == [["a"], ["a", "b"], ["a", "b", "c"]]
    assert order.read_text() == "cba"


def test_the_next_program_starts_only_when_the_one_before_serves(
    program: MakeProgram, supervise: MakeSupervisor, tmp_path: Path
) -> None:
    served = tmp_path / "served"
    first = program("first", f"import time; open({str(served)!r}, 'w'); time.sleep(60)", ready=served.exists)
    second = program(
        "second", f"import os; print(os.path.exists({str(served)!r}), flush=True); __import__('time').sleep(60)"
    )
    supervisor = supervise(first, second)
    supervisor.start()
    wait_until(supervisor.children[1].last_lines)
    assert supervisor.children[1].last_lines() == ["True"]


def test_a_program_that_cannot_start_is_named_with_the_end_of_its_log(
    program: MakeProgram, supervise: MakeSupervisor
) -> None:
    supervisor = supervise(program("broken", "print('no such table'); raise SystemExit(3)", ready=lambda: False))
    with pytest.raises(CommandError) as caught:
        supervisor.start()
    assert "broken ended with code 3 while starting" in caught.value.message
    assert "no such table" in "\n".join(caught.value.details)


def test_a_killed_program_is_started_again(program: MakeProgram, supervise: MakeSupervisor) -> None:
    supervisor = supervise(program("sleeper", SLEEPER))
    supervisor.start()
    child = supervisor.children[0]
    wait_until(lambda: says(child, "up"))
    first = child.pid
    said: list[str] = []

    def stop_after_the_restart(text: str) -> None:
        said.append(text)

    supervisor.say = stop_after_the_restart
    original = supervisor.on_change

    def on_change(children: list[Child]) -> None:
        original(children)
        if children[0].pid not in {None, first}:
            supervisor.interrupts = 1

    supervisor.on_change = on_change
    os.kill(running(child), 9)
    supervisor.watch()
    assert child.pid is not None
    assert "was killed by SIGKILL; it starts again" in said[0]
    assert child.pid != first
    assert psutil.pid_exists(child.pid)


def test_a_program_that_keeps_crashing_ends_the_stack_and_says_why(
    program: MakeProgram, supervise: MakeSupervisor
) -> None:
    supervisor = supervise(program("steady", SLEEPER), program("crasher", "print('boom'); exit(4)"), crashes=3)
    supervisor.start()
    with pytest.raises(CommandError) as caught:
        supervisor.watch()
    assert "crasher ended 3 times within 60 s; the last time it ended with code 4" in caught.value.message
    assert "boom" in "\n".join(caught.value.details)


def test_what_a_dead_program_left_in_its_group_is_ended(program: MakeProgram, supervise: MakeSupervisor) -> None:
    script = (
        "import subprocess, sys, time\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid, flush=True)\n"
        "time.sleep(60)"
    )
    supervisor = supervise(program("parent", script))
    supervisor.start()
    child = supervisor.children[0]
    wait_until(child.last_lines)
    orphan = int(child.last_lines()[0])
    os.kill(running(child), 9)
    wait_until(lambda: child.exit_status() is not None)
    wait_until(lambda: not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == psutil.STATUS_ZOMBIE)


def test_a_second_interrupt_does_not_wait_for_a_deaf_program(program: MakeProgram, supervise: MakeSupervisor) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    supervisor = supervise(program("deaf", deaf, grace=600.0))
    supervisor.start()
    child = supervisor.children[0]
    wait_until(lambda: says(child, "up"))
    pid = running(child)
    supervisor.interrupts = 2
    supervisor.stop()
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("system", ["this one", "Darwin"])
def test_a_guarded_program_ends_with_its_parent(tmp_path: Path, system: str) -> None:
    """The parent is killed with -9, so nothing but the kernel, or elsewhere the guard's own look, can end the child."""
    if system != "this one":
        (tmp_path / "sitecustomize.py").write_text(f"import platform\nplatform.system = lambda: {system!r}\n")
    script = (
        "import subprocess, sys, time\nfrom cli.guard import guarded\n"
        "sleeper = [sys.executable, '-c', 'import os, time; print(os.getpid(), flush=True); time.sleep(60)']\n"
        "subprocess.Popen(guarded(sleeper), start_new_session=True)\n"
        "time.sleep(60)"
    )
    environment = child_environment(Settings(data_dir=tmp_path))
    environment["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"
    parent = psutil.Popen([sys.executable, "-c", script], env=environment, stdout=-1, text=True)
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running()
