"""Sequences of different lengths: masks from lengths, from padding and from packed sequences."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


class Padded(NamedTuple):
    """A batch (time, batch, features), the mask (time, batch) of what is not padding, and how to give it back."""

    x: Tensor
    mask: Tensor | None
    packed: PackedSequence | None = None


def mask_of_lengths(lengths: Tensor, steps: int) -> Tensor:
    """True (time, batch) at the first `lengths[b]` steps of each sequence b.

    Raises ValueError for a length below 0 or above `steps`.
    """
    if lengths.numel() and not 0 <= int(lengths.min()) <= int(lengths.max()) <= steps:
        raise ValueError(f"Lengths must lie between 0 and the {steps} steps given, but are {lengths.tolist()}.")
    return torch.arange(steps, device=lengths.device)[:, None] < lengths[None, :]


def unpack(packed: PackedSequence) -> Padded:
    """A packed sequence as a padded batch, in the order its maker had it in."""
    x, lengths = pad_packed_sequence(packed)
    return Padded(x, mask_of_lengths(lengths.to(x.device), x.shape[0]), packed)


def pack_like(y: Tensor, mask: Tensor, packed: PackedSequence) -> PackedSequence:
    """The padded outputs (time, batch, features), packed as the input was."""
    lengths = mask.sum(0).cpu()
    if packed.sorted_indices is None:
        return pack_padded_sequence(y, lengths, enforce_sorted=True)
    repacked = pack_padded_sequence(y[:, packed.sorted_indices], lengths[packed.sorted_indices.cpu()])
    return PackedSequence(repacked.data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
