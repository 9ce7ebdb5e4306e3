"""Compiled kernels: the process that compiles one and those that load it from the disk compute the same bytes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

SCRIPT = """
import hashlib
import torch
from lncore.kernels import group_norm, layer_norm
torch.set_num_threads(1)
torch.manual_seed(0)
digest = hashlib.sha256()
for shape, norm in (((16, 37), lambda x, w, b: layer_norm(x, w, b, 1e-5)),
                    ((4, 6, 5, 5), lambda x, w, b: group_norm(x, 3, w, b, 1e-5))):
    x = torch.randn(shape, requires_grad=True)
    w, b = (torch.randn(shape[1], requires_grad=True) for _ in range(2))
    y = norm(x, w, b)
    y.backward(torch.randn(shape))
    for tensor in (y, x.grad, w.grad, b.grad):
        digest.update(tensor.detach().numpy().tobytes())
print(digest.hexdigest())
"""


def test_a_fresh_kernel_and_a_kept_one_give_the_same_bytes(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", SCRIPT]
    said = [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout for _ in range(2)
    ]
    assert list(tmp_path.rglob("*.nbc"))
    assert said[0] == said[1]
