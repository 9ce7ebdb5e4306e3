"""What a run needs to go on bit for bit: weights, optimizer, generators, progress; in safetensors and JSON, no pickle.

The position in the data needs no record: it follows from the step, as does the order of every epoch.
"""

import json
import os
import platform
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from domain.artifact import GENERATORS, OPTIMIZER, STATE, WEIGHTS
from worker.training.learner import Learner


def save_weights(model: nn.Module, directory: Path) -> None:
    """Write the parameters and buffers of `model`, each once however many names it has."""
    tensors, _ = _distinct(model.state_dict())
    _write(tensors, directory / WEIGHTS)


def save(learner: Learner, progress: dict[str, Any], directory: Path) -> None:
    """Write the whole state into an empty directory."""
    tensors, aliases = _distinct(learner.model.state_dict())
    _write(tensors, directory / WEIGHTS)
    moments, numbers = _optimizer_state(learner.optimizer)
    _write(moments, directory / OPTIMIZER)
    generators, python_state = _generators()
    _write(generators, directory / GENERATORS)
    state = {
        "step": learner.step,
        "progress": progress,
        "aliases": aliases,
        "optimizer": numbers,
        "scaler": learner.scaler.state_dict(),
        "python_generator": python_state,
        "fingerprint": fingerprint(learner.device),
    }
    (directory / STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")


def _write(tensors: dict[str, Tensor], path: Path) -> None:
    """Raises OSError when the disk refuses: safetensors has an error of its own, which says so in words only."""
    try:
        save_file(tensors, path)
    except SafetensorError as error:
        said = re.search(r"os error (\d+)", str(error))
        if said is None:
            raise
        number = int(said[1])
        raise OSError(number, os.strerror(number), str(path)) from error


def restore(learner: Learner, directory: Path) -> tuple[dict[str, Any], bool]:
    """Bring `learner` into the saved state. Gives the trainer's progress, and whether the machine is the same one.

    The generators come last, so that nothing that happens while loading disturbs them.
    """
    state = json.loads((directory / STATE).read_text(encoding="utf-8"))
    weights = load_file(directory / WEIGHTS)
    weights |= {alias: weights[name] for alias, name in state["aliases"].items()}
    learner.model.load_state_dict(weights)
    learner.optimizer.load_state_dict(_join(state["optimizer"], load_file(directory / OPTIMIZER)))
    learner.scaler.load_state_dict(state["scaler"])
    learner.step = state["step"]
    exact = state["fingerprint"] == fingerprint(learner.device)
    _restore_generators(load_file(directory / GENERATORS), state["python_generator"])
    return state["progress"], exact


def _distinct(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors that don't share their memory with an earlier one, and for the others the name of that one."""
    first: dict[tuple[Any, ...], str] = {}
    aliases: dict[str, str] = {}
    kept: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        place = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if tensor.numel() and place in first:
            aliases[name] = first[place]
        else:
            first[place] = name
            kept[name] = tensor.detach().cpu().contiguous()
    return kept, aliases


def _optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The optimizer's tensors by `<parameter>/<name>`, and all the rest as JSON data."""
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, dict[str, Any]] = {}
    for parameter, entries in state["state"].items():
        numbers[str(parameter)] = {}
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{parameter}/{name}"] = value.detach().cpu().contiguous()
            else:
                numbers[str(parameter)][name] = value
    return tensors, {"state": numbers, "param_groups": state["param_groups"]}


def _join(numbers: dict[str, Any], tensors: dict[str, Tensor]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {int(parameter): dict(entry) for parameter, entry in numbers["state"].items()}
    for place, tensor in tensors.items():
        parameter, _, name = place.partition("/")
        # A copy of its own: the loader packs tensors densely, and kernels like them aligned.
        state[int(parameter)][name] = tensor.clone()
    return {"state": state, "param_groups": numbers["param_groups"]}


def _generators() -> tuple[dict[str, Tensor], dict[str, Any]]:
    kind, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002 - see learner.prepare
    tensors = {"torch": torch.get_rng_state(), "numpy": torch.from_numpy(np.asarray(keys).astype(np.int64))}
    if torch.cuda.is_available():
        tensors |= {f"cuda/{index}": state for index, state in enumerate(torch.cuda.get_rng_state_all())}
    version, internal, gauss_next = random.getstate()
    python_state = {
        "python": [version, list(internal), gauss_next],
        "numpy": [kind, int(position), int(has_gauss), float(gauss)],
    }
    return tensors, python_state


def _restore_generators(tensors: dict[str, Tensor], python_state: dict[str, Any]) -> None:
    version, internal, gauss_next = python_state["python"]
    random.setstate((version, tuple(internal), gauss_next))
    kind, position, has_gauss, gauss = python_state["numpy"]
    keys = tensors["numpy"].numpy().astype(np.uint32)
    np.random.set_state((kind, keys, position, has_gauss, gauss))  # noqa: NPY002 - see learner.prepare
    torch.set_rng_state(tensors["torch"])
    cuda = [state for place, state in sorted(tensors.items()) if place.startswith("cuda/")]
    if cuda and len(cuda) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(cuda)


def fingerprint(device: torch.device) -> dict[str, Any]:
    """What bit-equality depends on beside the spec and the seed."""
    facts: dict[str, Any] = {
        "torch": torch.__version__,
        "machine": platform.machine(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "matmul": torch.get_float32_matmul_precision(),
        "mkl_cbwr": os.environ.get("MKL_CBWR", ""),
        "device": device.type,
    }
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
        facts["cuda"] = torch.version.cuda
        facts["cudnn"] = torch.backends.cudnn.version()
    return facts
