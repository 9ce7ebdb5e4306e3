"""The trainer's cost: time per step against a bare PyTorch loop, and from submission to the first step.

    python -m tests.benchmarks.trainer            both; exits 1 when a target is missed
    python -m tests.benchmarks.trainer steps      only the steps
    python -m tests.benchmarks.trainer start      only the start

Both loops train the same model on the same batches with the same optimizer; the trainer also writes its metrics, its
pulse and its spool. Measurements are interleaved in a shuffled order, and a second bare loop is measured beside the
first: what that pair differs by is the machine. The target is a median ratio of at most 1.03 times that control.
"""

import argparse
import json
import math
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from domain.catalog import load_catalog
from domain.job import JobSpec, parse_job
from tests.stack import RunningStack, running_stack
from tests.waiting import wait_until
from worker.loading.data import Data, Split, epoch_order
from worker.protocol.assignment import Assignment
from worker.protocol.spool import PULSE, read_pulse
from worker.supervising.kept_runner import MALLOC
from worker.training.desk import RunnerDesk, Standing
from worker.training.learner import Learner, choose_device, make_learner, prepare
from worker.training.trainer import train

PAIRS = 40
TARGET_RATIO = 1.03
TARGET_START = 0.5
"""Seconds from submission to the first step."""
STARTS = 10

JOB: dict[str, Any] = {
    "dataset": {"kind": "digits"},
    "architecture": {"kind": "mlp"},
    "normalization": {"kind": "layer_norm"},
    "training": {"batch_size": 32, "budget": {"steps": 50}},
}


@dataclass(frozen=True)
class Case:
    """One model at one batch size, and how many steps a measurement makes."""

    name: str
    architecture: dict[str, Any]
    batch: int
    steps: int


CASES = (
    Case("mlp [1000, 1000], batch 4", {"kind": "mlp", "hidden": [1000, 1000]}, 4, 50),
    Case("mlp [1000, 1000], batch 128", {"kind": "mlp", "hidden": [1000, 1000]}, 128, 25),
    Case("convnet [32, 64], batch 16", {"kind": "convnet", "channels": [32, 64]}, 16, 25),
)


class TimedDesk(RunnerDesk):
    """The runner's own desk, which also notes when the first and the last step were made."""

    first = 0.0
    last = 0.0

    def pulse(self, step: int) -> None:
        super().pulse(step)
        self.last = time.perf_counter()
        self.first = self.first or self.last


def spec_of(case: Case) -> JobSpec:
    # One step more than is measured: the clock starts when the first is done.
    training = {"batch_size": case.batch, "budget": {"steps": case.steps + 1}, "evaluate_every": {"steps": 10**6}}
    raw = {"dataset": {"kind": "fashion_mnist"}, "architecture": case.architecture}
    return parse_job({**raw, "normalization": {"kind": "layer_norm"}, "training": training}, load_catalog()).spec


