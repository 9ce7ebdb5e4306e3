"""The dynamic tanh w·tanh(αx) + b over the rows of a matrix: the numba kernels, forward and backward."""

from typing import Any

from numba import carray, njit, prange

from lncore.kernels.cpu.addresses import LINE, plus, stream, vector_at
from lncore.kernels.cpu.rows import FAST

# tanh as an odd polynomial over an even one (the approximation of Eigen's ptanh, a few units in the last place of
# float32), because a loop that calls the C library's tanh is not vectorized. float64 rows take the plain path.
ODD = (4.89352455891786e-03, 6.37261928875436e-04, 1.48572235717979e-05, 5.12229709037114e-08,
       -8.60467152213735e-11, 2.00018790482477e-13, -2.76076847742355e-16)  # fmt: skip
EVEN = (4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06)
BOUND = 7.90531110763549805  # beyond it float32 tanh is ±1


@njit(fastmath=FAST, cache=True)
def _tanh_row(x: Any, alpha: Any, t: Any, odd: Any, even: Any, bound: Any) -> None:
    for i in range(len(x)):
        z = alpha * x[i]
        # A NaN fails both comparisons and stays.
        z = bound if z > bound else (-bound if z < -bound else z)
        s = z * z
        p = ((((((odd[6] * s + odd[5]) * s + odd[4]) * s + odd[3]) * s + odd[2]) * s + odd[1]) * s + odd[0]) * z
        q = ((even[3] * s + even[2]) * s + even[1]) * s + even[0]
        t[i] = p / q


@njit(fastmath=FAST, cache=True)
def _affine_row(t: Any, w: Any, b: Any, y: Any) -> None:
    for i in range(len(t)):
        y[i] = t[i] * w[i] + b[i]


@njit(fastmath=FAST, cache=True)
def _gradient_row(g: Any, t: Any, w: Any, dx: Any, alpha: Any, one: Any) -> None:
    for i in range(len(t)):
        dx[i] = g[i] * w[i] * (one - t[i] * t[i]) * alpha


@njit(fastmath=FAST, cache=True)
def _dot(a: Any, b: Any, one: Any) -> Any:
    total = one - one
    for i in range(len(a)):
        total = plus(total, a[i] * b[i])
    return total


@njit(fastmath=FAST, cache=True)
def _gather_affine(g: Any, t: Any, dw: Any, db: Any) -> None:
    for i in range(len(t)):
        dw[i] += g[i] * t[i]
        db[i] += g[i]


@njit(parallel=True, fastmath=FAST, cache=True)
def forward(
    x: int, w: int, b: int, y: int, scratch: int, past_cache: bool,
    m: int, n: int, size: int, chunks: int, alpha: Any, one: Any, odd: Any, even: Any, bound: Any,
) -> None:  # fmt: skip
    for chunk in prange(chunks):
        weight, bias = carray(vector_at(w, one), n), carray(vector_at(b, one), n)
        bent = carray(vector_at(scratch + chunk * n * size, one), n)
        for row in range(chunk * m // chunks, (chunk + 1) * m // chunks):
            at = row * n * size
            _tanh_row(carray(vector_at(x + at, one), n), alpha, bent, odd, even, bound)
            if past_cache:
                _affine_row(bent, weight, bias, bent)
                stream(y + at, scratch + chunk * n * size, n * size // LINE)
            else:
                _affine_row(bent, weight, bias, carray(vector_at(y + at, one), n))


@njit(parallel=True, fastmath=FAST, cache=True)
def backward(
    g: int, x: int, w: int, dx: int, partials: int, scratch: int, m: int, n: int, size: int, chunks: int,
    alpha: Any, one: Any, odd: Any, even: Any, bound: Any,
) -> None:  # fmt: skip
    """dx by rows; `partials` (chunks, 2n + 1) gathers the gradients of weight, bias and α of each chunk in order."""
    for chunk in prange(chunks):
        weight = carray(vector_at(w, one), n)
        bent = carray(vector_at(scratch + chunk * n * size, one), n)
        at_chunk = partials + chunk * (2 * n + 1) * size
        dw, db = carray(vector_at(at_chunk, one), n), carray(vector_at(at_chunk + n * size, one), n)
        dalpha = carray(vector_at(at_chunk + 2 * n * size, one), 1)
        for row in range(chunk * m // chunks, (chunk + 1) * m // chunks):
            at = row * n * size
            gradient, source = carray(vector_at(g + at, one), n), carray(vector_at(x + at, one), n)
            result = carray(vector_at(dx + at, one), n)
            _tanh_row(source, alpha, bent, odd, even, bound)
            _gather_affine(gradient, bent, dw, db)
            # Without its factor α the gradient of x is what the gradient of α sums against x.
            _gradient_row(gradient, bent, weight, result, one, one)
            dalpha[0] += _dot(result, source, one)
            _scale_row(result, alpha)


@njit(fastmath=FAST, cache=True)
def _scale_row(x: Any, factor: Any) -> None:
    for i in range(len(x)):
        x[i] *= factor
