"""The GPU backend: Triton kernels, run by its interpreter on machines without a GPU (tests only)."""
