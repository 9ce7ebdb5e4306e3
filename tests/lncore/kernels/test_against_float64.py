"""The fused functions and their gradients against float64: offsets, shapes, types, layouts, values at the edge."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from lncore import kernels, plain
from lncore.kernels.route import backend_for
from tests.lncore.kernels.functions import CASES, Case, outputs_and_gradients

every_function = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def _doubled(inputs: list[Tensor]) -> list[Tensor]:
    return [tensor.detach().double().requires_grad_() for tensor in inputs]


def _largest_error(got: list[Tensor], expected: list[Tensor]) -> float:
    """The largest difference, each tensor's taken relative to its largest number or to 1."""
    return max(
        float((a.detach().double() - b).abs().max() / b.abs().max().clamp(min=1)) if b.numel() else 0.0
        for a, b in zip(got, expected, strict=True)
    )


def _error(case: Case, inputs: list[Tensor]) -> float:
    expected = outputs_and_gradients(case.plain, _doubled(inputs))
    return _largest_error(outputs_and_gradients(case.fast, inputs), expected)


def test_these_tests_run_the_fused_backend() -> None:
    assert backend_for(torch.ones(2, 2)) is not None


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4, 1e6])
@pytest.mark.parametrize("name", ["layer_norm", "add_layer_norm", "group_norm"])
def test_rows_far_from_zero_lose_nothing_forward_or_backward(name: str, offset: float) -> None:
    case = next(case for case in CASES if case.name == name)
    inputs = case.inputs(64, 1000)
    with torch.no_grad():
        inputs[0] += offset
        if name == "add_layer_norm":  # multiples of a place at 1e6, so that the sum itself rounds nothing
            inputs[0].mul_(16).round_().div_(16)
            inputs[1].mul_(16).round_().div_(16)
    assert _error(case, inputs) <= 2e-6


@pytest.mark.parametrize("places", [[0], [0, 125, 250, 375, 500, 625, 750, 875]], ids=["the first", "every eighth"])
def test_outliers_where_a_row_is_sampled_cost_no_digits(places: list[int]) -> None:
    """The kernel sums around the mean of eight of the row's numbers, which here lie far from the others."""
    case = next(case for case in CASES if case.name == "layer_norm")
    inputs = case.inputs(64, 1000)
    with torch.no_grad():
        inputs[0][:, places] += 1e4
    assert _error(case, inputs) <= 2e-6


def test_torchs_own_layer_norm_would_fail_that_by_far() -> None:
    x = torch.randn(64, 1000) + 1e4
    expected = plain.layer_norm(x.double(), None, None, 1e-5)
    assert (functional.layer_norm(x, (1000,)).double() - expected).abs().max() > 1e-4
    assert (kernels.layer_norm(x, None, None, 1e-5).double() - expected).abs().max() <= 2e-6


@every_function
@given(
    rows=st.integers(1, 40), width=st.integers(8, 300), scale=st.sampled_from([1e-3, 1.0, 1e4]), seed=st.integers(0, 9)
)
@settings(max_examples=15)
def test_any_shape_and_scale_is_as_near_as_float32_allows(
    case: Case, rows: int, width: int, scale: float, seed: int
) -> None:
    inputs = case.inputs(rows, width, seed=seed)
    with torch.no_grad():
        inputs[0] *= scale
    reference = outputs_and_gradients(case.plain, _doubled(inputs))
    fast = outputs_and_gradients(case.fast, inputs)
    slow = outputs_and_gradients(case.plain, inputs)
    # The fused tanh is within 4e-7, and α's gradient multiplies what is left of 1 − tanh² by inputs of any size.
    slack = 5e-6 if case.name == "dyt" else 2e-6
    for got, usual, exact in zip(fast, slow, reference, strict=True):
        assert _largest_error([got], [exact]) <= 2 * _largest_error([usual], [exact]) + slack


@every_function
@pytest.mark.parametrize("width", [1, 2, 3, 7, 31, 33, 127, 129, 769, 1023, 1025, 4099])
def test_odd_widths(case: Case, width: int) -> None:
    inputs = case.inputs(5, width)
    reference = outputs_and_gradients(case.plain, _doubled(inputs))
    # One or two numbers have hardly a deviation, and their gradient is a rounding times 1/√ε = 316.
    tolerance = 2e-5 if width > 3 else 2e-4
    for got, exact in zip(outputs_and_gradients(case.fast, inputs), reference, strict=True):
        assert _largest_error([got], [exact]) <= tolerance


@every_function
@pytest.mark.parametrize("shape", [(0, 8), (3, 0), (2, 0, 8)])
def test_empty_inputs_stay_empty_and_have_gradients(case: Case, shape: tuple[int, ...]) -> None:
    if case.name == "group_norm" and len(shape) == 3:
        pytest.skip("(2, 0, 8) are no channels")
    inputs = case.inputs(1, shape[-1])
    x = torch.zeros(shape, requires_grad=True)
    found = case.fast(x, *([torch.zeros(shape)] if case.name.startswith("add_") else []), *_parameters(case, inputs))
    y = found[0] if isinstance(found, tuple) else found
    y.sum().backward()
    assert y.shape == shape
    assert x.grad is not None


def _parameters(case: Case, inputs: list[Tensor]) -> list[Tensor]:
    return inputs[2:] if case.name.startswith("add_") else inputs[1:]


