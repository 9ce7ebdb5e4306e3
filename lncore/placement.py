"""Where the norms of a residual network stand: what each placement of the menu `lncore/placements/` can be asked for.

A network of `layers` layers asks its placement for the block around every branch (attention, feed-forward, a pair of
convolutions), for what follows the embedding and what precedes the head, and hands it the branches' weights once, for
the initialization some placements need:

    placement = menu.load("lncore.placements", "peri")(layers=12)
    blocks = [placement.around(Attention(), layer, width, norm) for layer in range(12)]
    trunk = Trunk(blocks, last=placement.before_head(width, norm))
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from torch import Tensor, nn

from lncore.residual import MakeNorm


class Placement(ABC):
    """One way to put norms into a residual network of `layers` layers; `norm` is a norm factory in every method."""

    def __init__(self, layers: int) -> None:
        if isinstance(layers, bool) or not isinstance(layers, int) or layers < 1:
            raise ValueError(f"{type(self).__name__}: layers is {layers!r}, but must be a whole number of at least 1.")
        self.layers = layers

    @abstractmethod
    def around(self, branch: nn.Module, layer: int, width: int, norm: MakeNorm) -> nn.Module:
        """The residual block around `branch`, a part of layer `layer` (from 0); both keep the width."""

    def after_embedding(self, width: int, norm: MakeNorm) -> nn.Module:
        """What stands between the embedding and the first block."""
        del width, norm
        return nn.Identity()

    def before_head(self, width: int, norm: MakeNorm) -> nn.Module:
        """What stands between the last block and the head."""
        del width, norm
        return nn.Identity()

    def initialize(self, weights: Iterable[Tensor]) -> None:
        """Scale the freshly initialized weights of a branch: feed-forward, value and output matrices, in place."""
        del weights

    def check_layer(self, layer: int) -> int:
        if isinstance(layer, bool) or not isinstance(layer, int) or not 0 <= layer < self.layers:
            raise ValueError(f"{type(self).__name__} was made for {self.layers} layers; there is no layer {layer!r}.")
        return layer
