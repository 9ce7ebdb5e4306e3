"""How every CPU kernel is compiled and kept: the decorators for a row's arithmetic and for a loop over rows."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]
from llvmlite.binding import parse_assembly  # type: ignore[import-untyped]
from numba import njit
from numba.core.codegen import CPUCodeLibrary

# Products and sums may be fused, nothing else: infinities and NaN keep their meaning, and since division stays
# division the mean of equal numbers is exact and a constant row gives exactly its bias.
_ARITHMETIC = {"contract", "nsz"}

# A loop is vectorized when its results can be seen at run time not to overlap its inputs; by default LLVM gives up
# where that takes more than eight comparisons, and three results of three inputs take twelve.
llvm.set_option("", "--runtime-memory-check-threshold=64")

# What is left of a row after the last whole block (of 64 numbers where vectors have 512 bits) goes eight at a time; by
# default the rest of a sum goes one number at a time, which took a third of a row of 1000.
llvm.set_option("", "--epilogue-vectorization-force-VF=8")


def arithmetic(function: Callable[..., Any]) -> Any:
    """Compile a function that kernels call; it becomes part of them."""
    return _compiled(function, parallel=False)


def over_rows(function: Callable[..., Any]) -> Any:
    """Compile a kernel whose `prange` runs on several threads; others may run meanwhile."""
    return _compiled(function, parallel=True)


def _compiled(function: Callable[..., Any], *, parallel: bool) -> Any:
    """Compiled at the first call with new types (about a second) and kept on disk for the next process (about 50 ms).

    numpy's error model, because a loop that may raise ZeroDivisionError is not vectorized.
    """
    kernel = njit(function, parallel=parallel, fastmath=_ARITHMETIC, error_model="numpy", nogil=True)
    try:
        kernel.enable_caching()
    except RuntimeError:  # nowhere to write: each process compiles for itself
        return kernel
    # numba drops kept code when the function's own file has changed; a kernel is made of several of our files.
    kernel._cache._cache_file._source_stamp = _stamp()  # noqa: SLF001 - numba has no public place for it
    return kernel


def _settle_sums() -> None:
    """Let LLVM choose the order of a sum once, when a function is optimized first, and keep it from then on.

    A function is optimized again within each kernel that is made of it. The process that compiles runs the first form,
    those that load the kernel from the disk the second; if sums were reordered again, the two would give other bytes.
    """
    optimize = CPUCodeLibrary._optimize_final_module  # noqa: SLF001 - numba has no public place after optimizing

    def optimize_and_settle(library: Any) -> None:
        optimize(library)
        module = library._final_module  # noqa: SLF001 - numba has no public place for it
        assembly = str(module)
        if "reassoc " in assembly:
            library._final_module = parse_assembly(assembly.replace("reassoc ", ""))  # noqa: SLF001 - numba has no public place for it
            library._final_module.name = module.name  # noqa: SLF001 - by which numba finds the machine code

    CPUCodeLibrary._optimize_final_module = optimize_and_settle  # type: ignore[method-assign]  # noqa: SLF001 - numba has no public place for it


_settle_sums()


@cache
def _stamp() -> tuple[tuple[str, int, int], ...]:
    """Name, time and size of every file that kernels are made of."""
    found = sorted(Path(__file__).parent.glob("*.py"))
    return tuple((file.name, (status := file.stat()).st_mtime_ns, status.st_size) for file in found)
