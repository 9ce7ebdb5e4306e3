"""What went wrong in a runner: who must act on it, and with which words it is kept."""

import errno

import pytest
import torch

from domain.run import Reason, Responsible
from lncore.options import OptionError
from tests.worker.specs import spec_of
from worker.loading.sources import DatasetUnavailableError
from worker.training import failures
from worker.training.desk import StorageError
from worker.training.pace import BatchTooLargeError, Pace


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
        (OSError(errno.EFBIG, "File too large"), Responsible.TRANSIENT, Reason.STORAGE),
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
