"""Recurrent layers under torch.compile, copying, saving, and data parallel training in two processes."""

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from lncore.recurrent import GRU, LSTM

_TWO_PROCESSES = """
import sys
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from lncore.norms.layer_norm import LayerNorm
from lncore.recurrent import LSTM


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent, self.norm = LSTM(3, 4), LayerNorm(4)

    def forward(self, x):
        return (self.norm(self.recurrent(x)[0]) + 0.5).sin().cumsum(-1).mean()


def work(rank, address):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    torch.manual_seed(0)
    model, alone, x = Model(), Model(), torch.randn(5, 4, 3)
    alone.load_state_dict(model.state_dict())
    parallel = DistributedDataParallel(model)
    parallel(x[:, 2 * rank : 2 * rank + 2]).backward()
    alone(x).backward()
    for mine, right in zip(model.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, right.grad, rtol=1e-4, atol=1e-6)
    dist.barrier()  # gloo aborts a process whose peer has left in the middle of a message.
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(work, args=(sys.argv[1],), nprocs=2)
"""


def test_two_processes_average_their_gradients(tmp_path: Path) -> None:
    program = tmp_path / "two_processes.py"
    program.write_text(_TWO_PROCESSES)
    root = str(Path(__file__).parents[3])
    subprocess.run(
        [sys.executable, str(program), f"file://{tmp_path}/meeting"], check=True, env={"PYTHONPATH": root}, timeout=110
    )


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_torch_compile_traces_the_cells_without_a_break(kind: type) -> None:
    torch._dynamo.reset()
    layer = kind(3, 4, bidirectional=True)
    x = torch.randn(3, 2, 3)
    compiled = torch.compile(lambda x: layer(x)[0], fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), layer(x)[0])


@pytest.mark.parametrize("option", ["lengths", "mask"])
@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_torch_compile_traces_sequences_of_different_lengths_without_a_break(kind: type, option: str) -> None:
    torch._dynamo.reset()
    layer = kind(3, 4)
    x, lengths = torch.randn(3, 2, 3), torch.tensor([3, 1])
    given = {"lengths": lengths, "mask": torch.arange(3)[:, None] < lengths}[option]

    def outputs(x: torch.Tensor, given: torch.Tensor) -> Any:
        return layer(x, **{option: given})[0]

    compiled = torch.compile(outputs, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, given), outputs(x, given))
    compiled(x, given).sum().backward()


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_a_copy_and_a_restored_layer_compute_the_same(kind: type, tmp_path: Path) -> None:
    layer: Any = kind(3, 4, 2)
    x = torch.randn(5, 2, 3)
    torch.save(layer.state_dict(), tmp_path / "state.pt")
    restored = kind(3, 4, 2)
    restored.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for other in (copy.deepcopy(layer), restored):
        assert torch.equal(other(x)[0], layer(x)[0])
