"""Every normalization on a GPU: the same numbers as on the CPU, forward and backward, in full and half precision."""

import copy

import pytest
import torch

from tests.lncore.variants import ALL, SHAPES, inputs, make, randomized

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.parametrize("name", ALL),
]
KINDS = list(SHAPES)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_gives_the_cpus_float64_numbers(name: str, kind: str, dtype: torch.dtype) -> None:
    layer = randomized(make(name))
    exact = copy.deepcopy(layer).double()
    fast = layer.cuda()
    x, seed = inputs(SHAPES[kind], dtype=dtype), inputs(SHAPES[kind], 2, dtype=dtype)
    mine, right = x.cuda().requires_grad_(), x.double().requires_grad_()
    y, wanted = fast(mine), exact(right)
    y.backward(seed.cuda())
    wanted.backward(seed.double())
    assert mine.grad is not None
    assert right.grad is not None
    unit = max(torch.finfo(dtype).eps, 4e-6)
    torch.testing.assert_close(y.cpu().double(), wanted, rtol=unit, atol=4e-6)
    torch.testing.assert_close(mine.grad.cpu().double(), right.grad, rtol=4 * unit, atol=4 * unit)


@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_gives_the_same_bytes_twice(name: str, kind: str) -> None:
    results = []
    for _ in range(2):
        layer, x = randomized(make(name)).cuda(), inputs(SHAPES[kind]).cuda().requires_grad_()
        y = layer(x)
        y.square().sum().backward()
        assert x.grad is not None
        results.append([y, x.grad, *(parameter.grad for parameter in layer.parameters())])
    for one, other in zip(*results, strict=True):
        assert one is not None
        assert other is not None
        assert torch.equal(one, other)


@pytest.mark.parametrize("offset", [1e2, 1e4])
def test_large_offsets_keep_their_digits_on_a_gpu(name: str, offset: float) -> None:
    if name not in {"layer_norm", "group_norm", "instance_norm", "batch_norm"}:
        pytest.skip("it does not centre its input")
    x = (inputs((16, 64), dtype=torch.float64) + offset).float()
    layer = randomized(make(name, 64))
    wanted = copy.deepcopy(layer).double()(x.double())
    assert (layer.cuda()(x.cuda()).cpu() - wanted).abs().max() <= 4e-6
