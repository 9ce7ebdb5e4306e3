"""The layer-normalized LSTM of the paper's supplement, with the choices of its known ports."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from lncore.kernels.plan import Plan
from lncore.kernels.route import sequences_for
from lncore.norms.layer_norm import LayerNorm
from lncore.recurrent.arguments import check_flags, check_numbers
from lncore.recurrent.cells import State, lstm_cell, run
from lncore.recurrent.paths import MakesNorm, Recognized, at_step, make, recognize
from lncore.recurrent.sequence import lstm_sequence
from lncore.recurrent.shares import input_share
from lncore.recurrent.stack import Place, Stack


class LSTM(Stack):
    """LSTM whose gates and cell are normalized at every step; called as torch.nn.LSTM is.

    (i, f, g, o) = norm(W x_t) + norm(U h_{t−1}) + b, each norm over the joint 4H vector;
    c_t = σ(f)⊙c_{t−1} + σ(i)⊙tanh(g); h_t = σ(o)⊙tanh(norm(c_t)).

    Source: Ba, Kiros, Hinton 2016 (arXiv 1607.06450), supplement. Ports differ: haste adds one bias, a forget bias of 1
    and no β on the gates (`forget_bias=1`); TF-Addons (ε 1e-3) and PyTorch's fastrnns carry the normalized cell
    (`normalize_cell_state="carry"`); the authors' Theano code adds b inside norm(W x + b) and again after it
    (`inner_bias=True`). With scalar inputs norm(W x) keeps little but the sign of x, unless a bias is learned inside.

    Parameters have torch's names and layout, so that without norms (`norm=None`) it loads torch.nn.LSTM's state; the
    norms are `input_norm_l0`, `recurrent_norm_l0`, `cell_norm_l0` and so on.

    Options:
        norm: factory (width → module) of all three norms; None for an ordinary LSTM
        input_norm, recurrent_norm, cell_norm: the norm of one path instead ("norm" takes the common one)
        normalize_cell_state: whether the normalized cell only shapes the output, as in the paper, or is carried on
        forget_bias: what the forget gate's bias starts at; 0 in the authors' code, 1 in most others
        gain_init: where the gains of the norms start (the paper: 1, outputs of unit size); None leaves it to them
        inner_bias: add the input bias inside the input norm too
        fused: take the fused steps where there are some; False always goes cell by cell
        device, dtype: where and in which type parameters and buffers are held
    Raises: ValueError for sizes below 1, for inputs of another width, for states and masks that don't fit, for a norm
        that acts on weights; TypeError for inputs, states and norms of the wrong type
    """

    gates = 4
    states = 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        norm: MakesNorm = LayerNorm,
        input_norm: MakesNorm | Literal["norm"] = "norm",
        recurrent_norm: MakesNorm | Literal["norm"] = "norm",
        cell_norm: MakesNorm | Literal["norm"] = "norm",
        normalize_cell_state: Literal["output", "carry"] = "output",
        forget_bias: float = 0.0,
        gain_init: float | None = None,
        inner_bias: bool = False,
        fused: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
        if normalize_cell_state not in {"output", "carry"}:
            raise ValueError(f'normalize_cell_state is {normalize_cell_state!r}, but must be "output" or "carry".')
        check_flags(type(self).__name__, inner_bias=inner_bias, fused=fused)
        check_numbers(type(self).__name__, forget_bias=forget_bias, gain_init=gain_init)
        if forget_bias and not bias:
            raise ValueError(f"A forget bias of {forget_bias} needs bias=True.")
        self.carry = normalize_cell_state == "carry"
        self.inner_bias, self.fused = inner_bias, fused
        paths = {"input_norm": input_norm, "recurrent_norm": recurrent_norm, "cell_norm": cell_norm}
        for place in self.places():
            self.make_weights(place)
            if bias:
                self.at("bias_ih", place).data[hidden_size : 2 * hidden_size] = forget_bias
            for name, factory in paths.items():
                width = hidden_size if name == "cell_norm" else 4 * hidden_size
                module = make(norm if factory == "norm" else factory, width, gain_init)
                self.add_module(name + place.suffix, module)
        self.to(device, dtype)

    def run_place(self, place: Place, x: Tensor, state: State, mask: Tensor | None) -> tuple[Tensor, State]:
        known = self._recognized(place)
        fused = sequences_for(x, self.at("weight_hh", place), *state) if known is not None and len(x) else None
        if fused is None or known is None:
            return self._cell_by_cell(place, x, state, mask)
        recurrent, cell = known
        bias = _sum(self.at("bias_ih", place), self.at("bias_hh", place), recurrent.bias)
        share = self._share(place, x, mask, bias)
        plan = Plan(recurrent.name, (recurrent.eps, 0.0), cell.name, cell.eps, self.carry, reverse=place.reverse)
        u, (h0, c0) = self.at("weight_hh", place), state
        y, last = lstm_sequence(fused, plan, mask, share, u, h0, c0, recurrent.gain, cell.gain, cell.bias)
        return y, (y[0 if place.reverse else -1], last)

    def _recognized(self, place: Place) -> tuple[Recognized, Recognized] | None:
        recurrent, cell = recognize(self.at("recurrent_norm", place)), recognize(self.at("cell_norm", place))
        return None if not self.fused or recurrent is None or cell is None else (recurrent, cell)

    def _share(self, place: Place, x: Tensor, mask: Tensor | None, bias: Tensor | None) -> Tensor:
        inner = self.at("bias_ih", place) if self.inner_bias else None
        projected = functional.linear(x, self.at("weight_ih", place), inner)
        return input_share(self.at("input_norm", place), projected, mask, bias)

    def _cell_by_cell(self, place: Place, x: Tensor, state: State, mask: Tensor | None) -> tuple[Tensor, State]:
        shares = self._share(place, x, mask, _sum(self.at("bias_ih", place), self.at("bias_hh", place)))
        u, recurrent, cell = (self.at(name, place) for name in ("weight_hh", "recurrent_norm", "cell_norm"))

        def step(index: int, share: Tensor, state: State) -> State:
            valid = None if mask is None else mask[index]
            norms = at_step(recurrent, index, valid), at_step(cell, index, valid)
            return lstm_cell(share, state, u, *norms, carry=self.carry)

        return run(step, shares.unbind(0), state, mask, reverse=place.reverse)


def _sum(*terms: Tensor | None) -> Tensor | None:
    """The sum of what is there."""
    present = [term for term in terms if term is not None]
    return torch.stack(present).sum(0) if present else None