@every_function
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("wide_parameters", [True, False])
def test_half_precision_errs_at_most_one_place_and_keeps_its_type(
    case: Case, dtype: torch.dtype, wide_parameters: bool
) -> None:
    inputs = case.inputs(37, 130, dtype)
    if wide_parameters:
        first = 2 if case.name.startswith("add_") else 1
        inputs[first:] = [tensor.detach().float().requires_grad_() for tensor in inputs[first:]]
    got = outputs_and_gradients(case.fast, inputs)
    if case.name.startswith("add_"):  # the sum is rounded before the statistics, in float64 it isn't
        expected = outputs_and_gradients(case.plain, [tensor.detach().requires_grad_() for tensor in inputs])
    else:
        expected = outputs_and_gradients(case.plain, _doubled(inputs))
    place = torch.finfo(dtype).eps
    for a, b in zip(got, expected, strict=True):
        assert float((a.double() - b.double()).abs().max()) <= 1.01 * place * float(b.double().abs().max())
    assert got[0].dtype == dtype
    assert all(a.dtype == b.dtype for a, b in zip(got[-len(inputs) :], inputs, strict=True))


def test_float16_statistics_do_not_overflow() -> None:
    x = (torch.randn(4, 512) * 2e4).clamp(-6e4, 6e4).half()
    for y in (kernels.layer_norm(x, None, None, 1e-5), kernels.rms_norm(x, None, 1e-5)):
        assert y.isfinite().all()
        assert y.float().square().mean().item() == pytest.approx(1, abs=1e-2)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.3, 1e4 + 0.1, 1e6 + 0.3])
def test_a_constant_row_gives_exactly_its_bias(value: float) -> None:
    bias = torch.randn(1000)
    y = kernels.layer_norm(torch.full((3, 1000), value), torch.randn(1000), bias, 1e-5)
    assert torch.equal(y, bias.expand(3, -1))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@every_function
def test_what_is_not_finite_stays_in_its_row(case: Case, bad: float) -> None:
    inputs = case.inputs(9, 66)
    clean = case.fast(*inputs)
    with torch.no_grad():
        inputs[0][4, 5] = bad
    spoilt = case.fast(*inputs)
    others = torch.arange(9) != 4
    for a, b in zip(*(found if isinstance(found, tuple) else (found,) for found in (clean, spoilt)), strict=True):
        assert torch.equal(a[others], b[others])
    if case.name != "dyt" or math.isnan(bad):
        first = spoilt[0] if isinstance(spoilt, tuple) else spoilt
        assert first[4].isnan().any()


LAYOUTS = {
    "transposed": lambda x: x.t().contiguous().t(),
    "every other column": lambda x: x.repeat_interleave(2, dim=1)[:, ::2],
    "shifted storage": lambda x: torch.cat((x.new_zeros(1), x.flatten()))[1:].view(x.shape),
    "expanded rows": lambda x: x[:1].expand(x.shape),
}


@every_function
@pytest.mark.parametrize("layout", LAYOUTS)
def test_strides_do_not_matter(case: Case, layout: str) -> None:
    inputs = case.inputs(12, 34)
    strided = LAYOUTS[layout](inputs[0].detach())
    straight = strided.clone(memory_format=torch.contiguous_format)
    rest = [tensor.detach() for tensor in inputs[1:]]
    got = outputs_and_gradients(case.fast, [tensor.requires_grad_() for tensor in (strided, *rest)])
    expected = outputs_and_gradients(case.fast, [tensor.detach().requires_grad_() for tensor in (straight, *rest)])
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_gradients_of_a_sum_are_expanded_and_right() -> None:
    for case in CASES:
        inputs = case.inputs(8, 40)
        found = case.fast(*inputs)
        y = found[0] if isinstance(found, tuple) else found
        (gradient,) = torch.autograd.grad(y.sum(), inputs[0])
        doubled = _doubled(inputs)
        found = case.plain(*doubled)
        (expected,) = torch.autograd.grad((found[0] if isinstance(found, tuple) else found).sum(), doubled[0])
        torch.testing.assert_close(gradient.double(), expected, rtol=0, atol=5e-6)


@pytest.mark.parametrize("shape", [(6, 5), (2, 6, 5), (2, 6, 3, 5), (2, 6, 2, 3, 2)])
@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_group_norm_over_any_number_of_positions(shape: tuple[int, ...], groups: int) -> None:
    torch.manual_seed(0)
    shape = (shape[0], 6, *shape[2:])
    x, w, b = torch.randn(shape), torch.randn(6), torch.randn(6)
    fast = [tensor.clone().requires_grad_() for tensor in (x, w, b)]
    slow = [tensor.double().requires_grad_() for tensor in (x, w, b)]
    got = outputs_and_gradients(lambda *a: kernels.group_norm(a[0], groups, a[1], a[2], 1e-5), fast)
    expected = outputs_and_gradients(lambda *a: plain.group_norm(a[0], groups, a[1], a[2], 1e-5), slow)
    if x[0].numel() // groups > 2:
        assert _largest_error(got, expected) <= 5e-6


@every_function
def test_the_same_input_gives_the_same_bytes_on_any_number_of_threads(case: Case) -> None:
    inputs = case.inputs(700, 100)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 2):
            torch.set_num_threads(threads)
            found.append(outputs_and_gradients(case.fast, inputs))
    finally:
        torch.set_num_threads(before)
    for others in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], others, strict=True))


def test_large_results_that_bypass_the_cache_are_the_same() -> None:
    """Results of 8 MiB and more take other stores, and pages of their own."""
    x = torch.randn(1024, 4096)
    w, b = torch.randn(4096), torch.randn(4096)
    for _ in range(3):  # fresh pages at first, recycled ones later
        y = kernels.layer_norm(x, w, b, 1e-5)
        torch.testing.assert_close(y[::97], plain.layer_norm(x[::97].double(), w, b, 1e-5).float(), rtol=0, atol=1e-5)
        del y
