"""How every CPU kernel is compiled: the numba decorators for a row's arithmetic and for a loop over rows."""

from numba import njit

# Products and sums may be fused, nothing else: infinities and NaN keep their meaning, and since division stays
# division the mean of equal numbers is exact and a constant row gives exactly its bias.
_ARITHMETIC = {"contract", "nsz"}

# numpy's error model, because a loop that may raise ZeroDivisionError is not vectorized. Compiled code is kept on
# disk: a process pays for loading it (about 50 ms a kernel), not for compiling (about a second).
arithmetic = njit(fastmath=_ARITHMETIC, error_model="numpy", cache=True, nogil=True)
over_rows = njit(parallel=True, fastmath=_ARITHMETIC, error_model="numpy", cache=True, nogil=True)
