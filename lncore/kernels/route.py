"""Which backend computes a call: fused where device, dtype, size and transforms allow it, else plain torch."""

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import Parameter

from lncore.kernels.cpu import numba_threads

_CPU_TYPES = frozenset({torch.float32, torch.float64, torch.float16, torch.bfloat16})
_GPU_TYPES = frozenset({torch.float32, torch.float16, torch.bfloat16})
_ORDINARY = (Tensor, Parameter)


def backend_for(x: Tensor, *parameters: Tensor | None) -> ModuleType | None:
    """The backend that may compute on x and its parameters; None means plain torch.

    Plain torch it is while a compiler traces (which fuses by itself), inside vmap, grad and jvp transforms (which need
    to see the operations), for tensor subclasses, empty inputs, and where the backend's own needs are missing.
    """
    if torch.compiler.is_compiling() or _transformed() or type(x) not in _ORDINARY or x.numel() == 0:
        return None
    if x.is_cpu:
        backend = _cpu() if x.dtype in _CPU_TYPES else None
    elif x.is_cuda:
        backend = _gpu_backend(x.device) if x.dtype in _GPU_TYPES else None
    else:
        return None
    for parameter in parameters:
        if parameter is not None and (type(parameter) not in _ORDINARY or parameter.device != x.device):
            return None
    return backend


def sequences_for(x: Tensor, u: Tensor, *states: Tensor) -> ModuleType | None:
    """The module with fused LSTM and GRU sequences for x and the recurrent matrix u; None means cell by cell."""
    if backend_for(x, u, *states) is None:
        return None
    module = _sequences("cpu" if x.is_cpu else "gpu")
    return module if u.shape[1] <= module.WIDEST else None


def _transformed() -> bool:
    """Whether something looks at each operation: functorch, forward-mode differentiation, a dispatch mode, a tracer."""
    return (
        torch._C._are_functorch_transforms_active()  # noqa: SLF001 - torch offers no public question
        or forward_ad._current_level >= 0  # noqa: SLF001 - nor for these
        or torch._C._len_torch_dispatch_stack() > 0  # noqa: SLF001 - nor for these
        or torch._C._is_tracing()  # noqa: SLF001 - nor for these
    )


def _cpu() -> ModuleType | None:
    return _cpu_backend() if numba_threads.numba() is not None else None


@cache
def _cpu_backend() -> ModuleType:
    return import_module("lncore.kernels.cpu.backend")


@cache
def _sequences(device: str) -> ModuleType:
    return import_module(f"lncore.kernels.{device}.sequences")


@cache
def _gpu_backend(device: torch.device) -> ModuleType | None:
    """The Triton backend where Triton is installed; its oldest architecture is Volta."""
    if find_spec("triton") is None or torch.version.hip is not None:
        return None
    if torch.cuda.get_device_capability(device) < (7, 0):
        return None
    return import_module("lncore.kernels.gpu.backend")
