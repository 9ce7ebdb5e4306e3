"""Kill anything with -9, over and over: every run ends once, and with the same bytes as if nothing had happened.

Timers are scaled (tests/chaos/study.py). NORMLAB_CHAOS_SEED chooses another order.
"""

import json
import os
import statistics
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cli.client import Client
from domain.database import Database
from domain.settings import Settings
from tests.chaos.evidence import evidence, gaps, violations
from tests.chaos.following import Follower
from tests.chaos.killing import History, Killer, patiently
from tests.chaos.study import STUDY, TIMERS
from tests.stack import RunningStack
from tests.waiting import wait_until

DEADLINE = 300
"""Seconds; on two idle cores it takes about a minute. A test that gives up by itself still prints its history."""
DEFAULT_SEED = 20160721


def submit(client: Client) -> str:
    """Submit the study once, however often the API is killed meanwhile."""
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    return str(patiently(lambda: client.post("/v1/studies", STUDY, headers=headers))["id"])


def finished(client: Client, study: str) -> bool:
    counts = patiently(lambda: client.get(f"/v1/studies/{study}"))["counts"]
    return not any(counts.get(status) for status in ("queued", "running", "paused"))


@pytest.mark.chaos
@pytest.mark.timeout(400)
def test_kills_leave_no_trace(stack: RunningStack, capsys: pytest.CaptureFixture[str]) -> None:
    history = History(int(os.environ.get("NORMLAB_CHAOS_SEED", DEFAULT_SEED)))
    client = stack.client()
    runs_dir = stack.directory / "runs"
    reference = submit(client)
    wait_until(lambda: finished(client, reference), seconds=90, every=0.1)
    expected = evidence(client, runs_dir, reference)
    history.note("the undisturbed study is done")
    studies = [submit(client)]
    follower = Follower(stack.client())

    def keep_busy() -> None:
        assert history.seconds < DEADLINE, f"the kills took longer than {DEADLINE} s"
        if finished(client, studies[-1]):
            studies.append(submit(client))
            history.note(f"study {len(studies)} submitted")

    try:
        killer = Killer(stack, client, history, keep_busy)
        killer.kill_everything_once_in_a_while()
        killer.hold_the_database(TIMERS["lease"] + 1)
        for study in studies:
            wait_until(partial(finished, client, study), seconds=90, every=0.1)
        history.note("all studies are done")
        found = gaps(client, runs=4 * (1 + len(studies)))
        found += [text for study in studies for text in violations(client, runs_dir, study)]
        found += damage(stack.directory)
        found += follower.problems(runs=4 * (1 + len(studies)))
        for study in studies:
            found += differences(expected, evidence(client, runs_dir, study))
        with capsys.disabled():
            print("\n" + json.dumps(summary(history, len(studies), follower.breaks, found)))
        assert not found, "\n".join(found)
        assert sum(history.kills.values()) >= 20
    except BaseException:
        print(history)
        print(stack.logs())
        raise


def damage(directory: Path) -> list[str]:
    """What SQLite finds wrong with its file."""
    database = Database.open(Settings(data_dir=directory))
    with database.read() as c:
        said = c.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    database.close()
    return [text for text in said if text != "ok"]


def differences(expected: dict[Any, Any], got: dict[Any, Any]) -> list[str]:
    """Where a disturbed study's results are not the undisturbed one's, bit for bit."""
    if expected.keys() != got.keys():
        return [f"runs {sorted(got)} instead of {sorted(expected)}"]
    found = []
    for key, wanted in expected.items():
        if got[key].weights != wanted.weights:
            found.append(f"{key}: weights {got[key].weights} instead of {wanted.weights}")
        if got[key].measured != wanted.measured:
            found.append(f"{key}: measured series at other steps")
        found += [
            f"{key}: {series} is not what it was undisturbed"
            for series in wanted.equal.keys() | got[key].equal.keys()
            if wanted.equal.get(series) != got[key].equal.get(series)
        ]
    return found


def summary(history: History, studies: int, breaks: int, found: list[str]) -> dict[str, Any]:
    """The run of this test in one line, to be kept as a trend."""
    recoveries = sorted(history.recoveries)
    return {
        "seed": history.seed,
        "seconds": round(history.seconds, 1),
        "studies": studies,
        "kills": dict(history.kills),
        "streams_broken": breaks,
        "violations": len(found),
        "recovery_p50": round(statistics.median(recoveries), 2) if recoveries else None,
        "recovery_max": round(recoveries[-1], 2) if recoveries else None,
        "timers": TIMERS,
    }
