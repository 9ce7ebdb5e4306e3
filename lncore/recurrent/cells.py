"""The plain recurrence, one cell after the other in differentiable torch: what the fused sequences must equal.

Shares are the inputs' part of the gates (time, batch, gates), normalized, with the biases that stand outside the norms.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional

Norm = Callable[[Tensor], Tensor]
State = tuple[Tensor, ...]


def lstm_cell(
    share: Tensor, state: State, u: Tensor, recurrent_norm: Norm, cell_norm: Norm, *, carry: bool
) -> tuple[Tensor, Tensor]:
    """(h, c) after one step; gates in the order i, f, g, o (supplement of Ba et al. 2016).

    c_t = σ(f)⊙c_{t−1} + σ(i)⊙tanh(g), h_t = σ(o)⊙tanh(norm(c_t)). Carried on is c_t as in the paper and haste, or
    norm(c_t) where `carry` says so, as in TF-Addons and PyTorch's fastrnns.
    """
    h, c = state
    i, f, g, o = (share + recurrent_norm(functional.linear(h, u))).chunk(4, -1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    normalized = cell_norm(c)
    return torch.sigmoid(o) * torch.tanh(normalized), normalized if carry else c


def gru_cell(share: Tensor, state: State, u: Tensor, recurrent_norm: Norm, bias: Tensor | None) -> tuple[Tensor]:
    """(h,) after one step; gates in torch's order r, z, n, h_t = (1 − z)⊙n + z⊙h_{t−1}.

    `recurrent_norm` acts on U·h of all three gates and `bias` is added behind it, so that the reset gate multiplies the
    normalized product (supplement of Ba et al. 2016, where z and 1 − z have changed places).
    """
    (h,) = state
    product = recurrent_norm(functional.linear(h, u))
    product = product if bias is None else product + bias
    width = u.shape[1]
    r, z = torch.sigmoid(share[:, : 2 * width] + product[:, : 2 * width]).chunk(2, -1)
    n = torch.tanh(share[:, 2 * width :] + r * product[:, 2 * width :])
    return (n + z * (h - n),)


def run(
    cell: Callable[[int, Tensor, State], State],
    shares: Sequence[Tensor],
    state: State,
    mask: Tensor | None,
    *,
    reverse: bool,
) -> tuple[Tensor, State]:
    """Every step's hidden state (time, batch, hidden), and the last state; `cell` receives step, share and state.

    Where the mask (time, batch) is 0 the state stays as it was. What is returned has the type of the shares, in which a
    state of a wider type may have been computed under autocast.
    """
    outputs: list[Tensor] = []
    for step in _steps(len(shares), reverse):
        after = cell(step, shares[step], state)
        if mask is not None:
            here = mask[step].bool()[:, None]
            after = tuple(torch.where(here, new, old) for new, old in zip(after, state, strict=True))
        state = after
        outputs.append(state[0])
    if reverse:
        outputs.reverse()
    if not outputs:
        return state[0].new_empty(0, *state[0].shape), state
    return torch.stack(outputs).to(shares[0].dtype), tuple(part.to(shares[0].dtype) for part in state)


def _steps(length: int, reverse: bool) -> Iterator[int]:
    return iter(range(length - 1, -1, -1) if reverse else range(length))
