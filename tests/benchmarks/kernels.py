"""lncore's kernels against torch: one run, one page (docs/benchmarks.md); `--quick` for fewer shapes and rounds.

    python -m tests.benchmarks.kernels [--quick] [--without-compile] [--page docs/benchmarks.md]

The CPU part runs twice in processes of its own, since the allocator reads its settings when a process starts: with the
defaults, and as the runner starts its processes.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks import kernels_gpu, kernels_norms, kernels_recurrent
from tests.benchmarks.kernels_report import page

RUNNER_ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(8 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}
PARTS = {
    "norms default": {},
    "norms runner": RUNNER_ALLOCATOR,
    "recurrent": RUNNER_ALLOCATOR,
    "gpu": {},
    "gpu lstm": {},
}


def measure(part: str, *, quick: bool, compiled: bool) -> list[dict[str, Any]]:
    """The records of one part of the benchmark, in this process."""
    seconds = 0.2 if quick else 0.6
    if part.startswith("norms"):
        return list(kernels_norms.measure(seconds, quick=quick, compiled=compiled))
    if part == "recurrent":
        return list(kernels_recurrent.measure(seconds, quick=quick))
    nominal = kernels_gpu.NOMINAL_BYTES.get(torch.cuda.get_device_name())
    records = kernels_gpu.measure(seconds, quick=quick) if part == "gpu" else kernels_gpu.measure_lstm(seconds)
    return [{**record, "nominal": nominal} for record in records]


def measure_in_a_process(part: str, folder: Path, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The records of one part, measured in a process with the part's environment."""
    out = folder / f"{part}.json"
    command = [sys.executable, "-m", "tests.benchmarks.kernels", "--part", part, "--out", str(out)]
    command += ["--quick"] * arguments.quick + ["--without-compile"] * arguments.without_compile
    print(f"measuring: {part}", flush=True)
    subprocess.run(command, check=True, env={**os.environ, **PARTS[part]})
    return list(json.loads(out.read_text()))


def machine(load: float) -> list[str]:
    """What the numbers were measured on, with the load it had before; no host name."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    lines = [
        f"measured {datetime.now(UTC):%Y-%m-%d}",
        f"CPU: {_cpu_name()}, {cores} cores, torch uses {torch.get_num_threads()} threads",
        f"Python {platform.python_version()}, torch {torch.__version__}, {platform.system()} {platform.machine()}",
    ]
    load = max(load, os.getloadavg()[0])
    if load > cores + 0.5:  # the benchmark itself keeps every core busy
        lines.append(f"**the machine was busy with other work (load {load:.1f} on {cores} cores): ratios are rough**")
    if torch.cuda.is_available():
        lines.append(f"GPU: {torch.cuda.get_device_name()}")
    return lines


def _cpu_name() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="fewer shapes, shorter measurements")
    parser.add_argument(
        "--without-compile", action="store_true", help="leave torch.compile out (it wants a C++ compiler)"
    )
    parser.add_argument("--page", type=Path, default=Path("docs/benchmarks.md"))
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        records = measure(arguments.part, quick=arguments.quick, compiled=not arguments.without_compile)
        arguments.out.write_text(json.dumps(records))
        return
    load = os.getloadavg()[0]
    parts = [part for part in PARTS if torch.cuda.is_available() or not part.startswith("gpu")]
    with tempfile.TemporaryDirectory() as folder:
        found = {part: measure_in_a_process(part, Path(folder), arguments) for part in parts}
    text = page(machine(load), found, arguments.quick)
    arguments.page.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
