"""What importing costs, what happens without numba or after a fork, and several threads at once."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from lncore import kernels, plain

_IMPORT = """
import sys
import lncore, lncore.kernels, lncore.recurrent, lncore.norms.layer_norm
import torch
assert not torch.cuda.is_initialized()
loaded = [name for name in ("triton", "numba", "llvmlite") if name in sys.modules]
assert not loaded, loaded
"""

_WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = None
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "numba" else found(name, *rest)
import torch
from lncore import kernels, plain
from lncore.kernels.route import backend_for
from lncore.recurrent import GRU, LSTM
x = torch.randn(4, 6, requires_grad=True)
assert backend_for(x) is None
y = kernels.layer_norm(x, None, None, 1e-5)
assert torch.equal(y, plain.layer_norm(x, None, None, 1e-5))
for layer in (LSTM(6, 5), GRU(6, 5)):
    layer(torch.randn(3, 2, 6))[0].sum().backward()
"""

_UNSAFE_LAYER = """
import numba
numba.config.THREADING_LAYER = "workqueue"
numba.set_num_threads(1)
import torch
from lncore import kernels
from lncore.kernels.route import backend_for
assert backend_for(torch.ones(2, 3)) is None
kernels.layer_norm(torch.randn(2, 3), None, None, 1e-5)
"""


_THREADS = """
import torch
torch.set_num_threads(1)
from lncore import kernels
kernels.layer_norm(torch.randn(512, 512), None, None, 1e-5)
assert torch.get_num_threads() == 1, torch.get_num_threads()
"""

_PROGRAMS = {"import": _IMPORT, "without numba": _WITHOUT_NUMBA, "unsafe threads": _UNSAFE_LAYER, "threads": _THREADS}


@pytest.mark.parametrize("program", _PROGRAMS.values(), ids=_PROGRAMS)
def test_in_a_process_of_its_own(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})


def test_several_threads_may_call_at_once() -> None:
    inputs = [torch.randn(300, 64) for _ in range(8)]
    expected = [plain.layer_norm(x, None, None, 1e-5) for x in inputs]

    def often(x: torch.Tensor) -> torch.Tensor:
        for _ in range(20):
            y = kernels.layer_norm(x, None, None, 1e-5)
        return y

    with ThreadPoolExecutor(4) as pool:
        for y, right in zip(pool.map(often, inputs), expected, strict=True):
            torch.testing.assert_close(y, right, rtol=0, atol=2e-6)


def test_numba_keeps_the_number_of_threads_its_user_chose() -> None:
    import numba

    kernels.layer_norm(torch.randn(4, 6), None, None, 1e-5)
    before, torchs = numba.get_num_threads(), torch.get_num_threads()
    try:
        numba.set_num_threads(1)
        torch.set_num_threads(2)
        kernels.layer_norm(torch.randn(4, 6), None, None, 1e-5)
        assert numba.get_num_threads() == 1
    finally:
        numba.set_num_threads(before)
        torch.set_num_threads(torchs)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_takes_the_plain_path() -> None:
    """As a data loader's worker is: OpenMP's threads are gone in it, and numba would end it."""
    program = """
import os, torch
from lncore import kernels, plain
torch.set_num_threads(1)
x = torch.randn(4, 6)
kernels.layer_norm(x, None, None, 1e-5)
child = os.fork()
if child == 0:
    os._exit(0 if torch.equal(kernels.layer_norm(x, None, None, 1e-5), plain.layer_norm(x, None, None, 1e-5)) else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True)
