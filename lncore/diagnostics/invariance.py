"""Table 1 of the paper, measured: which changes of weights and data leave a normalized layer's output as it was.

A layer norm(W·x) in float64 with ε as small as the variant allows is computed before and after each transformation, and
the largest change, relative to the size of the output, is the result; "invariant" is a change below 1e-6.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lncore.description import describe
from lncore.menu import NormFactory, normalization

Pair = tuple[Tensor, Tensor]

TRANSFORMATIONS = (
    "weight matrix re-scaling",
    "weight matrix re-centering",
    "weight vector re-scaling",
    "data re-scaling",
    "data re-centering",
    "single case re-scaling",
)

PAPER_TABLE_1: dict[str, tuple[bool, ...]] = {
    "batch_norm": (True, False, True, True, True, False),
    "weight_norm": (True, False, True, False, False, False),
    "layer_norm": (True, True, False, True, False, True),
    # Not in the paper: Zhang and Sennrich 2019 add these two rows.
    "rms_norm": (True, False, False, True, False, True),
    "p_rms_norm": (True, False, False, True, False, True),
}
"""Published rows, in the order of TRANSFORMATIONS."""


@dataclass(frozen=True)
class Invariance:
    """How much one transformation changes the output of a variant: 0 is not at all, 1 as much as the output itself."""

    transformation: str
    change: float

    @property
    def holds(self) -> bool:
        return self.change < 1e-6


def measure_invariances(norm: NormFactory, *, seed: int = 0, cases: int = 32, width: int = 128) -> list[Invariance]:
    """The six columns of Table 1 for a variant, measured in training mode on normal data.

    ε is set to zero where the variant has one: with ε the invariances hold only while the variance is far above it.
    """
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(width, 24, generator=generator, dtype=torch.float64)
    data = torch.randn(cases, 24, generator=generator, dtype=torch.float64)
    exact = _without_epsilon(norm)
    before = _output(exact, weight, data)
    size = before.square().mean().sqrt()
    changes = {name: transform(weight, data, generator) for name, transform in _TRANSFORMS.items()}
    return [
        Invariance(name, float((_output(exact, *changed) - before).abs().max() / size))
        for name, changed in changes.items()
    ]


def invariances(name: str) -> list[str]:
    """The transformations that leave the variant `name`, with its default options, as it was."""
    return [one.transformation for one in measure_invariances(normalization(name)) if one.holds]


def _without_epsilon(norm: NormFactory) -> NormFactory:
    options = dict(norm.options)
    known = describe(norm.variant)["options"]
    if "eps" in known:
        # torch's batch normalization wants a positive one; this is far below any variance here.
        options["eps"] = 0.0 if known["eps"]["bounds"].get("ge") == 0 else 1e-30
    if norm.name == "weight_norm":
        # The weights as they are: standardizing the first batch would hide what is asked.
        options["init"] = "weight"
    return normalization(norm.name, **options)


def _output(norm: NormFactory, weight: Tensor, data: Tensor) -> Tensor:
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False).double()
    with torch.no_grad():
        linear.weight.copy_(weight)
        layer = norm.reparametrize(linear)
        if norm.name == "weight_norm":
            # The length is a parameter of its own; re-scaling means v, the direction, as in the paper.
            dict(layer.named_parameters())["parametrizations.weight.original0"].fill_(1.0)
        return norm(weight.shape[0]).double()(layer(data))


def _scale_row(weight: Tensor) -> Tensor:
    factors = torch.ones(weight.shape[0], 1, dtype=weight.dtype)
    factors[0] = 3.0
    return weight * factors


def _scale_case(data: Tensor) -> Tensor:
    factors = torch.ones(data.shape[0], 1, dtype=data.dtype)
    factors[0] = 3.0
    return data * factors


def _same_for_all(length: int, generator: torch.Generator) -> Tensor:
    return torch.randn(1, length, generator=generator, dtype=torch.float64)


_TRANSFORMS: dict[str, Callable[[Tensor, Tensor, torch.Generator], Pair]] = {
    "weight matrix re-scaling": lambda weight, data, _: (weight * 3.0, data),
    "weight matrix re-centering": lambda weight, data, chance: (weight + _same_for_all(weight.shape[1], chance), data),
    "weight vector re-scaling": lambda weight, data, _: (_scale_row(weight), data),
    "data re-scaling": lambda weight, data, _: (weight, data * 3.0),
    "data re-centering": lambda weight, data, chance: (weight, data + _same_for_all(data.shape[1], chance)),
    "single case re-scaling": lambda weight, data, _: (weight, _scale_case(data)),
}
