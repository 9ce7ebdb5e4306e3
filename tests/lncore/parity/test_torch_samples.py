"""The sample inputs torch tests its own operators with, through ours: odd shapes, several axes, missing weights."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn

from lncore import kernels, plain
from tests.lncore.variants import make

pytest.importorskip("expecttest", reason="expecttest, which torch's operator database wants, is not installed")
# Importing torch's own test tools freezes the flags of its backends for the whole process, and other tests set them.
with patch("torch.backends.disable_global_flags"):
    from torch.testing._internal.common_methods_invocations import op_db

FUNCTIONS = {"kernels": kernels, "plain": plain}


def samples(operator: str, dtype: torch.dtype) -> Iterator[tuple[Tensor, tuple[Any, ...], dict[str, Any], Tensor]]:
    """torch's own sample inputs for an operator of its database, with what torch makes of them."""
    info = next(op for op in op_db if op.name == f"nn.functional.{operator}" and not op.variant_test_name)
    for sample in info.sample_inputs("cpu", dtype):
        wanted = getattr(nn.functional, operator)(sample.input, *sample.args, **sample.kwargs)
        yield sample.input, sample.args, sample.kwargs, wanted


def close(mine: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(mine, wanted, rtol=2e-5, atol=2e-5)


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
        rows, gain = joined(x, shape, named.get("weight", weight))
        _, shift = joined(x, shape, named.get("bias", bias))
        eps = named.get("eps", rest[2] if len(rest) > 2 else 1e-5)
        if eps < 0:
            continue  # torch takes a negative ε; a layer of ours refuses it
        close(FUNCTIONS[where].layer_norm(rows, gain, shift, eps).reshape(x.shape), wanted)  # type: ignore[attr-defined]
        seen += 1
    assert seen >= 3


@pytest.mark.parametrize("where", list(FUNCTIONS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rms_norm_on_torchs_samples(where: str, dtype: torch.dtype) -> None:
    seen = 0
    for x, (shape, *rest), named, wanted in samples("rms_norm", dtype):
        rows, gain = joined(x, shape, named.get("weight", rest[0] if rest else None))
        eps = named.get("eps", rest[1] if len(rest) > 1 else None)
        eps = torch.finfo(dtype).eps if eps is None else eps
        if eps < 0:
            continue
        close(FUNCTIONS[where].rms_norm(rows, gain, eps).reshape(x.shape), wanted)  # type: ignore[attr-defined]
        seen += 1
    assert seen >= 3


@pytest.mark.parametrize("where", list(FUNCTIONS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_group_norm_on_torchs_samples(where: str, dtype: torch.dtype) -> None:
    seen = 0
    for x, (groups, *rest), named, wanted in samples("group_norm", dtype):
        weight, bias = [*rest, None, None][:2]
        eps = named.get("eps", 1e-5)
        if eps < 0 or x.numel() == 0:
            continue
        mine = FUNCTIONS[where].group_norm(  # type: ignore[attr-defined]
            x, groups, named.get("weight", weight), named.get("bias", bias), eps
        )
        close(mine, wanted)
        seen += 1
    assert seen >= 3


def four_axes(x: Tensor) -> Tensor:
    """(batch, channels, …) as an image, which is how a layer knows where the channels are."""
    return x.reshape(x.shape[0], x.shape[1], -1, 1)


def test_batch_norm_on_torchs_samples() -> None:
    seen = 0
    for x, (mean, variance, *rest), named, wanted in samples("batch_norm", torch.float64):
        weight, bias = [*rest, None, None][:2]
        weight, bias = named.get("weight", weight), named.get("bias", bias)
        if x.numel() == 0 or (weight is None) != (bias is None) or named.get("eps", 1e-5) <= 0:
            continue
        layer = make("batch_norm", x.shape[1], affine=weight is not None, eps=named.get("eps", 1e-5)).double()
        if weight is not None:
            layer.load_state_dict({"weight": weight, "bias": bias}, strict=False)
        if mean is not None:
            layer.running_mean.copy_(mean.detach())
            layer.running_var.copy_(variance.detach())
        if not named.get("training", False) and mean is None:
            continue
        layer.train(named.get("training", False))
        close(layer(four_axes(x)).reshape(x.shape), wanted)
        seen += 1
    assert seen >= 3


def test_instance_norm_on_torchs_samples() -> None:
    seen = 0
    for x, arguments, named, wanted in samples("instance_norm", torch.float64):
        if named.get("use_input_stats") is False or arguments[2:] or x.numel() == 0:
            continue
        weight, bias = named.get("weight"), named.get("bias")
        if (weight is None) != (bias is None):
            continue
        layer = make("instance_norm", x.shape[1], eps=named.get("eps", 1e-5), affine=weight is not None).double()
        if weight is not None:
            layer.load_state_dict({"weight": weight, "bias": bias})
        close(layer(four_axes(x)).reshape(x.shape), wanted)
        seen += 1
    assert seen >= 1
