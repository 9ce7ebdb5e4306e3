"""A training step of the normalized LSTM and GRU against torch's without normalization, cell by cell, and the floor."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lncore.recurrent import GRU, LSTM
from tests.benchmarks.kernels_timing import in_turns

HIDDEN = [128, 256, 512]
BATCH = [32, 128]
STEPS = 64


def measure(seconds: float, *, quick: bool) -> Iterator[dict[str, Any]]:
    """One record for each cell, width and batch: seconds of torch, lncore, lncore cell by cell, and the products."""
    for ours, torchs, gates in ((LSTM, nn.LSTM, 4), (GRU, nn.GRU, 3)):
        for hidden in HIDDEN[:2] if quick else HIDDEN:
            for batch in BATCH[:1] if quick else BATCH:
                torch.manual_seed(0)
                x = torch.randn(STEPS, batch, hidden)
                layers: dict[str, nn.Module] = {
                    "torch": torchs(hidden, hidden),
                    "lncore": ours(hidden, hidden),
                    "cells": ours(hidden, hidden, fused=False),
                }
                calls = {name: _training_step(layer, x) for name, layer in layers.items()}
                calls["products"] = _products(x, gates)
                times = in_turns(calls, seconds, rounds=5)
                yield {"cell": torchs.__name__, "hidden": hidden, "batch": batch, "steps": STEPS, **times}


def _training_step(layer: nn.Module, x: Tensor) -> Callable[[], None]:
    leaf = x.clone().requires_grad_()

    def step() -> None:
        layer.zero_grad(set_to_none=True)
        leaf.grad = None
        y, _ = layer(leaf)
        y.sum().backward()

    return step


def _products(x: Tensor, gates: int) -> Callable[[], None]:
    """The matrix products alone that a step can't do without: one forward and one backward each step, five at once."""
    steps, batch, hidden = x.shape
    w, u = torch.randn(gates * hidden, hidden), torch.randn(gates * hidden, hidden)
    h, dh, g = torch.randn(batch, hidden), torch.empty(batch, hidden), torch.randn(batch, gates * hidden)
    rows, all_gates = x.view(-1, hidden), torch.randn(steps * batch, gates * hidden)

    def products() -> None:
        _ = rows @ w.t()
        for _ in range(steps):
            torch.mm(h, u.t(), out=g)
        for _ in range(steps):
            torch.mm(g, u, out=dh)
        _ = all_gates.t() @ rows, all_gates.t() @ rows, all_gates @ w

    return products
