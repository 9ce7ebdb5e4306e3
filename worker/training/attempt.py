"""One attempt at a run inside a runner: from the assignment to the last message in the spool."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from domain.job import Choice, JobSpec
from domain.run import Outcome, Phase
from domain.settings import Settings
from worker import menus
from worker.loading.data import Data
from worker.loading.sources import Sources
from worker.protocol.assignment import Assignment
from worker.training import failures, state
from worker.training.desk import RunnerDesk, Standing, log
from worker.training.learner import Learner, choose_device, make_learner, prepare
from worker.training.measure import forget_peak_memory
from worker.training.pace import Pace
from worker.training.size import check_size, slot_memory
from worker.training.trainer import Ending, outlook, train


def carry_out(assignment: Assignment, settings: Settings, standing: Standing, nudge: Callable[[], None]) -> bool:
    """Train one run as far as it goes, and report the end. True when the process may take another run after this."""
    spec = JobSpec.model_validate_json(json.dumps(assignment.spec))
    desk = RunnerDesk(assignment, spec.training, standing, nudge)
    try:
        ending = _train(assignment, spec, settings, desk)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the end of the attempt and is kept with it
        description = failures.describe(error)
        log(description["traceback"])
        desk.end(**description)
        return False
    log(f"ended at step {ending.step}: {ending.outcome or ending.orders}")
    desk.end(how="stopped" if ending.outcome is None else "succeeded", **_facts(ending))
    return True


def _facts(ending: Ending) -> dict[str, Any]:
    if ending.outcome is None:
        return {"orders": ending.orders, "step": ending.step}
    words = f"The loss was not finite at step {ending.diverged_at}" if ending.outcome is Outcome.DIVERGED else None
    return {"outcome": ending.outcome, "step": ending.step, "message": words}


def _train(assignment: Assignment, spec: JobSpec, settings: Settings, desk: RunnerDesk) -> Ending:
    desk.phase(Phase.RECOVERING if assignment.resume else Phase.STARTING)
    wanted = spec.training.device if settings.device == "auto" else _agree(spec.training.device, settings.device)
    device = choose_device(wanted)
    prepare(spec.training, assignment.seed)
    forget_peak_memory(device)
    dataset = menus.make_dataset(spec.dataset)
    check_size(spec, dataset.shape, dataset.classes, slot_memory(settings.slot_memory, device))
    data = load_data(spec.dataset, Sources(settings.datasets_dir, desk.dataset), device)
    pace = Pace.of(spec.training, len(data.train))
    desk.plan(total_steps=pace.total, per_epoch=pace.per_epoch, batch_size=spec.training.batch_size)
    # Loading the data may have drawn numbers; the model starts from the seed alone.
    prepare(spec.training, assignment.seed)
    learner = make_learner(spec, data.shape, data.classes, device)
    _introduce(assignment, spec, learner, data, pace)
    before = _resume(assignment, learner, desk, pace)
    ending = train(spec, assignment.seed, learner, data, desk, before)
    if ending.outcome is not None:
        desk.phase(Phase.SAVING)
        desk.keep_weights(learner)
    return ending


def _introduce(assignment: Assignment, spec: JobSpec, learner: Learner, data: Data, pace: Pace) -> None:
    """The first lines of the log: what is trained, on what, for how long."""
    parameters = sum(parameter.numel() for parameter in learner.model.parameters())
    kinds = f"{spec.normalization.kind} in {spec.architecture.kind}, seed {assignment.seed}, token {assignment.token}"
    log(f"{kinds}; torch {torch.__version__} on {learner.device}, {torch.get_num_threads()} threads")
    log(f"model: {parameters:,} parameters, {parameters * 4 / 2**20:.1f} MiB in float32")
    sizes = f"{len(data.train)} cases to train, {len(data.validation)} to validate, {len(data.test)} to test"
    log(f"data: {spec.dataset.kind}, {sizes}; {pace.per_epoch} steps an epoch")


def _agree(asked: str, served: str) -> str:
    """The device of a job on a worker that serves one kind only."""
    return served if asked == "auto" else asked


def _resume(assignment: Assignment, learner: Learner, desk: RunnerDesk, pace: Pace) -> dict[str, Any]:
    if assignment.resume is None:
        return {}
    before, exact = state.restore(learner, Path(assignment.resume))
    log(f"step {learner.step}: resumed{'' if exact else ', on another kind of machine: not bit for bit'}")
    desk.resumed(learner.step, before["seconds"], exact=exact)
    desk.expect(*outlook(pace, learner.step, before["seconds"]))
    return before


def load_data(choice: Choice, sources: Sources, device: torch.device) -> Data:
    """The dataset of a job on its device; a warm process keeps the last one, since the runs of a study share it."""
    key = (choice.model_dump_json(), device)
    if key not in _kept:
        _kept.clear()
        _kept[key] = menus.make_dataset(choice).load(sources).to(device)
    return _kept[key]


_kept: dict[tuple[str, torch.device], Data] = {}
