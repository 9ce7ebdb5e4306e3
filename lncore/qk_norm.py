"""Query-key normalization: attention whose logits cannot outgrow a learned bound."""

import math
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from lncore.layer import check_width
from lncore.moments import over_root, widen
from lncore.norms.layer_norm import LayerNorm
from lncore.norms.rms_norm import RMSNorm
from lncore.options import Range, checked


class QKNorm(nn.Module):
    """Query-key normalization: queries and keys are normalized per head before their products are taken.

    Takes queries and keys as (batch, heads, time, head_width) and returns them such that their products *are* the
    logits: attend with `scaled_dot_product_attention(q, k, v, scale=1.0)`.

    Formula: logits = s·norm(q)·norm(k); s is learned and starts at log₂(L² − L) for "l2", 1/√head_width otherwise
    Source: Henry et al. 2020 (arXiv 2010.04245) for "l2"; Dehghani et al. 2023, ViT-22B (arXiv 2302.05442), §2, for
        "layer_norm" (no bias); "rms_norm" as in recent language models
    Axes: the features of a head
    Options:
        kind: what the vectors are divided by
        length: the sequence length L that sets the start of the scale of "l2"
        eps: keeps the division finite
    Helps: large learning rates and large models, whose logits otherwise grow until attention is one-hot
    Hurts: tasks that need attention sharper than the bound allows
    Raises: ValueError for another width of the heads, TypeError for integers, OptionError for an ε below 0
    """

    @checked
    def __init__(
        self,
        head_width: int,
        *,
        kind: Literal["l2", "layer_norm", "rms_norm"] = "rms_norm",
        length: Annotated[int, Range(ge=2, le=1_000_000)] = 1024,
        eps: Annotated[float, Range(ge=0, le=1)] = 1e-6,
    ) -> None:
        super().__init__()
        check_width(type(self).__name__, "head width", head_width)
        self.head_width = head_width
        self.kind = kind
        self.eps = eps
        if kind == "l2":
            self.scale = nn.Parameter(torch.tensor(math.log2(length**2 - length)))
        else:
            make = RMSNorm if kind == "rms_norm" else LayerNorm
            self.query = make(head_width, eps=eps, bias=False)
            self.key = make(head_width, eps=eps, bias=False)
            self.factor = head_width**-0.5

    def forward(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        self._check("queries", query)
        self._check("keys", key)
        if self.kind == "l2":
            return self._unit(query) * self.scale.to(query.dtype), self._unit(key)
        return self._per_head(self.query, query) * self.factor, self._per_head(self.key, key)

    def _check(self, name: str, x: Tensor) -> None:
        if not x.is_floating_point():
            raise TypeError(
                f"QKNorm got {name} of {x.dtype}, but normalizes floating point numbers only: use {name}.float()."
            )
        if x.shape[-1:] != (self.head_width,):
            raise ValueError(
                f"QKNorm of head width {self.head_width} got {name} of the shape {tuple(x.shape)}: give it (batch, "
                f"heads, time, {self.head_width})."
            )

    @staticmethod
    def _per_head(norm: nn.Module, x: Tensor) -> Tensor:
        """Heads are cases: flattened, so that (batch, heads, time, features) isn't taken for an image."""
        return norm(x.reshape(-1, x.shape[-1])).reshape(x.shape)

    def _unit(self, x: Tensor) -> Tensor:
        wide = widen(x)
        return (over_root(wide, wide.square().sum(-1, keepdim=True), self.eps**2, "inside")).to(x.dtype)
