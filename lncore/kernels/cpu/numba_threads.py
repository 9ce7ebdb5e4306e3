"""Whether numba's kernels may run here, and with how many threads: decided at the first call, never at import."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch

# Both may be called by several threads at once; numba's third layer, workqueue, then ends the process. GNU OpenMP is
# the first choice because torch has already loaded it: one pool of threads serves both.
SAFE_LAYERS = {"omp": "numba.np.ufunc.omppool", "tbb": "numba.np.ufunc.tbbpool"}
# Below this a second thread costs more than it brings (torch's own loops have the same bound).
FEW = 1 << 15

_log = logging.getLogger(__name__)
_forked = False


def numba() -> ModuleType | None:
    """numba, running on a threading layer that is safe here; None where it is not installed or has no such layer."""
    return None if _forked else _load()


@cache
def _load() -> Any:
    if find_spec("numba") is None:
        return None
    module = import_module("numba")
    try:
        layer = module.threading_layer()
    except ValueError:  # not started yet, so the choice is ours
        layer = _start(module)
    if layer in SAFE_LAYERS:
        return module
    _log.warning(
        "numba runs on the threading layer %s, which several threads may not call at once, so lncore goes on without "
        "fused CPU kernels. Install OpenMP (libgomp1) or TBB, and leave NUMBA_THREADING_LAYER to itself.",
        layer or "workqueue",
    )
    return None


@contextmanager
def torch_threads() -> Iterator[None]:
    """Let numba use as many threads as torch does, in this thread; afterwards as many as its user has chosen."""
    module = _load()
    before = module.get_num_threads()
    module.set_num_threads(min(torch.get_num_threads(), module.config.NUMBA_NUM_THREADS))
    try:
        yield
    finally:
        module.set_num_threads(before)


def run(kernel: Callable[..., None], numbers: int, *arguments: Any) -> None:
    """Run one kernel over so many numbers: on one thread where they are few, else on as many as torch uses."""
    most, count, set_count = _setting()
    wanted = 1 if numbers < FEW else min(torch.get_num_threads(), most)
    before = count()
    if wanted == before:
        kernel(*arguments)
        return
    set_count(wanted)
    try:
        kernel(*arguments)
    finally:
        set_count(before)


@cache
def _setting() -> tuple[int, Callable[[], int], Callable[[int], None]]:
    """The most threads numba has, and its functions that say and set how many: the public ones take 2 µs of locks."""
    module = _load()
    inner = module.np.ufunc.parallel
    return module.config.NUMBA_NUM_THREADS, inner._get_num_threads, inner._set_num_threads  # noqa: SLF001 - see above


def _start(module: ModuleType) -> str | None:
    for layer, extension in SAFE_LAYERS.items():
        if module.config.THREADING_LAYER in {"default", "threadsafe", "safe", layer} and _loads(extension):
            module.config.THREADING_LAYER = layer
            torchs = torch.get_num_threads()
            module.set_num_threads(module.config.NUMBA_NUM_THREADS)  # this starts the threads
            torch.set_num_threads(torchs)  # which numba has changed, where both use one OpenMP
            return str(module.threading_layer())
    return None


def _loads(extension: str) -> bool:
    try:
        import_module(extension)
    except ImportError:
        return False
    return True


def _note_fork() -> None:
    """GNU OpenMP does not survive a fork, and numba ends a child that tries: such a child takes the plain path."""
    global _forked  # noqa: PLW0603 - the process itself has changed
    _forked = _load.cache_info().currsize > 0


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_note_fork)
