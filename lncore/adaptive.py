"""Adaptive (conditional) normalization: gain and bias are computed from a condition, case by case.

These need the condition's width beside their own and take two inputs, so they aren't on the menu of norms.
"""

from torch import Tensor, nn

from lncore.layer import Eps, NormLayer, check_width
from lncore.norms.layer_norm import LayerNorm
from lncore.norms.rms_norm import RMSNorm
from lncore.options import checked


class _Adaptive(nn.Module):
    """A norm without parameters of its own, modulated by a linear function of the condition that starts at zero."""

    def __init__(self, norm: NormLayer, condition_width: int, *, shift: bool, gate: bool) -> None:
        super().__init__()
        check_width(type(self).__name__, "width of the condition", condition_width)
        self.norm = norm
        self.parts = 1 + shift + gate
        self.shift = shift
        self.gate = gate
        self.modulation = nn.Linear(condition_width, self.parts * norm.width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        self.norm.check(x)
        self._check_condition(x, condition)
        parts = list(self.modulation(condition.to(self.modulation.weight.dtype)).chunk(self.parts, -1))
        if x.dim() == 4:
            parts = [part.unsqueeze(-1).unsqueeze(-1) for part in parts]
        elif condition.dim() == 2 and x.dim() == 3:
            parts = [part.unsqueeze(1) for part in parts]
        y = self.norm(x) * (1 + parts[0])
        if self.shift:
            y = y + parts[1]
        y = y.to(x.dtype)
        return (y, parts[-1].to(x.dtype)) if self.gate else y

    def _check_condition(self, x: Tensor, condition: Tensor) -> None:
        """Raise TypeError or ValueError, saying what would be right, unless `condition` goes with `x`."""
        name, width = type(self).__name__, self.modulation.in_features
        if not condition.is_floating_point():
            raise TypeError(f"{name} got a condition of {condition.dtype}, but takes floating point: use .float().")
        cases = x.shape[:1] if x.dim() > 1 else x.shape[:0]
        fitting = {(*cases, width), (*x.shape[:2], width)} if x.dim() == 3 else {(*cases, width)}
        if tuple(condition.shape) not in fitting:
            raise ValueError(
                f"{name} got a condition of the shape {tuple(condition.shape)} for x of the shape {tuple(x.shape)}: "
                f"give it {' or '.join(map(str, sorted(fitting, key=len)))}."
            )


class AdaptiveLayerNorm(_Adaptive):
    """Adaptive layer norm: (1 + γ(c)) ⊙ LN(x) + β(c), with γ and β linear in the condition and zero at the start.

    `x` has `width` features in any of lncore's shapes; `condition` is (batch, condition_width), or
    (batch, time, condition_width) for a condition of each position. With `gate` the result is (y, α(c)): multiply the
    residual branch with α, which starts at zero (adaLN-Zero). x-transformers has no β (`shift=False`).

    Raises ValueError for another width, or a condition that doesn't go with `x`; TypeError where either holds integers.

    Source: Peebles, Xie 2022, DiT (arXiv 2212.09748), §3.2
    """

    @checked
    def __init__(
        self, width: int, condition_width: int, *, shift: bool = True, gate: bool = False, eps: Eps = 1e-5
    ) -> None:
        norm = LayerNorm(width, eps=eps, gain=False, bias=False, image_axes="c")
        super().__init__(norm, condition_width, shift=shift, gate=gate)


class AdaptiveRMSNorm(_Adaptive):
    """Adaptive RMS norm: (1 + γ(c)) ⊙ RMSNorm(x), with γ linear in the condition and zero at the start.

    Shapes, errors and `gate` as in AdaptiveLayerNorm; `shift` adds a β(c), which neither x-transformers nor the usual
    models of this kind have.
    """

    @checked
    def __init__(
        self, width: int, condition_width: int, *, shift: bool = False, gate: bool = False, eps: Eps = 1e-5
    ) -> None:
        norm = RMSNorm(width, eps=eps, gain=False, image_axes="c")
        super().__init__(norm, condition_width, shift=shift, gate=gate)
