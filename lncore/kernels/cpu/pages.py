"""Where a large result will lie: fresh pages are asked for as huge ones, used pages are written past the cache."""

import ctypes
import sys
from functools import cache

from torch import Tensor

# Below this a result fits the cache or comes from a pool that is already mapped: two system calls would cost more.
LARGE = 8 << 20
# Up to here a result may still lie in a shared third-level cache when it is read next, and stores past it are a loss
# (16 MiB: 1.5 against 0.8 ms; 64 MiB: 3.1 against 4.0 ms).
STREAMED = 32 << 20
_PAGE = 4096
_MADV_HUGEPAGE = 14


def prepare(result: Tensor) -> bool:
    """Prepare the memory of a large new result; say whether its stores should bypass the cache.

    The allocator gives a block of tens of megabytes either fresh from the system, where each 4 KiB page costs a fault
    at its first store (the largest part of a memory-bound kernel's time), or recycled. A fresh block is marked so that
    the system maps 2 MiB at a time and zeroes them in cache, where our stores then find them. A recycled block is
    better written past the cache, which saves reading what is about to be overwritten.
    """
    size = result.nbytes
    if size < LARGE or not (system := _system()):
        return False
    start = (result.data_ptr() + _PAGE - 1) // _PAGE * _PAGE
    length = (result.data_ptr() + size) // _PAGE * _PAGE - start
    resident = ctypes.c_ubyte()
    middle = start + length // 2 // _PAGE * _PAGE
    if system.mincore(middle, _PAGE, ctypes.byref(resident)) != 0:
        return False
    if resident.value & 1:
        return size >= STREAMED
    # Refused where huge pages are switched off: then the block is mapped page by page as it would have been.
    system.madvise(start, length, _MADV_HUGEPAGE)
    return False


@cache
def _system() -> ctypes.CDLL | None:
    """The C library with the two calls typed, on Linux; None elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None, use_errno=True)
    library.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return library
