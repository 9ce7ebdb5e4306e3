"""Answers on terminals of every kind: other encodings, readers that leave early."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.output import count

ROOT = Path(__file__).parents[2]
SHOWN = "from cli.output import *; write_any_terminal(); {then}"


def shown(then: str, encoding: str) -> str:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-c", SHOWN.format(then=then)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    return done.stdout.decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_that_lacks_a_sign_ends_nothing_and_json_stays_json(encoding: str) -> None:
    assert shown("console.print('a – b …')", encoding).startswith("a ")
    assert json.loads(shown("print_json('a – b …')", encoding)) == "a – b …"


@pytest.mark.parametrize("then", ["print_json(list(range(100_000)))", "[console.print(n) for n in range(100_000)]"])
def test_a_reader_that_has_seen_enough_is_no_failure(then: str) -> None:
    with subprocess.Popen([sys.executable, "-c", SHOWN.format(then=then)], cwd=ROOT, stdout=subprocess.PIPE) as done:
        assert done.stdout
        done.stdout.readline()
        done.stdout.close()
    assert done.returncode == 0


def test_one_is_not_many() -> None:
    assert (count(1, "run"), count(0, "run"), count(27, "job")) == ("1 run", "0 runs", "27 jobs")
