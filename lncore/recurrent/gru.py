"""The layer-normalized GRU of the paper's supplement, and haste's with one norm over all three gates."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from lncore.kernels.plan import Plan
from lncore.kernels.route import sequences_for
from lncore.norms.layer_norm import LayerNorm
from lncore.recurrent.arguments import check_flags, check_numbers
from lncore.recurrent.cells import State, gru_cell, run
from lncore.recurrent.paths import MakesNorm, Recognized, at_step, make, recognize
from lncore.recurrent.sequence import gru_sequence
from lncore.recurrent.shares import input_share
from lncore.recurrent.stack import Place, Stack


class GRU(Stack):
    """GRU whose gates are normalized at every step; called as torch.nn.GRU is.

    (r, z) = norm(W_g x_t) + norm(U_g h_{t−1}) + b, each norm over 2H;
    n = tanh(norm(W x_t) + b + σ(r)⊙(norm(U h_{t−1}) + b')), each over H; h_t = (1 − σ(z))⊙n + σ(z)⊙h_{t−1}.

    Source: Ba, Kiros, Hinton 2016 (arXiv 1607.06450), supplement. The paper's z is torch's 1 − z, only the sign of
    its weights; the authors' code has torch's. haste normalizes all three gates together over 3H (`joint=True`). The
    reset gate acts after the product in all of them.

    Parameters have torch's names and layout, so that without norms (`norm=None`) it loads torch.nn.GRU's state; the
    norms are `input_norm_l0`, `recurrent_norm_l0` and so on, each with `gates` and `candidate`, or `joint`.

    Options:
        norm: factory (width → module) of the norms of both paths; None for an ordinary GRU
        input_norm, recurrent_norm: the norm of one path instead ("norm" takes the common one)
        joint: one norm over all three gates of a path instead of one over r, z and one over n
        gain_init: where the gains of the norms start (the paper: 1, outputs of unit size); None leaves it to them
        inner_bias: add the input bias inside the input norms too; the authors' code has it there alone, which is the
            same function, since the norms have a bias of their own behind
        fused: take the fused steps where there are some; False always goes cell by cell
        device, dtype: where and in which type parameters and buffers are held
    Raises: ValueError for sizes below 1, for inputs of another width, for states and masks that don't fit, for a norm
        that acts on weights; TypeError for inputs, states and norms of the wrong type
    """

    gates = 3
    states = 1

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
        joint: bool = False,
        gain_init: float | None = None,
        inner_bias: bool = False,
        fused: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
        check_flags(type(self).__name__, joint=joint, inner_bias=inner_bias, fused=fused)
        check_numbers(type(self).__name__, gain_init=gain_init)
        self.joint, self.inner_bias, self.fused = joint, inner_bias, fused
        paths = {"input_norm": input_norm, "recurrent_norm": recurrent_norm}
        for place in self.places():
            self.make_weights(place)
            for name, factory in paths.items():
                chosen = norm if factory == "norm" else factory
                self.add_module(name + place.suffix, GateNorms(chosen, hidden_size, joint, gain_init))
        self.to(device, dtype)

    def run_place(self, place: Place, x: Tensor, state: State, mask: Tensor | None) -> tuple[Tensor, State]:
        known = self.at("recurrent_norm", place).recognized() if self.fused else None
        fused = sequences_for(x, self.at("weight_hh", place), *state) if known is not None and len(x) else None
        if fused is None or known is None:
            return self._cell_by_cell(place, x, state, mask)
        gates, candidate = known[0], known[-1]
        bias_hh = self.at("bias_hh", place)
        outer, inner = _split_bias(bias_hh, self._norm_bias(known), self.hidden_size)
        share = self._share(place, x, mask, outer)
        gain = gates.gain if self.joint else _both(gates.gain, candidate.gain)
        plan = Plan(gates.name, (gates.eps, candidate.eps), joint=self.joint, reverse=place.reverse)
        y = gru_sequence(fused, plan, mask, share, self.at("weight_hh", place), state[0], gain, inner)
        return y, (y[0 if place.reverse else -1],)

    def _norm_bias(self, known: tuple[Recognized, ...]) -> Tensor | None:
        return known[0].bias if self.joint else _both(known[0].bias, known[1].bias)

    def _share(self, place: Place, x: Tensor, mask: Tensor | None, outer: Tensor | None) -> Tensor:
        """The normalized input products with b_ih, and with `outer` added to them in the same pass."""
        weight, bias = self.at("weight_ih", place), self.at("bias_ih", place)
        total = bias if outer is None else outer if bias is None else bias + outer
        return self.at("input_norm", place).of_product(x, weight, bias if self.inner_bias else None, mask, total)

    def _cell_by_cell(self, place: Place, x: Tensor, state: State, mask: Tensor | None) -> tuple[Tensor, State]:
        shares = self._share(place, x, mask, None)
        u, bias, norms = (self.at(name, place) for name in ("weight_hh", "bias_hh", "recurrent_norm"))

        def step(index: int, share: Tensor, state: State) -> State:
            valid = None if mask is None else mask[index]
            return gru_cell(share, state, u, lambda product: norms(product, index, valid), bias)

        return run(step, shares.unbind(0), state, mask, reverse=place.reverse)


class GateNorms(nn.Module):
    """The norms of one path's three gates: `gates` over r and z with `candidate` over n, or `joint` over all."""

    def __init__(self, factory: MakesNorm, hidden: int, joint: bool, gain_init: float | None) -> None:
        super().__init__()
        self.hidden = hidden
        widths = {"joint": 3 * hidden} if joint else {"gates": 2 * hidden, "candidate": hidden}
        for name, width in widths.items():
            self.add_module(name, make(factory, width, gain_init))

    def parts(self) -> list[tuple[nn.Module, slice]]:
        """Each norm with the gates it covers."""
        if hasattr(self, "joint"):
            return [(self.get_submodule("joint"), slice(None))]
        cut = 2 * self.hidden
        return [(self.get_submodule("gates"), slice(cut)), (self.get_submodule("candidate"), slice(cut, None))]

    def recognized(self) -> tuple[Recognized, ...] | None:
        """The norms in the terms of the fused steps, or None where they don't know one."""
        found = [recognize(norm) for norm, _ in self.parts()]
        return None if any(norm is None for norm in found) else tuple(norm for norm in found if norm is not None)

    def forward(self, product: Tensor, step: int, valid: Tensor | None) -> Tensor:
        """U·h (batch, 3·hidden) normalized at a step."""
        return torch.cat([at_step(norm, step, valid)(product[:, part]) for norm, part in self.parts()], -1)

    def of_product(
        self, x: Tensor, weight: Tensor, inner: Tensor | None, mask: Tensor | None, bias: Tensor | None
    ) -> Tensor:
        """norm(x·weightᵀ + inner) + bias over (time, batch, 3·hidden), a product for each norm."""
        shares = []
        for norm, part in self.parts():
            projected = functional.linear(x, weight[part], None if inner is None else inner[part])
            shares.append(input_share(norm, projected, mask, None if bias is None else bias[part]))
        return shares[0] if len(shares) == 1 else torch.cat(shares, -1)


def _split_bias(first: Tensor | None, second: Tensor | None, hidden: int) -> tuple[Tensor | None, Tensor | None]:
    """The biases behind the recurrent norm: for r and z, to be added to the input share; for n, inside the reset."""
    total = first if second is None else second if first is None else first + second
    if total is None:
        return None, None
    return functional.pad(total[: 2 * hidden], (0, hidden)), total[2 * hidden :]


def _both(gates: Tensor | None, candidate: Tensor | None) -> Tensor | None:
    return None if gates is None or candidate is None else torch.cat((gates, candidate))
