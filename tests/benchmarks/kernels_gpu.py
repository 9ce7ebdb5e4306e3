"""The normalization functions on a GPU against eager torch, torch.compile and Liger, at published shapes."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lncore import kernels
from lncore.recurrent import LSTM
from tests.benchmarks.kernels_timing import in_turns

BF16, FP16, FP32 = torch.bfloat16, torch.float16, torch.float32
# Rows, columns, type; the weights are float32 in A as in QuACK's tables, and of x's type in the others.
SHAPES: dict[str, list[tuple[int, int, torch.dtype]]] = {
    "A": [*((32768, 1 << k, BF16) for k in range(8, 16)), (16384, 131072, BF16)],
    "B": [(4096, 1 << k, FP32) for k in range(10, 15)],
    "C": [(4096, n, FP16) for n in range(1024, 15873, 2048)],
    "D": [(16384, n, FP16) for n in (1024, 2048, 4096)],
    "E": [(140, 4096, BF16), (8, 4096, BF16), (1024, 4096, BF16), (60, 768, BF16), (8, 256, BF16), (4096, 769, BF16)],
}
# H200; other devices are measured against their own copy alone.
NOMINAL_BYTES = {"NVIDIA H200": 4.8e12}


def measure(seconds: float, *, quick: bool) -> Iterator[dict[str, Any]]:
    """One record for each table, shape, function and direction: seconds of clone, eager, compile, Liger, lncore."""
    for table, shapes in SHAPES.items():
        for m, n, dtype in shapes[::4] if quick else shapes:
            for name, ways in _functions(table == "A").items():
                yield from _measure_one(table, name, ways, (m, n, dtype), seconds)


def measure_lstm(seconds: float) -> Iterator[dict[str, Any]]:
    """A training step of the normalized LSTM against cuDNN's LSTM."""
    for hidden, batch in ((128, 32), (512, 64), (768, 16)):
        x = torch.randn(100, batch, hidden, device="cuda", dtype=FP32)
        layers = {"cudnn": nn.LSTM(hidden, hidden).cuda(), "lncore": LSTM(hidden, hidden).cuda()}
        calls = {name: _lstm_step(layer, x) for name, layer in layers.items()}
        times = in_turns(calls, seconds, rounds=3, settle=torch.cuda.synchronize)
        yield {"cell": "LSTM", "hidden": hidden, "batch": batch, "steps": 100, **times}


def _lstm_step(layer: nn.Module, x: Tensor) -> Callable[[], None]:
    return lambda: layer(x)[0].sum().backward()


def _functions(wide_weights: bool) -> dict[str, dict[str, Callable[..., Any]]]:
    """What is compared, by function and by whose it is; torch wants weights of x's type, so it gets them cast."""

    def torch_layer(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        same = (w.to(x.dtype), b.to(x.dtype)) if wide_weights else (w, b)
        return functional.layer_norm(x, x.shape[1:], *same, 1e-5)

    def torch_rms(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return functional.rms_norm(x, x.shape[1:], w.to(x.dtype) if wide_weights else w, 1e-5)

    layer = {"eager": torch_layer, "lncore": lambda x, w, b: kernels.layer_norm(x, w, b, 1e-5)}
    rms = {"eager": torch_rms, "lncore": lambda x, w, b: kernels.rms_norm(x, w, 1e-5)}  # noqa: ARG005
    if find_spec("liger_kernel") is not None:
        from liger_kernel.ops.layer_norm import LigerLayerNormFunction  # type: ignore[import-not-found]
        from liger_kernel.ops.rms_norm import LigerRMSNormFunction  # type: ignore[import-not-found]

        layer["Liger"] = lambda x, w, b: LigerLayerNormFunction.apply(x, w, b, 1e-5)
        rms["Liger"] = lambda x, w, b: LigerRMSNormFunction.apply(x, w, 1e-5)  # noqa: ARG005
    for ways in (layer, rms):
        ways["compile"] = torch.compile(ways["eager"], dynamic=False)
    return {"layer_norm": layer, "rms_norm": rms}


def _measure_one(
    table: str, name: str, ways: dict[str, Callable[..., Any]], shape: tuple[int, int, torch.dtype], seconds: float
) -> Iterator[dict[str, Any]]:
    m, n, dtype = shape
    x = torch.randn(m, n, device="cuda", dtype=dtype)
    weights = FP32 if table == "A" else dtype
    parameters = [torch.randn(n, device="cuda", dtype=weights) for _ in range(2)]
    upper = torch.randn_like(x)
    for direction, passes in (("forward", 2), ("backward", 3)):
        calls = {way: _call(function, x, parameters, upper, direction) for way, function in ways.items()}
        times = in_turns({"clone": x.clone, **calls}, seconds, rounds=5, settle=torch.cuda.synchronize)
        moved = passes * x.numel() * x.element_size()
        yield {"table": table, "function": name, "shape": (m, n), "type": str(dtype).removeprefix("torch."),
               "direction": direction, "bytes": moved, **times}  # fmt: skip


def _call(
    function: Callable[..., Any], x: Tensor, parameters: list[Tensor], upper: Tensor, direction: str
) -> Callable[[], object]:
    if direction == "forward":
        return lambda: function(x, *parameters)
    leaf = x.clone().requires_grad_()
    leaves = [leaf, *(parameter.clone().requires_grad_() for parameter in parameters)]
    y = function(*leaves)
    return lambda: torch.autograd.grad(y, leaves, upper, retain_graph=True, allow_unused=True)
