"""Learning rates over a run: the rate of each optimizer step, as a plain function of how far the run is."""

import math
from collections.abc import Callable

from domain.training import Constant, StepDecay, TrainingSpec, WarmupCosine

Rate = Callable[[int, float], float]
"""Takes the number of steps done and the share of the budget done (0 to 1); gives the rate of the next step."""


def learning_rate(training: TrainingSpec) -> Rate:
    """The schedule of a job, for its optimizer's rate."""
    peak = training.optimizer.lr
    schedule = training.schedule
    after = _after_warmup(schedule, peak)
    if schedule.warmup == 0:
        return after

    def warmed(step: int, progress: float) -> float:
        if step < schedule.warmup:
            return peak * (step + 1) / schedule.warmup
        return after(step, progress)

    return warmed


def _after_warmup(schedule: Constant | WarmupCosine | StepDecay, peak: float) -> Rate:
    if isinstance(schedule, WarmupCosine):
        return _cosine(schedule, peak)
    return _steps(schedule, peak) if isinstance(schedule, StepDecay) else _constant(peak)


def _constant(peak: float) -> Rate:
    return lambda _step, _progress: peak


def _cosine(schedule: WarmupCosine, peak: float) -> Rate:
    lowest = peak * schedule.floor

    def rate(step: int, progress: float) -> float:
        # The share of the budget that is left after the warm-up. In steps the warm-up's share is warmup/total =
        # progress × warmup/step; with a budget in seconds this is the same estimate from what has passed.
        warm = progress * schedule.warmup / step if step else 0.0
        done = (progress - warm) / (1 - warm) if warm < 1 else 1.0
        return lowest + (peak - lowest) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return rate


def _steps(schedule: StepDecay, peak: float) -> Rate:
    return lambda step, _progress: peak * schedule.factor ** (max(0, step - schedule.warmup) // schedule.every)
