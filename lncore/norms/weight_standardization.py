"""Weight standardization: the weights of each output are centred and scaled; activations pass unchanged."""

from typing import Annotated

from torch import Tensor, nn

from lncore.layer import Eps, NormLayer
from lncore.options import Range, checked
from lncore.reparametrize import check_weight_layer, standardize_weight

Gamma = Annotated[float, Range(gt=0, le=100)]


class WeightStandardization(NormLayer):
    """Weight standardization: each output's weights have mean 0 and variance 1/fan-in; nothing is done to activations.

    The layer itself is the identity; `reparametrize` wraps the weight layers. With `scaled` it is the form of networks
    without normalization (as timm's ScaledStdConv2d, ε 1e-6 inside the root); without it that of Qiao et al. 2019,
    variance 1 and no gain, meant to stand before group normalization.

    Formula: Ŵ = (W − mean)/(√(var + ε)·√fan_in)·γ_act·g
    Source: Brock, De, Smith, Simonyan 2021 (arXiv 2102.06171), §2; Qiao et al. 2019 (arXiv 1903.10520)
    Axes: none of the activations; the inputs of each output in the weights
    Options:
        scaled: divide by the root of the fan-in, so that the outputs of standardized inputs have variance 1
        gamma: the factor γ_act that makes up for the activation (1.7128 for ReLU)
        gain: whether to learn g, one number per output
        eps: added to the variance, inside the root
    Helps: convolutional networks without activation statistics; with group norm at small batches
    Hurts: layers with few inputs per output, such as depthwise convolutions
    Raises: TypeError for a layer that is neither Linear nor a convolution, OptionError for an ε below 0
    """

    @checked
    def __init__(
        self,
        width: int,
        *,
        scaled: bool = True,
        gamma: Gamma = 1.0,
        gain: bool = True,
        eps: Eps = 1e-6,
    ) -> None:
        super().__init__(width)
        self.scaled = scaled
        self.gamma = gamma
        self.gain = gain
        self.eps = eps

    @classmethod
    @checked
    def reparametrize(
        cls, layer: nn.Module, *, scaled: bool = True, gamma: Gamma = 1.0, gain: bool = True, eps: Eps = 1e-6
    ) -> nn.Module:
        fan_in = check_weight_layer("weight_standardization", layer).get_parameter("weight")[0].numel()
        factor = gamma / fan_in**0.5 if scaled else gamma
        return standardize_weight(layer, factor=factor, eps=eps, gain=gain)

    def normalize(self, x: Tensor) -> Tensor:
        return x
