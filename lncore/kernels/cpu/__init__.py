"""The CPU backend: kernels compiled by numba, called with addresses, parallel over rows."""
