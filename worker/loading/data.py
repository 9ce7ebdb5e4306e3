"""What a dataset gives the trainer: its splits as tensors, and the order in which one epoch is read."""

from dataclasses import dataclass

import torch
from torch import Tensor

_SPLIT_SEED = 20160721
"""One number for every run, so that all runs of a dataset hold out the same cases."""


@dataclass(frozen=True)
class Split:
    """Cases and their targets: inputs (cases, *shape) float32, targets (cases,) int64."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device) -> "Split":
        return Split(self.inputs.to(device), self.targets.to(device))

    def take(self, cases: Tensor) -> "Split":
        return Split(self.inputs[cases], self.targets[cases])


@dataclass(frozen=True)
class Data:
    """A dataset, loaded: train to learn from, validation to choose by, test to report."""

    train: Split
    validation: Split
    test: Split
    classes: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one case."""
        return tuple(self.train.inputs.shape[1:])

    @property
    def held_out(self) -> dict[str, Split]:
        """The splits that are evaluated, by their names in metrics."""
        return {"validation": self.validation, "test": self.test}

    def to(self, device: torch.device) -> "Data":
        return Data(self.train.to(device), self.validation.to(device), self.test.to(device), self.classes)


def hold_out(split: Split, count: int) -> tuple[Split, Split]:
    """`split` without `count` of its cases, and those cases: always the same ones, whatever the seed of a run."""
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(_SPLIT_SEED))
    return split.take(order[count:]), split.take(order[:count])


def epoch_order(seed: int, epoch: int, cases: int) -> Tensor:
    """The order in which epoch number `epoch` of a run with this seed reads `cases` cases: a function of the two alone.

    So a resumed run needs no record of it, and all variants of one seed see the same batches.
    """
    mixed = (seed * 0x9E3779B97F4A7C15 + epoch * 0xBF58476D1CE4E5B9 + 1) & 0x7FFFFFFFFFFFFFFF
    return torch.randperm(cases, generator=torch.Generator().manual_seed(mixed))
