"""Steps that are faster than their reports: fewer losses are recorded, none is left out unsaid, and no step waits."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.worker.specs import spec_of
from worker.protocol.assignment import Assignment
from worker.protocol.spool import SPOOL
from worker.training import thinning
from worker.training.desk import RunnerDesk, Standing
from worker.training.ledger import Row
from worker.training.thinning import DROPPED, LIMIT, thin


def losses(first: int, last: int) -> list[Row]:
    return [("train_loss", step, 1 / step) for step in range(first, last + 1)]


def test_while_reports_keep_up_everything_is_recorded() -> None:
    assert thin(losses(1, 50), LIMIT - 1) == (losses(1, 50), 0)


@pytest.mark.parametrize(("waiting", "kept"), [(LIMIT, 5), (2 * LIMIT, 1), (99 * LIMIT, 1)])
def test_the_further_they_fall_behind_the_fewer_losses_are_recorded(waiting: int, kept: int) -> None:
    rows, left_out = thin(losses(1, 50), waiting)
    assert (len(rows), left_out) == (kept + 1, 50 - kept)
    assert rows[-1] == (DROPPED, 50, float(50 - kept))
    assert set(rows[:-1]) <= set(losses(1, 50))


def test_what_matters_is_recorded_whatever_waits() -> None:
    """Losses that are not finite, evaluations, measurements, and the newest loss."""
    odd = [("train_loss", 53, math.inf), ("train_loss", 57, 0.5)]
    rows, left_out = thin([*losses(51, 52), *odd], 99 * LIMIT)
    assert rows == [*odd, (DROPPED, 57, 2.0)]
    assert left_out == 2
    evaluation: list[Row] = [("test_error", 57, 0.1), ("test_loss", 57, 0.2), ("step_time", 57, 1e-3)]
    assert thin(evaluation, 99 * LIMIT) == (evaluation, 0)


def test_a_runner_records_fewer_losses_until_its_spool_is_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thinning, "LIMIT", 2000)
    assignment = Assignment("run_1", 1, 0, {}, str(tmp_path), None, math.inf)
    standing = Standing(math.inf)
    desk = RunnerDesk(assignment, spec_of().training, standing, lambda: None)
    spool = assignment.attempt_directory / SPOOL

    def told(step: int) -> list[dict[str, Any]]:
        before = spool.stat().st_size
        desk.record(losses(step - 49, step))
        return [json.loads(line) for line in spool.read_bytes()[before:].splitlines()]

    assert [len(message["points"]) for message in told(50)] == [50]
    told(100)
    warning, thinned = told(150)
    assert "from step 150 on" in warning["message"]
    assert thinned["points"][-1] == [DROPPED, 150, 45.0]
    # Said once, counted each time.
    assert [message["points"][-1][0] for message in told(200)] == [DROPPED]
    standing.shipped = spool.stat().st_size
    assert [len(message["points"]) for message in told(250)] == [50]
