"""No normalization: the input as it is, the baseline every comparison needs."""

from torch import Tensor

from lncore.layer import NormLayer


class NoNorm(NormLayer):
    """No normalization: the input passes unchanged.

    Formula: y = x
    Source: the baseline of every table
    Axes: none
    Helps: shallow networks, and wherever the size of an input carries the answer
    Hurts: deep or recurrent networks at high learning rates
    """

    def normalize(self, x: Tensor) -> Tensor:
        return x
