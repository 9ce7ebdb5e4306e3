"""The same functions under autograd twice, functorch, forward mode, torch.compile, autocast and DDP-like use."""

from typing import Any

import pytest
import torch
import torch._dynamo.testing
from torch import nn
from torch.autograd import forward_ad

from lncore import kernels
from tests.lncore.kernels.functions import CASES, Case, outputs_and_gradients

every_function = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@every_function
def test_gradients_and_their_gradients_are_those_of_finite_differences(case: Case) -> None:
    inputs = case.inputs(3, 6, torch.float64)
    assert torch.autograd.gradcheck(case.fast, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(case.fast, inputs, fast_mode=True)


def test_only_the_gradients_that_are_needed_are_returned() -> None:
    for needed in range(3):
        x, w, b = torch.randn(4, 6), torch.randn(6), torch.randn(6)
        (x, w, b)[needed].requires_grad_()
        kernels.layer_norm(x, w, b, 1e-5).square().sum().backward()
        assert [tensor.grad is not None for tensor in (x, w, b)] == [index == needed for index in range(3)]


def test_weight_and_bias_may_each_be_absent() -> None:
    x = torch.randn(4, 6, requires_grad=True)
    some = torch.randn(6)
    for w in (None, some):
        for b in (None, some):
            expected = nn.functional.layer_norm(x, (6,), w, b)
            torch.testing.assert_close(kernels.layer_norm(x, w, b, 1e-5), expected)
            torch.testing.assert_close(kernels.add_layer_norm(x, x * 0, w, b, 1e-5)[0], expected)
            groups = nn.functional.group_norm(x, 3, w, b)
            torch.testing.assert_close(kernels.group_norm(x, 3, w, b, 1e-5), groups)
            kernels.dyt(x, torch.tensor(0.5), w, b).sum().backward()


def test_a_graph_kept_is_walked_twice_and_gradients_accumulate() -> None:
    x = torch.randn(4, 6, requires_grad=True)
    y = kernels.layer_norm(x, None, None, 1e-5)
    (y.square() * y).sum().backward(retain_graph=True)
    assert x.grad is not None
    once = x.grad.clone()
    (y.square() * y).sum().backward()
    torch.testing.assert_close(x.grad, 2 * once)


def test_only_the_sum_or_only_the_norm_may_be_used_of_a_residual_norm() -> None:
    x, r = torch.randn(4, 6, requires_grad=True), torch.randn(4, 6, requires_grad=True)
    y, h = kernels.add_rms_norm(x, r, None, 1e-5)
    assert torch.equal(torch.autograd.grad(h.sum(), x, retain_graph=True)[0], torch.ones(4, 6))
    got = torch.autograd.grad((y**3).sum(), (x, r))
    expected = torch.autograd.grad((nn.functional.rms_norm(x + r, (6,), eps=1e-5) ** 3).sum(), x)[0]
    torch.testing.assert_close(got, (expected, expected))


@every_function
def test_vmap_and_functional_gradients(case: Case) -> None:
    inputs = [tensor.detach() for tensor in case.inputs(5, 8, torch.float64)]
    first = 2 if case.name.startswith("add_") else 1

    def total(*a: torch.Tensor) -> torch.Tensor:
        found = case.fast(*a)
        return sum(y.square().sum() for y in (found if isinstance(found, tuple) else (found,)))

    one_each = [tensor.unsqueeze(1) for tensor in inputs[:first]]
    batched = torch.func.vmap(case.fast, in_dims=(*[0] * first, *[None] * (len(inputs) - first)))(
        *one_each, *inputs[first:]
    )
    for a, b in zip(_several(batched), _several(case.fast(*inputs)), strict=True):
        torch.testing.assert_close(a.squeeze(1), b)
    leaf = inputs[0].clone().requires_grad_()
    expected = torch.autograd.grad(total(leaf, *inputs[1:]), leaf)[0]
    torch.testing.assert_close(torch.func.grad(total)(*inputs), expected)


def _several(found: Any) -> tuple[torch.Tensor, ...]:
    return found if isinstance(found, tuple) else (found,)


@every_function
def test_gradients_of_all_arguments_forward_mode_and_second_derivatives_by_torch_func(case: Case) -> None:
    """grad in every argument is autograd's; a jvp is its product with a direction; a jvp of grad that of grad twice."""
    inputs = [tensor.detach() for tensor in case.inputs(3, 8, torch.float64)]
    directions = [torch.randn_like(tensor) for tensor in inputs]

    def total(*arguments: torch.Tensor) -> torch.Tensor:
        return torch.stack([y.square().sum() for y in _several(case.fast(*arguments))]).sum()

    gradient = torch.func.grad(total, argnums=tuple(range(len(inputs))))
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    expected = torch.autograd.grad(total(*leaves), leaves, create_graph=True)
    torch.testing.assert_close(gradient(*inputs), expected)
    slope = torch.func.jvp(total, tuple(inputs), tuple(directions))[1]
    along = torch.stack([(one * way).sum() for one, way in zip(expected, directions, strict=True)]).sum()
    torch.testing.assert_close(slope, along)
    bend = torch.func.jvp(gradient, tuple(inputs), tuple(directions))[1]
    torch.testing.assert_close(bend, torch.autograd.grad(along, leaves))


def test_forward_mode_differentiates() -> None:
    x, v = torch.randn(3, 8, dtype=torch.float64), torch.randn(3, 8, dtype=torch.float64)
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(kernels.layer_norm(forward_ad.make_dual(x, v), None, None, 1e-5)).tangent
    step = 1e-6
    ends = (kernels.layer_norm(x + sign * step * v, None, None, 1e-5) for sign in (1, -1))
    ahead, behind = ends
    torch.testing.assert_close(tangent, (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-6)


@every_function
def test_torch_compile_traces_without_a_break_and_gives_the_same(case: Case) -> None:
    torch._dynamo.reset()
    compiled = torch.compile(case.fast, fullgraph=True, backend="aot_eager")
    inputs = case.inputs(5, 8)
    got, expected = outputs_and_gradients(compiled, inputs), outputs_and_gradients(case.fast, inputs)
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_a_new_batch_size_does_not_compile_again_more_than_once() -> None:
    torch._dynamo.reset()
    counter = torch._dynamo.testing.CompileCounter()
    compiled = torch.compile(lambda x: kernels.layer_norm(x, None, None, 1e-5), backend=counter)
    for rows in (4, 5, 6, 7, 8):
        compiled(torch.randn(rows, 8))
    assert counter.frame_count <= 2


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
def test_a_batch_marked_dynamic_is_compiled_once_forward_and_backward(name: str) -> None:
    torch._dynamo.reset()
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    case = next(case for case in CASES if case.name == name)
    compiled = torch.compile(case.fast, backend=counter, fullgraph=True)
    for rows in (4, 5, 7, 30):
        inputs = case.inputs(rows, 8)
        torch._dynamo.mark_dynamic(inputs[0], 0)
        got = outputs_and_gradients(compiled, inputs)
        torch.testing.assert_close(got, outputs_and_gradients(case.fast, inputs), rtol=1e-5, atol=1e-5)
    assert counter.frame_count == 1


@every_function
def test_autocast_leaves_the_type_of_the_input(case: Case) -> None:
    inputs = case.inputs(5, 8)
    with torch.autocast("cpu", torch.bfloat16):
        got = outputs_and_gradients(case.fast, inputs)
    for a, b in zip(got, outputs_and_gradients(case.fast, inputs), strict=True):
        assert torch.equal(a, b)


def test_checkpointing_recomputes_the_same() -> None:
    x, w = torch.randn(4, 6, requires_grad=True), torch.randn(6, requires_grad=True)

    def function(x: torch.Tensor) -> torch.Tensor:
        return kernels.rms_norm(x, w, 1e-5).sin()

    expected = torch.autograd.grad(function(x).sum(), (x, w))
    again = torch.utils.checkpoint.checkpoint(function, x, use_reentrant=False)
    torch.testing.assert_close(torch.autograd.grad(again.sum(), (x, w)), expected, rtol=0, atol=0)


def test_shapes_are_computed_without_data_on_the_meta_device_and_under_fake_tensors() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    assert kernels.layer_norm(torch.empty(4, 6, device="meta"), None, None, 1e-5).shape == (4, 6)
    with FakeTensorMode():
        assert kernels.group_norm(torch.empty(4, 6, 3), 2, None, None, 1e-5).shape == (4, 6, 3)
