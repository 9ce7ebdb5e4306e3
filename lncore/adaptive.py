"""Adaptive (conditional) normalization: gain and bias are computed from a condition, case by case.

These need the condition's width beside their own and take two inputs, so they aren't on the menu of norms.
"""

from torch import Tensor, nn

from lncore.layer import NormLayer
from lncore.norms.layer_norm import LayerNorm
from lncore.norms.rms_norm import RMSNorm


class _Adaptive(nn.Module):
    """A norm without parameters of its own, modulated by a linear function of the condition that starts at zero."""

    def __init__(self, norm: NormLayer, condition_width: int, *, shift: bool, gate: bool) -> None:
        super().__init__()
        self.norm = norm
        self.parts = 1 + shift + gate
        self.shift = shift
        self.gate = gate
        self.modulation = nn.Linear(condition_width, self.parts * norm.width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        parts = list(self.modulation(condition).chunk(self.parts, -1))
        if x.dim() == 4:
            parts = [part.unsqueeze(-1).unsqueeze(-1) for part in parts]
        elif condition.dim() == 2 and x.dim() == 3:
            parts = [part.unsqueeze(1) for part in parts]
        y = self.norm(x) * (1 + parts[0])
        if self.shift:
            y = y + parts[1]
        y = y.to(x.dtype)
        return (y, parts[-1].to(x.dtype)) if self.gate else y


class AdaptiveLayerNorm(_Adaptive):
    """Adaptive layer norm: (1 + γ(c)) ⊙ LN(x) + β(c), with γ and β linear in the condition and zero at the start.

    `x` has `width` features in any of lncore's shapes; `condition` is (batch, condition_width), or
    (batch, time, condition_width) for a condition of each position. With `gate` the result is (y, α(c)): multiply the
    residual branch with α, which starts at zero (adaLN-Zero). x-transformers has no β (`shift=False`).

    Source: Peebles, Xie 2022, DiT (arXiv 2212.09748), §3.2
    """

    def __init__(
        self, width: int, condition_width: int, *, shift: bool = True, gate: bool = False, eps: float = 1e-5
    ) -> None:
        norm = LayerNorm(width, eps=eps, gain=False, bias=False, image_axes="c")
        super().__init__(norm, condition_width, shift=shift, gate=gate)


class AdaptiveRMSNorm(_Adaptive):
    """Adaptive RMS norm: (1 + γ(c)) ⊙ RMSNorm(x), with γ linear in the condition and zero at the start.

    Shapes and `gate` as in AdaptiveLayerNorm; `shift` adds a β(c), which neither x-transformers nor the usual models
    of this kind have.
    """

    def __init__(
        self, width: int, condition_width: int, *, shift: bool = False, gate: bool = False, eps: float = 1e-5
    ) -> None:
        norm = RMSNorm(width, eps=eps, gain=False, image_axes="c")
        super().__init__(norm, condition_width, shift=shift, gate=gate)
