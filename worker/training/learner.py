"""What learns: a model with its optimizer and precision, made from a JobSpec; deterministic when the spec says so."""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from domain.job import JobSpec
from domain.training import Adam, AdamW, RmsProp, Sgd, TrainingSpec
from worker import menus

NARROW = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass
class Learner:
    """A model, its optimizer, and how many optimizer steps they have made together."""

    model: nn.Module
    forward: Callable[..., Any]
    """The model as it is called in training: compiled where the job asks for it."""
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    device: torch.device
    precision: str
    step: int = 0

    def autocast(self) -> AbstractContextManager[Any]:
        """The context in which the model computes: float32, or narrower products with float32 statistics."""
        # Autocast costs 10 µs a step even where it is off, a hundredth of a small step.
        return nullcontext() if self.precision == "fp32" else torch.autocast(self.device.type, NARROW[self.precision])


def choose_device(wanted: str) -> torch.device:
    """The device of a run: `auto` is the GPU where there is one."""
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise NoGpuError
    return torch.device("cuda", torch.cuda.current_device()) if wanted != "cpu" and available else torch.device("cpu")


class NoGpuError(RuntimeError):
    """The job asks for a GPU and this worker has none."""

    def __init__(self) -> None:
        super().__init__("The job asks for device cuda, and this worker has no GPU: send it to a queue of GPU workers.")


def prepare(training: TrainingSpec, seed: int) -> None:
    """Seed every generator and set torch's switches for one run: a warm process carries nothing over."""
    torch.use_deterministic_algorithms(training.deterministic)
    torch.backends.cudnn.benchmark = not training.deterministic
    torch.backends.cudnn.deterministic = training.deterministic
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)  # noqa: NPY002 - a library that draws from numpy's generator must repeat itself
    torch.manual_seed(seed)


def make_learner(spec: JobSpec, shape: tuple[int, ...], classes: int, device: torch.device) -> Learner:
    """The learner of a job, initialised from torch's generator on the CPU so that every device starts alike."""
    training = spec.training
    model = menus.make_model(spec.architecture, spec.normalization, shape, classes).to(device)
    return Learner(
        model=model,
        forward=_compiled(model) if training.compile else model,
        optimizer=make_optimizer(training, model),
        scaler=torch.amp.GradScaler(device.type, enabled=training.precision == "fp16"),
        device=device,
        precision=training.precision,
    )


def _compiled(model: nn.Module) -> Callable[..., Any]:
    """The model, compiled as in a process that compiled none before.

    What was compiled for the runs before would be used where it fits, and after eight models of one class torch gives
    up on it and computes the next one as it is.
    """
    torch.compiler.reset()
    return torch.compile(model)


def make_optimizer(training: TrainingSpec, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a job. Fused where torch has it fused: one pass over the parameters instead of many."""
    chosen, parameters = training.optimizer, model.parameters()
    options = chosen.model_dump(exclude={"kind"})
    if isinstance(chosen, Sgd):
        return torch.optim.SGD(parameters, fused=True, **options)
    if isinstance(chosen, Adam):
        return torch.optim.Adam(parameters, fused=True, **options)
    if isinstance(chosen, AdamW):
        return torch.optim.AdamW(parameters, fused=True, **options)
    assert isinstance(chosen, RmsProp)  # noqa: S101 - the union of the spec has no other member
    return torch.optim.RMSprop(parameters, **options)
