"""tanh and the logistic function inside numba kernels, in a form that is vectorized."""

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from lncore.kernels.cpu.compiling import arithmetic

# A polynomial over a polynomial (the approximation of Eigen's ptanh): within 4e-7 of tanh relative to it, the last
# places of float32, and vectorized, where calling the C library's tanh for each number is not.
_A0, _A1, _A2, _A3, _A4, _A5, _A6 = (
    np.float32(c)
    for c in (4.89352455891786e-03, 6.37261928875436e-04, 1.48572235717979e-05, 5.12229709037114e-08,
              -8.60467152213735e-11, 2.00018790482477e-13, -2.76076847742355e-16)
)  # fmt: skip
_B0, _B1, _B2, _B3 = (
    np.float32(c) for c in (4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06)
)
_BOUND = np.float32(7.90531110763549805)  # beyond it float32 tanh is ±1
_HALF, _ONE = np.float32(0.5), np.float32(1)


@arithmetic
def _tanh32(z: Any) -> Any:
    s = z * z
    odd = ((((((_A6 * s + _A5) * s + _A4) * s + _A3) * s + _A2) * s + _A1) * s + _A0) * z
    even = ((_B3 * s + _B2) * s + _B1) * s + _B0
    t = odd / even
    t = _ONE if z > _BOUND else t  # exactly, so that a saturated unit has no gradient; a NaN fails both comparisons
    return -_ONE if z < -_BOUND else t


@arithmetic
def _tanh64(z: Any) -> Any:
    return math.tanh(z)


@arithmetic
def _logistic32(z: Any) -> Any:
    return _HALF * _tanh32(_HALF * z) + _HALF


@arithmetic
def _logistic64(z: Any) -> Any:
    return 1.0 / (1.0 + math.exp(-z))


def tanh(z: Any) -> Any:
    """The hyperbolic tangent of z in the precision of z; exists inside numba kernels only."""
    raise NotImplementedError("tanh is for numba kernels: use torch.tanh")


def logistic(z: Any) -> Any:
    """The logistic function 1/(1 + exp(−z)) in the precision of z; exists inside numba kernels only."""
    raise NotImplementedError("logistic is for numba kernels: use torch.sigmoid")


@overload(tanh)
def _choose_tanh(z: Any) -> Any:
    return _tanh64.py_func if z == types.float64 else _tanh32.py_func


@overload(logistic)
def _choose_logistic(z: Any) -> Any:
    return _logistic64.py_func if z == types.float64 else _logistic32.py_func
