"""The sample inputs torch tests its own operators with, through ours, forward and backward.

Odd shapes, several axes, missing weights, empty batches.
"""

from collections.abc import Iterator, Sequence
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn

from lncore import kernels, plain
from tests.lncore.variants import inputs, make

pytest.importorskip("expecttest", reason="expecttest, which torch's operator database wants, is not installed")
# Importing torch's own test tools freezes the flags of its backends for the whole process, and other tests set them.
with patch("torch.backends.disable_global_flags"):
    from torch.testing._internal.common_methods_invocations import op_db

FUNCTIONS = {"kernels": kernels, "plain": plain}


def samples(operator: str, dtype: torch.dtype) -> Iterator[tuple[Tensor, tuple[Any, ...], dict[str, Any], Tensor]]:
    """torch's own sample inputs for an operator of its database, with what torch makes of them."""
    info = next(op for op in op_db if op.name == f"nn.functional.{operator}" and not op.variant_test_name)
    for sample in info.sample_inputs("cpu", dtype, requires_grad=True):
        wanted = getattr(nn.functional, operator)(sample.input, *sample.args, **sample.kwargs)
        yield sample.input, sample.args, sample.kwargs, wanted


def close(mine: Tensor, wanted: Tensor, tolerance: float = 2e-5) -> None:
    torch.testing.assert_close(mine, wanted, rtol=2e-5, atol=tolerance)


Leaves = Sequence[Tensor | None]


def same(mine: Tensor, wanted: Tensor, leaves: Leaves, torchs: Leaves | None = None) -> None:
    """Equal results, and equal gradients of the `leaves` that are there; `torchs` are theirs where they are others.

    A row of one number has no gradient but a rounding, which 1/√ε makes 316 times as large.
    """
    close(mine, wanted)
    seed = inputs(tuple(wanted.shape), 3, wanted.dtype)
    found = (gradients(y, given, seed) for y, given in ((mine, leaves), (wanted, leaves if torchs is None else torchs)))
    for one, other in zip(*found, strict=True):
        close(one, other, 1e-4 if one.dtype == torch.float32 else 2e-5)


def gradients(y: Tensor, leaves: Leaves, seed: Tensor) -> list[Tensor]:
    given = [leaf for leaf in leaves if leaf is not None]
    return list(torch.autograd.grad(y, given, seed, retain_graph=True))


def joined(x: Tensor, shape: Any, parameter: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """torch normalizes several last axes at once; here they become one."""
    count = len(shape)
    return x.flatten(-count), None if parameter is None else parameter.flatten()


@pytest.mark.parametrize("where", list(FUNCTIONS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_layer_norm_on_torchs_samples(where: str, dtype: torch.dtype) -> None:
    seen = 0
    for x, (shape, *rest), named, wanted in samples("layer_norm", dtype):
        weight, bias = [*rest, None, None][:2]
        weight, bias = named.get("weight", weight), named.get("bias", bias)
        rows, gain = joined(x, shape, weight)
        _, shift = joined(x, shape, bias)
        eps = named.get("eps", rest[2] if len(rest) > 2 else 1e-5)
        if eps < 0:
            continue  # torch takes a negative ε; a layer of ours refuses it
        mine = FUNCTIONS[where].layer_norm(rows, gain, shift, eps)  # type: ignore[attr-defined]
        same(mine.reshape(x.shape), wanted, [x, weight, bias])
        seen += 1
    assert seen >= 3


@pytest.mark.parametrize("where", list(FUNCTIONS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rms_norm_on_torchs_samples(where: str, dtype: torch.dtype) -> None:
    seen = 0
    for x, (shape, *rest), named, wanted in samples("rms_norm", dtype):
        weight = named.get("weight", rest[0] if rest else None)
        rows, gain = joined(x, shape, weight)
        eps = named.get("eps", rest[1] if len(rest) > 1 else None)
        eps = torch.finfo(dtype).eps if eps is None else eps
        if eps < 0:
            continue
        mine = FUNCTIONS[where].rms_norm(rows, gain, eps)  # type: ignore[attr-defined]
        same(mine.reshape(x.shape), wanted, [x, weight])
        seen += 1
    assert seen >= 3


@pytest.mark.parametrize("where", list(FUNCTIONS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_group_norm_on_torchs_samples(where: str, dtype: torch.dtype) -> None:
    seen = empty = 0
    for x, (groups, *rest), named, wanted in samples("group_norm", dtype):
        weight, bias = [*rest, None, None][:2]
        weight, bias = named.get("weight", weight), named.get("bias", bias)
        eps = named.get("eps", 1e-5)
        if eps < 0:
            continue
        mine = FUNCTIONS[where].group_norm(x, groups, weight, bias, eps)  # type: ignore[attr-defined]
        same(mine, wanted, [x, weight, bias])
        seen, empty = seen + 1, empty + (x.numel() == 0)
    assert seen >= 3
    assert empty


def four_axes(x: Tensor) -> Tensor:
    """(batch, channels, …) as an image, which is how a layer knows where the channels are."""
    return x.reshape(x.shape[0], x.shape[1], -1, 1)


def test_batch_norm_on_torchs_samples() -> None:
    seen = 0
    for x, (mean, variance, *rest), named, wanted in samples("batch_norm", torch.float64):
        weight, bias = [*rest, None, None][:2]
        weight, bias = named.get("weight", weight), named.get("bias", bias)
        if x.dim() == 1:
            continue  # torch's empty sample has no features, and a layer has at least one: the next test is empty
        layer = make("batch_norm", x.shape[1], affine=weight is not None, eps=named.get("eps", 1e-5)).double()
        if weight is not None:
            layer.load_state_dict({"weight": weight.detach(), "bias": bias.detach()}, strict=False)
        if mean is not None:
            layer.running_mean.copy_(mean.detach())
            layer.running_var.copy_(variance.detach())
        if not named.get("training", False) and mean is None:
            continue
        layer.train(named.get("training", False))
        same(layer(four_axes(x)).reshape(x.shape), wanted, [x, layer.weight, layer.bias], [x, weight, bias])
        seen += 1
    assert seen >= 3


@pytest.mark.parametrize("name", ["batch_norm", "instance_norm", "group_norm", "layer_norm"])
@pytest.mark.parametrize("shape", [(0, 4), (0, 3, 4), (0, 4, 2, 3)])
def test_an_empty_batch_has_empty_results_and_zero_gradients(name: str, shape: tuple[int, ...]) -> None:
    layer, x = make(name, 4, **({"affine": True} if name == "instance_norm" else {})), torch.zeros(shape)
    y = layer(x.requires_grad_())
    assert y.shape == shape
    found = torch.autograd.grad(y.sum(), [x, *layer.parameters()], materialize_grads=True)
    assert all(not gradient.any() for gradient in found)


def test_instance_norm_on_torchs_samples() -> None:
    seen = 0
    for x, arguments, named, wanted in samples("instance_norm", torch.float64):
        if named.get("use_input_stats") is False or arguments[2:]:
            continue
        weight, bias = named.get("weight"), named.get("bias")
        if (weight is None) != (bias is None):
            continue
        layer = make("instance_norm", x.shape[1], eps=named.get("eps", 1e-5), affine=weight is not None).double()
        if weight is not None and bias is not None:
            layer.load_state_dict({"weight": weight.detach(), "bias": bias.detach()})
        same(layer(four_axes(x)).reshape(x.shape), wanted, [x, layer.weight, layer.bias], [x, weight, bias])
        seen += 1
    assert seen >= 3
