"""The kernels on a CUDA device: the Triton cases compiled, the route to them, and what only a device can show."""

from functools import partial
from typing import Any

import pytest
import torch

from lncore import kernels, plain
from lncore.kernels.route import backend_for

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]

if torch.cuda.is_available():
    from tests.lncore.kernels.triton_cases import *  # noqa: F403 - the same tests, compiled instead of interpreted


_layer_norm: Any = partial(kernels.layer_norm, eps=1e-5)
_exact_layer_norm: Any = partial(plain.layer_norm, eps=1e-5)


def test_a_cuda_tensor_is_computed_by_triton() -> None:
    backend = backend_for(torch.ones(2, 2, device="cuda"))
    assert backend is not None
    assert backend.__name__ == "lncore.kernels.gpu.backend"
    assert backend_for(torch.ones(2, 2, device="cuda", dtype=torch.float64)) is None


@pytest.mark.parametrize("n", [256, 769, 2041, 4096, 5003, 8192, 9001, 16384, 32768, 65537])
def test_rows_of_any_length(n: int) -> None:
    x, w, b = torch.randn(37, n, device="cuda"), torch.randn(n, device="cuda"), torch.randn(n, device="cuda")
    leaves: Any = [tensor.requires_grad_() for tensor in (x, w, b)]
    exact: Any = [tensor.detach().double().requires_grad_() for tensor in leaves]
    y, right = _layer_norm(*leaves), _exact_layer_norm(*exact)
    g = torch.randn_like(y)
    torch.testing.assert_close(y.double(), right, rtol=1e-5, atol=1e-5)
    for got, expected in zip(
        torch.autograd.grad(y, leaves, g), torch.autograd.grad(right, exact, g.double()), strict=True
    ):
        torch.testing.assert_close(got.double(), expected, rtol=2e-5, atol=2e-5)


def test_the_same_input_gives_the_same_bytes() -> None:
    x, w = torch.randn(4099, 1000, device="cuda", requires_grad=True), torch.randn(1000, device="cuda").requires_grad_()
    g = torch.randn(4099, 1000, device="cuda")
    first, second = (torch.autograd.grad(kernels.rms_norm(x, w, 1e-6), (x, w), g) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_more_than_two_to_the_31_numbers() -> None:
    if torch.cuda.mem_get_info()[0] < 20 << 30:
        pytest.skip("needs 20 GB")
    x = torch.randn(4, 1024, device="cuda", dtype=torch.bfloat16).repeat((2**31 // 4096) + 8, 1)
    y = kernels.layer_norm(x, None, None, 1e-5)
    assert torch.equal(y[-4:], y[:4])


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_a_tensor_on_another_device_is_computed_there() -> None:
    x = torch.randn(64, 256, device="cuda:1", requires_grad=True)
    y = kernels.layer_norm(x, None, None, 1e-5)
    y.sum().backward()
    torch.testing.assert_close(y, plain.layer_norm(x, None, None, 1e-5))
    assert torch.cuda.current_device() == 0


def test_a_call_can_be_captured_in_a_graph() -> None:
    x = torch.randn(64, 256, device="cuda")
    expected = kernels.layer_norm(x, None, None, 1e-5)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = kernels.layer_norm(x, None, None, 1e-5)
    graph.replay()
    assert torch.equal(y, expected)


def test_autocast_keeps_the_type_of_the_input() -> None:
    x = torch.randn(8, 64, device="cuda", dtype=torch.bfloat16)
    with torch.autocast("cuda", torch.bfloat16):
        assert kernels.layer_norm(x, torch.ones(64, device="cuda"), None, 1e-5).dtype == torch.bfloat16
