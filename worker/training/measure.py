"""What a run costs: time per step, throughput and memory, measured for every run because cost is half of the answer."""

import functools
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from worker.gpu import Gpu

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Window:
    """What was measured since the last time: `steps` optimizer steps over `cases` cases took `seconds`."""

    steps: int
    cases: int
    seconds: float
    device: torch.device


def cost(window: Window, gpu: Gpu | None) -> dict[str, float]:
    """The measured series at the end of a window, in seconds, 1/s, bytes and shares."""
    return {
        "step_time": window.seconds / window.steps,
        "samples_per_second": window.cases / window.seconds,
        "peak_memory": peak_memory(window.device),
        **(_use(gpu) if gpu is not None else {}),
    }


def _use(gpu: Gpu) -> dict[str, float]:
    use = gpu.use()
    if use is None:
        return {}
    utilization = {} if use.utilization is None else {"gpu_utilization": use.utilization}
    return {**utilization, "gpu_memory": float(use.memory_used)}


@functools.cache
def gpu_of(device: torch.device) -> Gpu | None:
    """Whom to ask how much of the device is in use; None for a CPU."""
    return Gpu() if device.type == "cuda" else None


class TrainingClock:
    """Seconds of training, over all attempts of a run; it stands still while the model is evaluated or saved."""

    def __init__(self, elapsed: float = 0.0) -> None:
        self._before = elapsed
        self._since: float | None = None

    @property
    def seconds(self) -> float:
        running = 0.0 if self._since is None else time.perf_counter() - self._since
        return self._before + running

    def start(self) -> None:
        self._since = time.perf_counter()

    def stop(self) -> None:
        self._before = self.seconds
        self._since = None


def forget_peak_memory(device: torch.device) -> None:
    """Begin a new measurement of the peak: the process may have trained another run before."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _CLEAR.exists():
        try:
            _CLEAR.write_text("5", encoding="ascii")
        except OSError:
            # Some containers forbid it; then the peak is that of the process, which is still true of the process.
            return


def peak_memory(device: torch.device) -> float:
    """Bytes: on a GPU what its allocator held at most, otherwise the largest resident size of the process."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) * 1024
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(largest if sys.platform == "darwin" else largest * 1024)
