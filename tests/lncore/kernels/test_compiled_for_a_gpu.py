"""The Triton kernels compiled for Hopper, without a device: they compile, and what they hold fits the registers.

The interpreter runs no compiler, so it can tell neither. Triton brings the assembler of CUDA along.
"""

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

triton = pytest.importorskip("triton", reason="triton is not installed")

from triton.backends.compiler import GPUTarget  # noqa: E402 - what follows needs Triton
from triton.compiler import ASTSource  # noqa: E402

from lncore.kernels.gpu import groups, long_rows, rows, steps, tanh  # noqa: E402
from lncore.kernels.gpu.sequences import _launch  # noqa: E402
from lncore.kernels.gpu.tables import (  # noqa: E402
    LONG_BLOCK,
    LONG_WARPS,
    LONGEST_BACKWARD,
    LONGEST_FORWARD,
    TANH_COLUMNS,
    Shape,
    backward_shape,
    forward_shape,
    parameter_sums_shape,
)

TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
pytestmark = pytest.mark.skipif(not (TOOLS / "cuobjdump").exists(), reason="this Triton has no tools of CUDA")
HOPPER = GPUTarget("cuda", 90, 32)
A_FEW = 16
"""Bytes of memory that cost nothing; a row that doesn't fit takes hundreds."""
INPUTS = {"x_ptr", "residual_ptr", "h_ptr", "y_ptr", "g_ptr", "dh_ptr", "dx_ptr"}
"""The pointers of the row kernels that have the type of x; all others are float32."""


def stack(kernel: Any, warps: int, dtype: str, constants: dict[str, Any], folder: Path) -> int:
    """How many bytes of memory each thread of a compiled kernel takes for what its registers can't hold."""

    def kind(name: str) -> str:
        if name in constants:
            return "constexpr"
        if name.endswith("eps"):
            return "fp32"
        return "i32" if not name.endswith("_ptr") else f"*{dtype}" if name in INPUTS else "*fp32"

    signature = {name: kind(name) for name in kernel.arg_names}
    places = {(kernel.arg_names.index(name),): value for name, value in constants.items()}
    # As at a call with tensors of torch and a width of whole vectors.
    whole = {
        (place,): [["tt.divisibility", 16]]
        for place, name in enumerate(kernel.arg_names)
        if name == "n" or name.endswith("_ptr")
    }
    source = ASTSource(kernel, signature, constexprs=places, attrs=whole)
    compiled = triton.compile(source, target=HOPPER, options={"num_warps": warps})
    binary = folder / "kernel.cubin"
    binary.write_bytes(compiled.asm["cubin"])
    told = subprocess.run([TOOLS / "cuobjdump", "-res-usage", binary], capture_output=True, text=True, check=True)
    found = re.search(r"STACK:(\d+)", told.stdout)
    assert found, told.stdout
    return int(found[1])


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "kept"))


def _of(shape: Shape, **constants: Any) -> tuple[int, dict[str, Any]]:
    return shape.warps, {**constants, "ROWS": shape.rows, "COLUMNS": shape.columns}


@cache
def _row_kernels(n: int) -> dict[str, tuple[Any, tuple[int, dict[str, Any]]]]:
    there, back = forward_shape(n), backward_shape(n)
    return {
        "norm forward": (rows.forward, _of(there, CENTRED=True, RESIDUAL=True, GAIN=True, SHIFT=True)),
        "norm backward": (rows.backward, _of(back, CENTRED=True, SUM=True, GAIN=True, AFFINE=True)),
        "tanh forward": (tanh.forward, _of(there, GAIN=True, SHIFT=True)),
        "tanh backward": (tanh.backward, _of(back, GAIN=True)),
    }


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("name", "n"),
    [
        *((name, 1000) for name in _row_kernels(1)),
        ("norm forward", LONGEST_FORWARD),
        ("norm backward", LONGEST_BACKWARD),
        ("tanh forward", TANH_COLUMNS),
        ("tanh backward", TANH_COLUMNS),
    ],
)
def test_rows_fit_the_registers(name: str, n: int, dtype: str, tmp_path: Path) -> None:
    kernel, (warps, constants) = _row_kernels(n)[name]
    assert stack(kernel, warps, dtype, constants, tmp_path) <= A_FEW


LONG: dict[str, tuple[Any, int, dict[str, Any]]] = {
    "forward": (long_rows.forward, LONG_WARPS, {"CENTRED": True, "RESIDUAL": True, "GAIN": True, "SHIFT": True}),
    "backward": (long_rows.backward, LONG_WARPS, {"CENTRED": True, "SUM": True, "GAIN": True}),
}


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("name", list(LONG))
def test_blocks_of_long_rows_fit_the_registers(name: str, dtype: str, tmp_path: Path) -> None:
    kernel, warps, constants = LONG[name]
    assert stack(kernel, warps, dtype, {**constants, "BLOCK": LONG_BLOCK}, tmp_path) <= A_FEW


def test_sums_over_the_rows_fit_the_registers(tmp_path: Path) -> None:
    shape = parameter_sums_shape(4096, 16384, 132)
    constants = {"ROWS": shape.rows, "COLUMNS": shape.columns}
    assert stack(long_rows.parameter_sums, 4, "bf16", constants, tmp_path) <= A_FEW


GROUPS: dict[str, tuple[Any, dict[str, Any]]] = {
    "forward": (groups.forward, {"GAIN": True, "SHIFT": True, "BLOCK": 1024}),
    "sums of channels": (groups.channel_sums, {"BLOCK": 1024}),
    "backward": (groups.backward, {"GAIN": True, "BLOCK": 1024}),
}


@pytest.mark.parametrize("name", list(GROUPS))
def test_groups_fit_the_registers(name: str, tmp_path: Path) -> None:
    kernel, constants = GROUPS[name]
    assert stack(kernel, 4, "bf16", constants, tmp_path) <= A_FEW


STEPS: dict[str, tuple[Any, dict[str, Any]]] = {
    "lstm forward": (steps.lstm_forward, {"NORM": 1, "CELL_NORM": 1, "CARRY": False, "MASK": True}),
    "lstm backward": (steps.lstm_backward, {"NORM": 1, "CELL_NORM": 1, "CARRY": True, "MASK": True}),
    "gru forward": (steps.gru_forward, {"NORM": 1, "JOINT": False, "MASK": True}),
    "gru backward": (steps.gru_backward, {"NORM": 1, "JOINT": False, "MASK": True}),
}


@pytest.mark.parametrize("hidden", [128, 2048])
@pytest.mark.parametrize("name", list(STEPS))
def test_steps_of_recurrent_layers_fit_the_registers(name: str, hidden: int, tmp_path: Path) -> None:
    kernel, constants = STEPS[name]
    launch = _launch(hidden)
    assert stack(kernel, launch["num_warps"], "fp32", {**constants, "COLUMNS": launch["COLUMNS"]}, tmp_path) <= A_FEW
