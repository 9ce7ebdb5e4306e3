"""The exponential moving average that is drawn over a faint line; statistics over seeds never see it."""

from collections.abc import Sequence


def moving_average(values: Sequence[float], percent: float) -> list[float]:
    """Over about so many percent of the points, at least three, without the bias of its start."""
    smoothing = 1 - 2 / (1 + max(3.0, len(values) * percent / 100))
    total = weight = 0.0
    smoothed = []
    for value in values:
        total = smoothing * total + (1 - smoothing) * value
        weight = smoothing * weight + (1 - smoothing)
        smoothed.append(total / weight)
    return smoothed