def pictures(cases: int, device: torch.device) -> Split:
    """Random pictures in Fashion-MNIST's shape: what is in them does not change the time of a step."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(cases, 1, 28, 28, generator=generator)
    return Split(inputs, torch.randint(10, (cases,), generator=generator)).to(device)


def trainer_time(spec: JobSpec, learner: Learner, data: Data, directory: Path) -> float:
    """Seconds per step of the trainer, metrics on."""
    assignment = Assignment("run_bench", 1, 0, spec.resolved(), str(directory), None, math.inf)
    desk = TimedDesk(assignment, spec.training, Standing(math.inf), lambda: None)
    desk.plan(total_steps=None, per_epoch=1, batch_size=1)
    # A runner's standard output goes into a file, the run's log; so does it here.
    with (directory / "log").open("a") as log, redirect_stdout(log):
        train(spec, 0, learner, data, desk, {})
    desk.end(how="succeeded")
    return (desk.last - desk.first) / (learner.step - 1)


def bare_time(case: Case, learner: Learner, data: Data) -> float:
    """Seconds per step of the loop one would write without a trainer."""
    order = epoch_order(0, 0, len(data.train)).to(learner.device)
    model, optimizer = learner.model, learner.optimizer
    model.train()
    started = 0.0
    for step in range(case.steps + 1):
        cases = order[step * case.batch : (step + 1) * case.batch]
        bare_step(model, optimizer, data.train, cases)
        started = started or time.perf_counter()
    if learner.device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / case.steps


def bare_step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, split: Split, cases: Tensor) -> None:
    loss = cross_entropy(model(split.inputs[cases]), split.targets[cases])
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def measure(case: Case, pairs: int) -> dict[str, Any]:
    """Median times and ratios of one case."""
    spec = spec_of(case)
    device = choose_device("auto")
    train_split = pictures(case.batch * (case.steps + 1), device)
    data = Data(train_split, pictures(8, device), pictures(8, device), 10)

    def fresh() -> Learner:
        # Anew each time: on few cases learned by heart, Adam's moments become denormal numbers, which are very slow.
        prepare(spec.training, 0)
        return make_learner(spec, (1, 28, 28), 10, device)

    shuffled = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        ways: dict[str, Callable[[], float]] = {
            "trainer": lambda: trainer_time(spec, fresh(), data, Path(folder)),
            "bare": lambda: bare_time(case, fresh(), data),
            "control": lambda: bare_time(case, fresh(), data),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for name in [*ways, *_rounds(list(ways), pairs, shuffled)]:
            times[name].append(ways[name]())
    return _summary(case, {name: values[1:] for name, values in times.items()})


def _rounds(names: list[str], pairs: int, shuffled: random.Random) -> Iterator[str]:
    for _ in range(pairs):
        shuffled.shuffle(names)
        yield from names


def _summary(case: Case, times: dict[str, list[float]]) -> dict[str, Any]:
    ratio = statistics.median(a / b for a, b in zip(times["trainer"], times["bare"], strict=True))
    control = statistics.median(a / b for a, b in zip(times["control"], times["bare"], strict=True))
    return {
        "case": case.name,
        "pairs": len(times["bare"]),
        "bare_ms": statistics.median(times["bare"]) * 1000,
        "trainer_ms": statistics.median(times["trainer"]) * 1000,
        "ratio": ratio,
        "control": control,
        "reached": ratio <= TARGET_RATIO * control,
    }


def measure_starts(starts: int) -> dict[str, Any]:
    """Seconds from `POST /v1/jobs` to the first optimizer step, on a real stack whose runner is warm."""
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder) / "data") as stack:
        wait_until(lambda: stack.client().get("/v1/workers")["data"], seconds=60)
        _time_of_start(stack)
        seconds = [_time_of_start(stack) for _ in range(starts)]
    median = statistics.median(seconds)
    reached = median <= TARGET_START
    return {"case": "POST to first step", "median_s": median, "max_s": max(seconds), "reached": reached}


def _time_of_start(stack: RunningStack) -> float:
    client = stack.client()
    submitted = time.perf_counter()
    job = client.post("/v1/jobs", JOB)
    run = client.get("/v1/runs", job=job["id"])["data"][0]["id"]
    path = stack.directory / "runs" / run / "attempts" / "1" / PULSE

    def has_stepped() -> bool:
        beat = read_pulse(path)
        return beat is not None and beat.step > 0

    wait_until(has_stepped, every=0.005)
    seconds = time.perf_counter() - submitted
    wait_until(lambda: client.get(f"/v1/runs/{run}")["status"] == "succeeded")
    return seconds


def _run_as_a_runner_does() -> None:
    """Start anew with the memory settings of a runner, which glibc reads when a process begins."""
    if sys.platform == "linux" and not MALLOC.items() <= os.environ.items():
        command = [sys.executable, "-m", "tests.benchmarks.trainer", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **MALLOC})


def machine() -> dict[str, Any]:
    """What the numbers belong to."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "cores": psutil.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": gpu,
        "malloc": {name: value for name, value in os.environ.items() if name.startswith("MALLOC_")},
    }


def show(result: dict[str, Any]) -> None:
    verdict = "reached" if result["reached"] else "MISSED"
    if "ratio" in result:
        numbers = f"bare {result['bare_ms']:8.3f} ms   trainer {result['trainer_ms']:8.3f} ms   "
        numbers += f"ratio {result['ratio']:.3f}   bare to bare {result['control']:.3f}"
    else:
        numbers = f"median {result['median_s']:.3f} s   slowest {result['max_s']:.3f} s"
    print(f"{result['case']:30}  {numbers}   {verdict}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("all", "steps", "start"), default="all")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--case", help="only cases whose name contains this")
    parser.add_argument("--json", type=Path, help="write the numbers there too")
    asked = parser.parse_args()
    _run_as_a_runner_does()
    print(json.dumps(machine()))
    results = []
    chosen = [case for case in CASES if asked.case is None or asked.case in case.name]
    for case in chosen if asked.what != "start" else ():
        results.append(measure(case, asked.pairs))
        show(results[-1])
    if asked.what != "steps":
        results.append(measure_starts(STARTS))
        show(results[-1])
    if asked.json:
        asked.json.write_text(json.dumps({"machine": machine(), "results": results}, indent=1), encoding="utf-8")
    return 0 if all(result["reached"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
