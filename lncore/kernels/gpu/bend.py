"""tanh inside Triton kernels, where libdevice's is missing in the interpreter."""

# Triton reads annotations of kernels as types of its own.
# ruff: noqa: ANN001, ANN201
# mypy: allow-untyped-defs, allow-incomplete-defs

import triton
import triton.language as tl


@triton.jit
def tanh(z):
    e = tl.exp(-2.0 * tl.minimum(tl.abs(z), 20.0))
    # 1 − e loses its digits where e is near 1: three terms of the series are exact to float32 there.
    small = z - z * z * z * (1.0 / 3.0) + z * z * z * z * z * (2.0 / 15.0)
    large = tl.where(z < 0, -1.0, 1.0) * (1.0 - e) / (1.0 + e)
    bent = tl.where(tl.abs(z) < 0.1, small, large)
    return tl.where(z == z, bent, z)  # noqa: PLR0124 - a NaN stays
