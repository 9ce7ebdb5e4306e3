"""Weight normalization: the weights are trained as length and direction; activations pass unchanged."""

from typing import Literal

from torch import Tensor, nn

from lncore.layer import NormLayer
from lncore.options import checked
from lncore.reparametrize import check_weight_layer, normalize_weight


class WeightNorm(NormLayer):
    """Weight normalization: each output's weights are trained as a length and a direction; activations pass unchanged.

    The layer itself is the identity; `reparametrize` wraps the weight layers. torch's parametrization starts from the
    weights as they are (`init="weight"`); the paper sets length and bias from the first batch.

    Formula: w = g·v/‖v‖
    Source: Salimans, Kingma 2016 (arXiv 1602.07868), §2 and §3 (data-dependent initialization)
    Axes: none of the activations; the inputs of each output in the weights
    Options:
        init: where length and bias start: "data" standardizes the outputs over the first training batch, "weight"
            keeps the layer as it was
    Helps: recurrent and generative networks, reinforcement learning; no cost per case and no dependence on the batch
    Hurts: deep networks, where nothing bounds the activations; inputs whose scale changes
    Caveats: the first batch is that of each process; where several train together, use init=weight
    Raises: TypeError for a layer that is neither Linear nor a convolution
    """

    @checked
    def __init__(self, width: int, *, init: Literal["data", "weight"] = "data") -> None:
        super().__init__(width)
        self.init = init

    @classmethod
    @checked
    def reparametrize(cls, layer: nn.Module, *, init: Literal["data", "weight"] = "data") -> nn.Module:
        return normalize_weight(check_weight_layer("weight_norm", layer), data_init=init == "data")

    def normalize(self, x: Tensor) -> Tensor:
        return x
