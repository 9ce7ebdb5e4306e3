"""Two processes that share the gradients: norms under DistributedDataParallel train as one process does."""

import os
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

from lncore import menu
from tests.lncore.variants import inputs

CASE_BY_CASE = ["layer_norm", "rms_norm", "group_norm", "dyt", "scale_norm", "weight_standardization"]


def network() -> nn.Sequential:
    """One layer of each norm whose cases don't see each other, so that halves of a batch add up to the whole."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for name in CASE_BY_CASE:
        norm = menu.normalization(name, **({"groups": 2} if name == "group_norm" else {}))
        layers += [norm.reparametrize(nn.Linear(8, 8)), norm(8)]
    return nn.Sequential(*layers)


def gradients(model: nn.Module, x: Tensor) -> list[Tensor]:
    model(x).square().mean().backward()
    return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


def train_half(rank: int, meeting: str, result: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    shared = gradients(DistributedDataParallel(network()), inputs((8, 8)).chunk(2)[rank])
    if rank == 0:
        torch.save(shared, result)
    distributed.barrier()  # gloo aborts a process whose peer has left in the middle of a message.
    distributed.destroy_process_group()
    os._exit(0)  # A thread of torch that wants the interpreter while it shuts down would abort the process.


def test_two_processes_share_the_gradients_of_one(tmp_path: Path) -> None:
    result = tmp_path / "gradients.pt"
    spawn(train_half, args=(str(tmp_path / "meeting"), str(result)), nprocs=2)
    shared = torch.load(result, weights_only=True)
    alone = gradients(network(), inputs((8, 8)))
    assert len(shared) == len(alone)
    for one, other in zip(shared, alone, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
