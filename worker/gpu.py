"""The GPU a process trains on as its driver sees it: utilization and memory, through NVML and without torch."""

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pynvml

logger = logging.getLogger(__name__)

_FRESH = 0.5
"""Seconds for which an answer is given again: the driver itself averages over up to a second, and asking takes time."""


@dataclass(frozen=True)
class GpuUse:
    """How much of a GPU is in use, by whomever; None where its driver doesn't say."""

    name: str
    utilization: float | None
    """The share of the last moment (a sixth of a second to one) in which a kernel ran, 0 to 1."""
    memory_used: int
    """Bytes, with what the driver and other processes hold."""
    memory_total: int


class Gpu:
    """The first GPU that CUDA shows this process. Where NVML can't be asked, nothing is said and training goes on."""

    def __init__(self, nvml: Any = pynvml, environment: Mapping[str, str] = os.environ) -> None:
        """`nvml` is the module pynvml, or what stands for it."""
        self._nvml = nvml
        self._visible = environment.get("CUDA_VISIBLE_DEVICES")
        self._handle: Any = None
        self._asked_at = -_FRESH
        self._answer: GpuUse | None = None
        self._complained = False

    def use(self) -> GpuUse | None:
        """What the driver says now, or said half a second ago; None where it can't be asked, which is logged once."""
        if time.monotonic() - self._asked_at >= _FRESH:
            self._answer = self._ask()
            self._asked_at = time.monotonic()
        return self._answer

    def _ask(self) -> GpuUse | None:
        try:
            self._handle = self._handle or self._find()
            memory = self._nvml.nvmlDeviceGetMemoryInfo(self._handle)
            name = self._nvml.nvmlDeviceGetName(self._handle)
            return GpuUse(name, self._utilization(), int(memory.used), int(memory.total))
        except (self._nvml.NVMLError, LookupError, ValueError) as error:
            # Found anew by the next question: a driver that was updated wants it.
            self._handle = None
            if not self._complained:
                logger.warning("NVML says nothing of the GPU: %s", error)
            self._complained = True
            return None

    def _utilization(self) -> float | None:
        """None for a part of a GPU (MIG), of which NVML doesn't know it."""
        try:
            return float(self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu) / 100
        except self._nvml.NVMLError_NotSupported:
            return None

    def _find(self) -> Any:
        """The handle of the first of CUDA_VISIBLE_DEVICES: a number, a UUID, or the beginning of one."""
        self._nvml.nvmlInit()
        first = "0" if self._visible is None else self._visible.split(",")[0].strip()
        if first.startswith("MIG-"):
            return self._nvml.nvmlDeviceGetHandleByUUID(first)
        if first.startswith("GPU-"):
            return self._begins_with(first)
        return self._nvml.nvmlDeviceGetHandleByIndex(int(first))

    def _begins_with(self, uuid: str) -> Any:
        for number in range(self._nvml.nvmlDeviceGetCount()):
            handle = self._nvml.nvmlDeviceGetHandleByIndex(number)
            if self._nvml.nvmlDeviceGetUUID(handle).startswith(uuid):
                return handle
        raise LookupError(f"CUDA_VISIBLE_DEVICES names {uuid}, and there is no such GPU")
