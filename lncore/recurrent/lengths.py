"""Sequences of different lengths: masks from lengths, from padding and from packed sequences."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


class Padded(NamedTuple):
    """A batch (time, batch, features), the mask (time, batch) of what is not padding, and how to give it back."""

    x: Tensor
    mask: Tensor | None
    packed: PackedSequence | None = None


def mask_of_lengths(lengths: Tensor | Sequence[int], steps: int, batch: int, device: torch.device) -> Tensor:
    """True (time, batch) at the first `lengths[b]` steps of each sequence b.

    Raises TypeError for lengths that are no whole numbers, ValueError unless there is one for each sequence, from 0 to
    `steps`. A compiled call doesn't look at their values, which would break its graph.
    """
    lengths = _as_tensor(lengths)
    if lengths.shape != (batch,):
        raise ValueError(f"lengths is {tuple(lengths.shape)}, but must be ({batch},), one for each sequence.")
    compiling = torch.compiler.is_compiling()
    if not compiling and batch and not 0 <= int(lengths.min()) <= int(lengths.max()) <= steps:
        raise ValueError(f"Lengths must lie between 0 and the {steps} steps given, but are {lengths.tolist()}.")
    return torch.arange(steps, device=device)[:, None] < lengths.to(device)[None, :]


def _as_tensor(lengths: Tensor | Sequence[int]) -> Tensor:
    if isinstance(lengths, Tensor):
        whole = not (lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool)
    else:
        whole = isinstance(lengths, (list, tuple)) and all(type(length) is int for length in lengths)
    if not whole:
        raise TypeError(
            f"lengths is {lengths!r}, but must be a tensor or list of whole numbers, one for each sequence."
        )
    return lengths if isinstance(lengths, Tensor) else torch.tensor(lengths, dtype=torch.long)


def check_mask(mask: Tensor, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless `mask` has that shape (the input's without its features), TypeError unless it is boolean.

    Other types are refused since a mask of numbers may mean either what to keep or what to add.
    """
    if isinstance(mask, Tensor) and mask.shape != shape:
        raise ValueError(f"A recurrent layer got a mask of {tuple(mask.shape)} for steps of {shape}: make it {shape}.")
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        given = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(
            f"A mask must be a boolean tensor, True where there is a step, but is {given}: use mask.bool()."
        )


def without_padding(x: Tensor, mask: Tensor | None) -> Padded:
    """X (time, batch, features) with zeros where the mask (time, batch) is False.

    Otherwise NaN there, times a gradient of 0, would be NaN in every weight's gradient.
    """
    return Padded(x if mask is None else x.masked_fill(~mask[..., None], 0), mask)


def unpack(packed: PackedSequence) -> Padded:
    """A packed sequence as a padded batch, in the order its maker had it in."""
    x, lengths = pad_packed_sequence(packed)
    return Padded(x, mask_of_lengths(lengths, x.shape[0], x.shape[1], x.device), packed)


def pack_like(y: Tensor, mask: Tensor, packed: PackedSequence) -> PackedSequence:
    """The padded outputs (time, batch, features), packed as the input was."""
    lengths = mask.sum(0).cpu()
    if packed.sorted_indices is None:
        return pack_padded_sequence(y, lengths, enforce_sorted=True)
    repacked = pack_padded_sequence(y[:, packed.sorted_indices], lengths[packed.sorted_indices.cpu()])
    return PackedSequence(repacked.data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
