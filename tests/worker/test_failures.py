"""How attempts end: who must act on what went wrong, and what the death of a runner means."""

import errno
import signal
import subprocess
import sys
from collections.abc import Mapping

import pytest
import torch

from domain.report import Ending
from domain.run import Orders, Outcome, Reason, Responsible, RunStatus
from lncore.options import OptionError
from tests.worker.plant import ROOT
from tests.worker.specs import spec_of
from worker import failures, size
from worker.desk import StorageError
from worker.diagnosis import how_it_ended
from worker.exits import FENCED, PREEMPTED
from worker.pace import BatchTooLargeError, Pace
from worker.size import TooLargeError, check_size
from worker.sources import DatasetUnavailableError


@pytest.mark.parametrize(
    ("error", "responsible", "reason"),
    [
        (DatasetUnavailableError("mnist", "x", ["a: no"]), Responsible.SPEC, Reason.DATASET),
        (BatchTooLargeError(100, 10), Responsible.SPEC, Reason.ERROR),
        (OptionError("no such option"), Responsible.SPEC, Reason.ERROR),
        (torch.OutOfMemoryError("CUDA out of memory"), Responsible.SPEC, Reason.OOM_GPU),
        (RuntimeError("CUDA error: device-side assert triggered"), Responsible.TRANSIENT, Reason.CUDA),
        (MemoryError(), Responsible.TRANSIENT, Reason.OOM_HOST),
        (OSError(errno.ENOSPC, "No space left on device"), Responsible.TRANSIENT, Reason.STORAGE),
        (StorageError(OSError(errno.ENOSPC, "No space")), Responsible.TRANSIENT, Reason.STORAGE),
        (ZeroDivisionError("division by zero"), Responsible.INTERNAL, Reason.ERROR),
    ],
)
def test_a_failure_says_who_must_act(error: Exception, responsible: Responsible, reason: Reason) -> None:
    assert failures.diagnose(error) == (responsible, reason)


def test_a_failure_keeps_its_traceback_and_names_the_place() -> None:
    with pytest.raises(BatchTooLargeError) as refused:
        Pace.of(spec_of().training, 10)
    described = failures.describe(refused.value)
    assert "training.batch_size is 64, but the training data has 10 cases" in described["message"]
    assert "pace.py" in described["traceback"]
    with pytest.raises(ZeroDivisionError) as broken:
        _ = 1 // 0
    assert "ZeroDivisionError" in failures.describe(broken.value)["message"]
    assert "test_failures.py line" in failures.describe(broken.value)["message"]


def ended(
    status: int | None, end: Mapping[str, object] | None = None, stopping: Orders = Orders.GO, kills: int = 10**9
) -> Ending:
    how = how_it_ended(end, stopping, status, kills)
    assert isinstance(how, Ending)
    return how


def test_a_death_by_a_signal_names_it() -> None:
    ending = ended(-signal.SIGSEGV)
    assert (ending.reason, ending.signal, ending.responsible) == ("signal_11", 11, Responsible.TRANSIENT)
    assert "SIGSEGV" in (ending.message or "")


def test_a_kill_while_the_kernel_ran_out_of_memory_is_host_memory() -> None:
    assert ended(-signal.SIGKILL, kills=-1).reason == Reason.OOM_HOST
    assert ended(-signal.SIGKILL).reason == "signal_9"


def test_exit_statuses_that_mean_something() -> None:
    assert ended(FENCED).reason == Reason.LOST_WORKER
    assert ended(PREEMPTED).reason == Reason.PREEMPTED
    assert ended(3).responsible is Responsible.INTERNAL


def test_what_was_asked_for_decides_how_a_stopped_run_ends() -> None:
    stopped = {"how": "stopped", "orders": "pause", "step": 7}
    assert how_it_ended(stopped, Orders.PAUSE, None, 0) == "paused"
    assert how_it_ended({**stopped, "orders": "drain"}, Orders.DRAIN, None, 0) == "drained"
    assert ended(None, {**stopped, "orders": "cancel"}).status is RunStatus.CANCELLED
    # It was killed because it didn't stop in time: the last checkpoint is as good.
    assert how_it_ended(None, Orders.DRAIN, -9, 0) == "drained"
    assert ended(-9, None, Orders.CANCEL).status is RunStatus.CANCELLED


def test_an_order_that_came_too_late_changes_nothing() -> None:
    done = {"how": "succeeded", "outcome": "completed", "message": None}
    assert ended(None, done, Orders.CANCEL).outcome is Outcome.COMPLETED


def test_a_job_is_refused_with_the_numbers_before_anything_is_allocated() -> None:
    spec = spec_of(architecture={"kind": "mlp", "hidden": [16384, 16384]}, optimizer={"kind": "sgd", "lr": 0.1})
    with pytest.raises(TooLargeError, match=r"269746186 parameters are 1\.01 GiB.* optimizer's state 0\.00 MiB"):
        check_size(spec, (1, 8, 8), 10, 2 << 30)


def test_the_measured_need_is_what_the_model_takes() -> None:
    need = size.measure_need(spec_of(architecture={"kind": "mlp", "hidden": [100]}), (1, 8, 8), 10)
    parameters = (64 + 1) * 100 + 2 * 100 + (100 + 1) * 10
    assert need.parameter_count == parameters
    assert (need.gradients, need.optimizer) == (4 * parameters, 8 * parameters)
    # At least what the dense layer gives, for each of 64 cases; at most a handful of such.
    assert 64 * 100 * 4 <= need.activations <= 8 * 64 * 100 * 4


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux")
def test_a_process_whose_parent_is_gone_does_not_begin() -> None:
    """In a process of its own: the tie to the parent cannot be undone."""
    code = "import worker.lifeline as l\ntry: l.tie_to_parent(1)\nexcept l.OrphanedError: raise SystemExit(7)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 7
