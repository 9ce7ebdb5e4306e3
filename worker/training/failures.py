"""What went wrong in a runner, in the words of the store: who must act, and the reason."""

import traceback

import torch

from domain.run import Reason, Responsible
from lncore.options import OptionError
from worker.loading.idx import BadIdxError
from worker.loading.sources import DatasetUnavailableError
from worker.training.desk import NO_SPACE, StorageError
from worker.training.learner import NoGpuError
from worker.training.pace import BatchTooLargeError
from worker.training.size import TooLargeError

_SPEC: tuple[tuple[type[Exception], Reason], ...] = (
    (TooLargeError, Reason.TOO_LARGE),
    (DatasetUnavailableError, Reason.DATASET),
    (BadIdxError, Reason.DATASET),
    (BatchTooLargeError, Reason.ERROR),
    (NoGpuError, Reason.ERROR),
    (OptionError, Reason.ERROR),
)
"""What the same spec would meet again on this worker: no use in trying again."""


def diagnose(error: Exception) -> tuple[Responsible, Reason]:
    """Who must act on an exception that ended an attempt, and the reason."""
    if isinstance(error, torch.OutOfMemoryError):
        return Responsible.SPEC, Reason.OOM_GPU
    for kind, reason in _SPEC:
        if isinstance(error, kind):
            return Responsible.SPEC, reason
    if isinstance(error, StorageError) or (isinstance(error, OSError) and error.errno in NO_SPACE):
        return Responsible.TRANSIENT, Reason.STORAGE
    if isinstance(error, MemoryError) or "DefaultCPUAllocator: can't allocate memory" in str(error):
        return Responsible.TRANSIENT, Reason.OOM_HOST
    if "CUDA error" in str(error) or "CUBLAS_STATUS" in str(error) or "CUDNN_STATUS" in str(error):
        return Responsible.TRANSIENT, Reason.CUDA
    return Responsible.INTERNAL, Reason.ERROR


def describe(error: Exception) -> dict[str, str]:
    """The `end` message of an attempt that an exception ended."""
    responsible, reason = diagnose(error)
    words = str(error) if responsible is Responsible.SPEC else f"{type(error).__name__}: {error}{_place(error)}"
    return {
        "how": "failed",
        "responsible": responsible,
        "reason": reason,
        "message": words,
        "traceback": "".join(traceback.format_exception(error)),
    }


def _place(error: Exception) -> str:
    """The innermost place in our own code."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    return (
        f" (in {frames[-1].name}, {frames[-1].filename.rsplit('/', 1)[-1]} line {frames[-1].lineno})" if frames else ""
    )
