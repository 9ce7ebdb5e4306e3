"""A cancel that was acknowledged holds, whoever is killed a moment later: one end, and no step beyond the limits (I6).

Timers are scaled (tests/chaos/study.py).
"""

import os
import signal
from typing import Any

import pytest

from cli.client import Client
from domain.settings import Settings
from tests.chaos.evidence import entries, stepped_together
from tests.chaos.killing import VICTIMS, patiently, pid_of
from tests.chaos.study import BASE
from tests.stack import RunningStack
from tests.waiting import wait_until
from worker.protocol.spool import PULSE, read_pulse, uptime

STOP_SECONDS = 10
"""From the acknowledged cancel to the last step (RELIABILITY.md, row 36); a runner that is told stops at its next."""
JOB: dict[str, Any] = {**BASE, "training": {**BASE["training"], "budget": {"steps": 5_000_000}}, "seeds": [0]}


@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_a_cancelled_run_stays_cancelled_whoever_is_killed(stack: RunningStack) -> None:
    client = stack.client()
    for kind in VICTIMS:
        cancel_and_kill(stack, client, kind)


def cancel_and_kill(stack: RunningStack, client: Client, kind: str) -> None:
    job = client.create("/v1/jobs", JOB, print)
    run_id = patiently(lambda: client.get("/v1/runs", job=job["id"])["data"])[0]["id"]
    path = f"/v1/runs/{run_id}"
    wait_until(lambda: patiently(lambda: client.get(path))["step"] > 0, seconds=60, every=0.05)
    pid = wait_until(lambda: pid_of(stack, kind), seconds=30, every=0.05)
    assert pid is not None
    client.post(f"{path}/cancel", {})
    told = uptime()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: patiently(lambda: client.get(path))["status"] == "cancelled", seconds=60, every=0.05)
    runs_dir = Settings(data_dir=stack.directory).runs_dir
    beats = [read_pulse(pulse) for pulse in (runs_dir / run_id / "attempts").glob(f"*/{PULSE}")]
    late = max(beat.last for beat in beats if beat is not None) - told
    assert late < STOP_SECONDS, f"a step {late:.1f} s after the cancel, with the {kind} killed\n{stack.logs()}"
    ends = [event["kind"] for event in patiently(lambda: entries(client, f"{path}/events"))]
    assert ends.count("run_cancelled") == 1
    assert not {"run_succeeded", "run_failed"} & set(ends)
    assert stepped_together(runs_dir, run_id) == []
