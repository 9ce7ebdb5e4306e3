"""Normalization for PyTorch: every variant with its paper's formula, float32 statistics and a float64 reference.

`lncore.menu` lists and makes the variants; importing lncore touches neither CUDA nor Triton.
"""
