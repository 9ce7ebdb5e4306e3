"""Properties over shapes, strides, types, offsets and scales: whatever comes in, the float64 reference is near."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from lncore import reference
from tests.lncore.test_formulas import FORMULAS, grouped, shaped
from tests.lncore.variants import GROUPED, inputs, make, randomized

CENTRING = [
    "layer_norm", "layer_norm_simple", "detach_norm", "ada_norm", "group_norm", "instance_norm", "batch_norm",
    "batch_renorm",
]  # fmt: skip
WITHOUT_CENTRING = ["rms_norm", "p_rms_norm", "scale_norm", "power_norm", "frn", "evonorm_s0", "dyt", "derf"]
OWN_GRADIENT = {"ada_norm", "detach_norm", "power_norm", "frn"}
"""Those whose gradient is not that of their formula, or jumps where a rounding decides (frn at its threshold)."""

WIDTHS = st.sampled_from([2, 3, 8, 31, 33, 64, 127, 256])
SHAPES = st.one_of(
    st.tuples(st.integers(2, 9), WIDTHS),
    st.tuples(st.integers(2, 4), st.integers(2, 7), WIDTHS),
    st.tuples(st.integers(2, 4), st.sampled_from([2, 3, 8, 16]), st.integers(2, 6), st.integers(1, 6)),
)
DTYPES = st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64])


def contiguous(x: Tensor) -> Tensor:
    return x


def transposed(x: Tensor) -> Tensor:
    return x.transpose(0, -1).contiguous().transpose(0, -1)


def every_other(x: Tensor) -> Tensor:
    return torch.stack([x, x + 1], -1).flatten(-2)[..., ::2]


def reversed_storage(x: Tensor) -> Tensor:
    return torch.cat([x.new_zeros(3), x.flatten()])[3:].view(x.shape)


def one_case_for_all(x: Tensor) -> Tensor:
    """Expanded: the batch has a stride of 0."""
    return x[:1].expand(x.shape)


def one_number_for_all(x: Tensor) -> Tensor:
    """Expanded along the last axis."""
    return x[..., :1].expand(x.shape)


LAYOUTS = st.sampled_from([contiguous, transposed, every_other, reversed_storage, one_case_for_all, one_number_for_all])


def width_of(shape: tuple[int, ...]) -> int:
    return shape[1] if len(shape) == 4 else shape[-1]


def one_group(layer: Any, x: Tensor) -> Tensor:
    """Group norm with one group is layer norm, so it is judged by that formula at widths no other count divides."""
    return FORMULAS["layer_norm"](layer, x)


def one_group_of_evonorm(layer: Any, x: Tensor) -> Tensor:
    def formula(rows: Tensor) -> Tensor:
        v, weight, bias = (shaped(parameter, rows) for parameter in (layer.v, layer.weight, layer.bias))
        return reference.evonorm_s0(rows, 1, v, weight, bias)

    return grouped(x, formula)


JUDGES = FORMULAS | {"group_norm": one_group, "evonorm_s0": one_group_of_evonorm}


def check(name: str, x: Tensor, layout: Callable[[Tensor], Tensor]) -> None:
    """The layer on `x`, laid out so, and its gradient, against its formula in float64.

    Allowed is one rounding of the type, and beside it 4e-6: of the largest gradient, whose rows have it all alike.
    """
    layer = randomized(make(name, width_of(tuple(x.shape)), **({"groups": 1} if name in GROUPED else {})))
    if x.dtype == torch.float64:
        layer = layer.double()
    arranged = layout(x).requires_grad_()
    wide = arranged.detach().double().contiguous().requires_grad_()
    y, right = layer(arranged), JUDGES[name](copy.deepcopy(layer), wide)
    assert_near(y, right, 1.0)
    seed = inputs(tuple(x.shape), 2, x.dtype)
    y.backward(seed)
    assert arranged.grad is not None
    assert not arranged.grad.isnan().any()
    if name not in OWN_GRADIENT and layout is not one_number_for_all:
        (exact,) = torch.autograd.grad(right, wide, seed.double())
        assert_near(arranged.grad, exact, float(exact.abs().max().clamp(min=1)))


def assert_near(mine: Tensor, exact: Tensor, size: float) -> None:
    """One rounding of its type, and 4e-6 of `size` beside it, lie between `mine` and the float64 number it stands for.

    What the type can't hold has become infinite.
    """
    few = 1e-8 if mine.dtype == torch.float64 else 4e-6  # in float64 the formula itself has lost some digits
    error = (mine - exact).abs()
    allowed = max(torch.finfo(mine.dtype).eps, few) * exact.abs() + few * size
    held = exact.abs() < torch.finfo(mine.dtype).max
    assert (error <= allowed)[held].all(), float(error[held].max())
    assert mine[~held].isinf().all()


@settings(max_examples=200)
@given(
    name=st.sampled_from(CENTRING),
    shape=SHAPES,
    layout=LAYOUTS,
    dtype=DTYPES,
    offset=st.sampled_from([0.0, 1.0, -30.0, 1e2, -1e4, 1e6]),
    scale=st.sampled_from([1e-3, 1.0, 50.0]),
)
@example("layer_norm", (4, 256), contiguous, torch.float32, 1e6, 1.0)
@example("batch_norm", (4, 3, 64), transposed, torch.float32, -1e4, 1e-3)
def test_centring_norms_keep_their_digits(
    name: str,
    shape: tuple[int, ...],
    layout: Callable[[Tensor], Tensor],
    dtype: torch.dtype,
    offset: float,
    scale: float,
) -> None:
    if dtype == torch.float64:
        offset /= 1e4  # farther out a float64 reference is no judge of float64
    wide = inputs(shape, dtype=torch.float64) * scale + offset
    check(name, wide.clamp(-60000, 60000).to(dtype) if dtype == torch.float16 else wide.to(dtype), layout)


@settings(max_examples=150)
@given(
    name=st.sampled_from(WITHOUT_CENTRING),
    shape=SHAPES,
    layout=LAYOUTS,
    dtype=DTYPES,
    scale=st.sampled_from([1e-6, 1e-2, 1.0, 1e3, 1e4]),
)
def test_norms_without_centring_keep_their_digits(
    name: str, shape: tuple[int, ...], layout: Callable[[Tensor], Tensor], dtype: torch.dtype, scale: float
) -> None:
    check(name, (inputs(shape, dtype=torch.float64) * scale).to(dtype), layout)


@settings(max_examples=60)
@given(
    name=st.sampled_from(["layer_norm", "rms_norm", "group_norm", "ada_norm", "scale_norm", "evonorm_s0", "frn"]),
    shape=SHAPES,
    data=st.data(),
)
def test_a_case_never_depends_on_another(name: str, shape: tuple[int, ...], data: st.DataObject) -> None:
    """Drop, repeat or reorder cases: each keeps its result."""
    options = {"groups": 1} if name in {"group_norm", "evonorm_s0"} else {}
    layer = randomized(make(name, width_of(shape), **options))
    x = inputs(shape)
    picked = torch.tensor(data.draw(st.lists(st.integers(0, shape[0] - 1), min_size=1, max_size=5)))
    torch.testing.assert_close(layer(x[picked]), layer(x)[picked], rtol=1e-5, atol=1e-6)


@settings(max_examples=40)
@given(
    name=st.sampled_from(["layer_norm", "rms_norm", "batch_norm", "scale_norm", "group_norm"]),
    exponent=st.integers(-8, 12),
)
def test_scaling_by_a_power_of_two_changes_nothing_without_epsilon(name: str, exponent: int) -> None:
    options: dict[str, float] = {"eps": 1e-30 if name == "batch_norm" else 0.0}
    layer = make(name, 16, **options)
    x = inputs((8, 16))
    torch.testing.assert_close(layer(x * 2.0**exponent), layer(x), rtol=1e-6, atol=1e-6)
