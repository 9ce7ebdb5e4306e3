"""What the normalized LSTM and GRU share: torch.nn's calling convention, layers, directions, lengths, dropout."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from lncore.recurrent.arguments import check_flags, check_numbers, check_sizes
from lncore.recurrent.cells import State
from lncore.recurrent.lengths import Padded, check_mask, mask_of_lengths, pack_like, unpack, without_padding


class Place(NamedTuple):
    """One layer in one direction; its parameters carry torch's suffix (`_l0`, `_l0_reverse`)."""

    layer: int
    reverse: bool

    @property
    def suffix(self) -> str:
        return f"_l{self.layer}" + ("_reverse" if self.reverse else "")


class Stack(nn.Module, ABC):
    """Layers of one recurrent cell; subclasses make a place's parameters and run it over a sequence."""

    gates: int
    """How many gates the cell has: the weights are (gates·hidden_size, …)."""
    states: int
    """How many tensors make its state: 1 (h) or 2 (h, c)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
    ) -> None:
        super().__init__()
        check_sizes(type(self).__name__, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        check_flags(type(self).__name__, bias=bias, batch_first=batch_first, bidirectional=bidirectional)
        check_numbers(type(self).__name__, dropout=dropout)
        if not 0 <= dropout <= 1:
            raise ValueError(f"{type(self).__name__}: dropout is {dropout}, but must be a probability from 0 to 1.")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout, self.bidirectional = bias, batch_first, dropout, bidirectional

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    def places(self) -> list[Place]:
        """Every layer and direction, in torch's order of states."""
        return [
            Place(layer, reverse) for layer in range(self.num_layers) for reverse in (False, True)[: self.directions]
        ]

    def make_weights(self, place: Place) -> None:
        """Torch's parameters of one place: Glorot-uniform input weights, orthogonal recurrent ones, zero biases.

        Orthogonal per gate is what the authors' code does; torch itself draws everything from U(±1/√hidden).
        """
        width = self.input_size if place.layer == 0 else self.hidden_size * self.directions
        weight_ih = torch.empty(self.gates * self.hidden_size, width)
        weight_hh = torch.empty(self.gates * self.hidden_size, self.hidden_size)
        for gate in weight_ih.chunk(self.gates):
            nn.init.xavier_uniform_(gate)
        for gate in weight_hh.chunk(self.gates):
            nn.init.orthogonal_(gate)
        parameters = {"weight_ih": weight_ih, "weight_hh": weight_hh}
        if self.bias:
            parameters |= {name: torch.zeros(self.gates * self.hidden_size) for name in ("bias_ih", "bias_hh")}
        for name, value in parameters.items():
            self.register_parameter(name + place.suffix, nn.Parameter(value))

    def at(self, name: str, place: Place) -> Any:
        """The parameter or norm `name` of a place; None where it has none."""
        return getattr(self, name + place.suffix, None)

    @abstractmethod
    def run_place(self, place: Place, x: Tensor, state: State, mask: Tensor | None) -> tuple[Tensor, State]:
        """Outputs (time, batch, hidden) and last state of one place over x (time, batch, features)."""

    def forward(
        self,
        input: Tensor | PackedSequence,  # noqa: A002 - torch's name for it
        hx: Any = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Any, Any]:
        """The outputs of the last layer and the last states, exactly as torch.nn.LSTM and torch.nn.GRU return them.

        input is (time, batch, features), (batch, time, features) with `batch_first`, (time, features) for one
        sequence, or a PackedSequence. hx is the initial state (layers·directions, batch, hidden), a pair for
        an LSTM, zero without one. Sequences of different lengths may be given padded, with either
        `lengths` (batch), or a boolean `mask` shaped as the input without its features; where a sequence has ended
        its state stays and its output is zero, whatever the padding holds.
        A sequence without steps returns its initial state. Raises ValueError for shapes that don't fit together and for
        arguments that exclude each other, TypeError for what has the wrong type.
        """
        padded, unbatched = self._padded(input, lengths, mask)
        states = self._initial(hx, padded.x, unbatched)
        x, finals = padded.x, []
        for layer in range(self.num_layers):
            outputs = []
            for reverse in (False, True)[: self.directions]:
                index = layer * self.directions + reverse
                start = tuple(state[index] for state in states)
                y, final = self.run_place(Place(layer, reverse), x, start, padded.mask)
                outputs.append(y)
                finals.append(final)
            x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, -1)
            x = x if padded.mask is None else x * padded.mask[..., None].to(x.dtype)
            if self.dropout and self.training and layer < self.num_layers - 1:
                x = functional.dropout(x, self.dropout)
        last = tuple(torch.stack([final[part] for final in finals]) for part in range(self.states))
        return self._returned(x, last, padded, unbatched)

    def _padded(
        self, x: Tensor | PackedSequence, lengths: Tensor | Sequence[int] | None, mask: Tensor | None
    ) -> tuple[Padded, bool]:
        self._check_input(x)
        if isinstance(x, PackedSequence):
            if lengths is not None or mask is not None:
                raise ValueError(
                    f"{type(self).__name__}: a PackedSequence has its lengths: leave out lengths and mask."
                )
            return unpack(x), False
        if lengths is not None and mask is not None:
            raise ValueError(f"{type(self).__name__} takes lengths or a mask, not both: leave out one.")
        if mask is not None:
            check_mask(mask, tuple(x.shape[:-1]))
            mask = mask.to(x.device)
        unbatched = x.dim() == 2
        steps_first = self._steps_first(x)
        if lengths is not None:
            mask = mask_of_lengths(lengths, len(steps_first), steps_first.shape[1], x.device)
        elif mask is not None:
            mask = self._steps_first(mask[..., None]).squeeze(-1)
        return without_padding(steps_first, mask), unbatched

    def _steps_first(self, x: Tensor) -> Tensor:
        """(time, batch, …) of what came as the caller lays it out."""
        return x.unsqueeze(1) if x.dim() == 2 else x.transpose(0, 1) if self.batch_first else x

    def _check_input(self, x: Tensor | PackedSequence) -> None:
        name, values = type(self).__name__, x.data if isinstance(x, PackedSequence) else x
        if not isinstance(values, Tensor):
            raise TypeError(f"{name} got {type(x).__name__}, but takes a tensor or a PackedSequence.")
        if not isinstance(x, PackedSequence) and x.dim() not in {2, 3}:
            raise ValueError(
                f"{name} got {x.dim()} axes, but takes (time, batch, features), one sequence (time, features), or a "
                "PackedSequence."
            )
        if not values.is_floating_point():
            raise TypeError(f"{name} got {values.dtype}, but takes floating point numbers: use x.float().")
        if values.shape[-1] != self.input_size:
            raise ValueError(
                f"{name} of input size {self.input_size} got {values.shape[-1]} features on the last axis of "
                f"{tuple(values.shape)}."
            )
        held = self.at("weight_ih", Place(0, reverse=False)).dtype
        if not _may_meet(values, held):
            raise TypeError(
                f"{name} of {held} got {values.dtype}: use x.to({held}), or make the layer with dtype={values.dtype}."
            )

    def _initial(self, hx: Any, x: Tensor, unbatched: bool) -> State:
        places, batch = self.num_layers * self.directions, x.shape[1]
        if hx is None:
            return tuple(x.new_zeros(places, batch, self.hidden_size) for _ in range(self.states))
        states = self._as_states(hx)
        shape = (places, self.hidden_size) if unbatched else (places, batch, self.hidden_size)
        for state in states:
            if state.shape != shape:
                axes = "(layers · directions, hidden)" if unbatched else "(layers · directions, batch, hidden)"
                raise ValueError(
                    f"{type(self).__name__}: the initial state is {tuple(state.shape)}, but must be {shape} {axes}."
                )
            self._check_meets(state, x)
        return tuple(state.unsqueeze(1) if unbatched else state for state in states)

    def _check_meets(self, state: Tensor, x: Tensor) -> None:
        """Raise ValueError for an initial state on another device than x, TypeError for one of another type."""
        name = type(self).__name__
        if state.device != x.device:
            raise ValueError(
                f"{name}: the initial state is on {state.device}, but the input on {x.device}: use hx.to(x.device)."
            )
        if not _may_meet(state, x.dtype):
            raise TypeError(
                f"{name}: the initial state is {state.dtype}, but the input {x.dtype}: use hx.to({x.dtype})."
            )

    def _as_states(self, hx: Any) -> State:
        """The initial state as `states` tensors; raises TypeError unless it is those."""
        states = (hx,) if self.states == 1 else tuple(hx) if isinstance(hx, (tuple, list)) else ()
        fitting = all(isinstance(state, Tensor) and state.is_floating_point() for state in states)
        if len(states) != self.states or not fitting:
            right = "one floating point tensor" if self.states == 1 else "a pair (h, c) of floating point tensors"
            raise TypeError(f"{type(self).__name__}: the initial state must be {right}, but is {_described(hx)}.")
        return states

    def _returned(self, y: Tensor, last: State, padded: Padded, unbatched: bool) -> tuple[Any, Any]:
        if unbatched:
            y, last = y.squeeze(1), tuple(state.squeeze(1) for state in last)
        outputs: Any = y
        if padded.packed is not None and padded.mask is not None:
            outputs = pack_like(y, padded.mask, padded.packed)
        elif self.batch_first and not unbatched:
            outputs = y.transpose(0, 1)
        return outputs, last if self.states > 1 else last[0]

    def flatten_parameters(self) -> None:
        """Do nothing: torch.nn.LSTM lays its weights out for cuDNN here, and code written for it calls this."""

    def extra_repr(self) -> str:
        return (
            f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, bidirectional={self.bidirectional}"
        )


def _may_meet(x: Tensor, dtype: torch.dtype) -> bool:
    """Whether x and numbers of `dtype` compute together: of one type, or under autocast, which leaves float64 alone."""
    wide = torch.float64 in {x.dtype, dtype}
    return x.dtype == dtype or (not wide and torch.is_autocast_enabled(x.device.type))


def _described(given: Any) -> str:
    """What a caller gave in place of a state, in words."""
    if isinstance(given, Tensor):
        return f"a tensor of {given.dtype}"
    if isinstance(given, (tuple, list)):
        return f"a {type(given).__name__} of {len(given)}"
    return f"{type(given).__name__}"
