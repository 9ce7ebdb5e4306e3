"""Evaluating a model on a split: every metric over every case, the incomplete last batch too."""

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn

from worker import menus
from worker.loading.data import Data, Split

_BATCH = 1000
"""Cases per batch: evaluation keeps no activations, so it needs not be small."""


def evaluate(model: nn.Module, data: Data, autocast: AbstractContextManager[Any]) -> dict[str, float]:
    """Every metric of every held-out split, by series name; the model is left in training mode."""
    model.eval()
    results: dict[str, float] = {}
    with torch.inference_mode(), autocast:
        for split_name, split in data.held_out.items():
            results |= {f"{split_name}_{name}": value for name, value in _over(model, split).items()}
    model.train()
    return results


def _over(model: nn.Module, split: Split) -> dict[str, float]:
    chosen = menus.metrics()
    # Totals stay on the device until the end: one synchronisation per split. float64 counts millions of cases exactly.
    precision = torch.float64 if split.targets.device.type != "mps" else torch.float32
    totals = {name: torch.zeros((), dtype=precision, device=split.targets.device) for name in chosen}
    for start in range(0, len(split), _BATCH):
        targets = split.targets[start : start + _BATCH]
        logits = model(split.inputs[start : start + _BATCH])
        for name, metric in chosen.items():
            totals[name] += metric.total(logits, targets)
    values = torch.stack(list(totals.values())).tolist()
    return {name: value / len(split) for name, value in zip(totals, values, strict=True)}
