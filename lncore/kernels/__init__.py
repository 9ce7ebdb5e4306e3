"""Normalization functions that run fused where the device, dtype and size allow it, and plainly everywhere else."""

from lncore.kernels.functions import add_layer_norm, add_rms_norm, dyt, group_norm, layer_norm, rms_norm

__all__ = ["add_layer_norm", "add_rms_norm", "dyt", "group_norm", "layer_norm", "rms_norm"]
