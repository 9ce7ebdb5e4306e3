"""Warming a runner up: everything a first step pays for is paid before the first run comes."""

import torch
from torch.nn.functional import cross_entropy

from lncore.menu import normalization
from worker.architectures.mlp import Mlp
from worker.training.learner import choose_device

_HIDDEN = 32
_CASES = 4


def warm_up(device: str, threads: int) -> torch.device:
    """Make a throw-away optimizer step through lncore's kernels; gives the device.

    A bare `import torch` leaves seconds for the first step; after this it takes hundredths. `threads` is how many
    threads the process computes with, 0 for torch's choice.
    """
    if threads:
        torch.set_num_threads(threads)
    chosen = choose_device(device)
    for kind in ("layer_norm", "batch_norm"):
        _throw_away_step(kind, chosen)
    return chosen


def describe_device(device: torch.device) -> str:
    """The name of the GPU, or of the instructions and threads of the CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{torch.backends.cpu.get_cpu_capability()}, {threads} thread{'s' * (threads != 1)}"


def _throw_away_step(kind: str, device: torch.device) -> None:
    model = Mlp((1, 8, 8), 10, normalization(kind), hidden=(_HIDDEN,)).to(device)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    inputs = torch.zeros(_CASES, 1, 8, 8, device=device)
    targets = torch.zeros(_CASES, dtype=torch.long, device=device)
    cross_entropy(model(inputs), targets).backward()
    optimizer.step()
