"""The inputs' share of the gates: one product for all steps, normalized, with the biases added in the same pass."""

import torch
from torch import Tensor, nn

from lncore import kernels
from lncore.recurrent.paths import StepNorm, recognize


def input_share(norm: nn.Module, projected: Tensor, mask: Tensor | None, bias: Tensor | None) -> Tensor:
    """norm(projected) + bias over (time, batch, gates).

    A norm with statistics per time step sees one step after the other, any other sees all of them as one batch.
    """
    if isinstance(norm, StepNorm):
        steps = [norm(x, step, None if mask is None else mask[step]) for step, x in enumerate(projected)]
        return _shifted(torch.stack(steps) if steps else projected, bias)
    known = recognize(norm)
    if known is not None and known.name == "layer_norm":
        both = known.bias if bias is None else bias if known.bias is None else known.bias + bias
        return kernels.layer_norm(projected, known.gain, both, known.eps)
    return _shifted(norm(projected.flatten(0, 1)).view_as(projected), bias)


def _shifted(x: Tensor, bias: Tensor | None) -> Tensor:
    return x if bias is None else x + bias
