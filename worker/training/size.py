"""How much memory a job needs: on torch's meta device the model is built and run once without any numbers in it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from domain.job import JobSpec
from domain.training import Adam, AdamW, RmsProp, Sgd, TrainingSpec
from worker import menus

_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


class TooLargeError(Exception):
    """The job needs more memory than the slot has; the message carries the numbers."""

    def __init__(self, need: "Need", available: int) -> None:
        super().__init__(
            f"The job needs about {_gib(need.total)} of memory and the slot has {_gib(available)}: "
            f"{need.parameter_count} parameters are {_gib(need.parameters)}, their gradients {_gib(need.gradients)}, "
            f"the optimizer's state {_gib(need.optimizer)}, and a batch keeps {_gib(need.activations)} for the way "
            "back. Make the model narrower or shallower, or the batch smaller (training.accumulate splits it)."
        )


@dataclass(frozen=True)
class Need:
    """Bytes of one training step."""

    parameter_count: int
    parameters: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        return self.parameters + self.gradients + self.optimizer + self.activations


def check_size(spec: JobSpec, shape: tuple[int, ...], classes: int, available: int) -> Need:
    """Refuse a job that cannot fit, before anything is allocated. Raises TooLargeError."""
    need = measure_need(spec, shape, classes)
    if need.total > available:
        raise TooLargeError(need, available)
    return need


def measure_need(spec: JobSpec, shape: tuple[int, ...], classes: int) -> Need:
    """What one training step of the job needs."""
    training = spec.training
    with torch.device("meta"):
        model = menus.make_model(spec.architecture, spec.normalization, shape, classes)
        cases = max(training.batch_size // training.accumulate, 1)
        inputs, targets = torch.empty(cases, *shape), torch.empty(cases, dtype=torch.long)
        activations = kept_for_backward(model, lambda: cross_entropy(model(inputs), targets))
    count = sum(parameter.numel() for parameter in model.parameters())
    parameters = sum(_bytes(tensor) for tensor in [*model.parameters(), *model.buffers()])
    gradients = sum(map(_bytes, model.parameters()))
    return Need(count, parameters, gradients, gradients * _moments(training), activations)


def kept_for_backward(model: nn.Module, forward: Callable[[], Tensor]) -> int:
    """Bytes that autograd keeps between the forward and the backward pass, parameters not counted."""
    own = {id(tensor) for tensor in [*model.parameters(), *model.buffers()]}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        # A view (a transposed weight, a flattened picture) needs no memory beside what it looks at.
        whole = tensor if tensor._base is None else tensor._base  # noqa: SLF001 - torch has no other way to ask
        if id(whole) not in own:
            kept[id(whole)] = whole
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward()
    return sum(map(_bytes, kept.values()))


def _moments(training: TrainingSpec) -> int:
    """How many tensors of the parameters' size the optimizer keeps."""
    chosen = training.optimizer
    if isinstance(chosen, (Adam, AdamW)):
        return 2
    if isinstance(chosen, RmsProp):
        return 1 + (chosen.momentum > 0)
    assert isinstance(chosen, Sgd)  # noqa: S101 - the union of the spec has no other member
    return int(chosen.momentum > 0)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def slot_memory(setting: int, device: torch.device) -> int:
    """Bytes this slot may use: what the settings say, else all of the GPU, or of the machine or its container."""
    if setting:
        return setting
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    return min(psutil.virtual_memory().total, _container_limit() or psutil.virtual_memory().total)


def _container_limit() -> int | None:
    """Bytes this container may use; None when it has no limit, or there is no such thing on this system."""
    try:
        text = _CONTAINER_LIMIT.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _gib(count: int) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 / 100 else f"{count / 2**20:.2f} MiB"
