"""Curves over seeds: mean and 95 % t-interval at common x, and the first point at which a value was reached."""

import math
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from domain.statistics import ROUNDING, t_factor

__all__ = ["Band", "Reached", "curve_bands", "first_reaching", "seed_bands"]

Points = Sequence[tuple[float, float]]
Floats = NDArray[np.float64]
GRID = 200
"""Places at which seeds are read off that were measured at different ones."""


class Band(BaseModel):
    """The mean of the `n` seeds at each x. The bounds are None for one seed, and the mean itself where all agree.

    `sd` is the standard deviation between seeds (n − 1), None for one.
    """

    model_config = ConfigDict(frozen=True)

    x: list[float]
    mean: list[float]
    sd: list[float | None]
    low: list[float | None]
    high: list[float | None]
    minimum: list[float]
    maximum: list[float]
    n: list[int]


class Reached(BaseModel):
    """Where a curve first reached a value."""

    model_config = ConfigDict(frozen=True)

    step: int
    seconds: float | None


def curve_bands(series_by_seed: Mapping[int, Points], *, grid: Sequence[float] | None = None) -> Band:
    """Mean, interval and extremes over seeds at common x, from each seed's points (x, y) with rising x.

    Without a `grid` the common x are all x at which any seed has a point, and only values measured there count, which
    suits steps and epochs. With a grid each seed is read off by straight lines inside its own range, which suits clock
    time. NaN and infinite values count nowhere; an x without any value is left out.
    """
    curves = [_finite(points) for points in series_by_seed.values()]
    x = np.unique(np.concatenate([curve[0] for curve in curves])) if curves else np.empty(0)
    if grid is not None:
        x = np.asarray(grid, dtype=np.float64)
    rows = [_on_grid(curve, x) if grid is not None else _where_measured(curve, x) for curve in curves]
    table = np.vstack(rows) if rows else np.empty((0, x.size))
    counts = np.isfinite(table).sum(axis=0)
    return _band(x[counts > 0], table[:, counts > 0])


def seed_bands(series_by_seed: Mapping[int, Points]) -> Band:
    """The band of seeds that were measured or thinned out at different x: only of what is comparable.

    An x counts where every seed under way there has a point; the extremes that thinning keeps of one seed are nobody
    else's. Where that leaves less than a third of a seed's points (clock time, other rhythms), an even grid is read off
    by straight lines, as far as half of the seeds reach.
    """
    curves = [curve for points in series_by_seed.values() if (curve := _finite(points))[0].size]
    if not curves:
        return curve_bands({})
    band = curve_bands(series_by_seed)
    x = np.asarray(band.x)
    under_way = sum((curve[0][0] <= x) & (x <= curve[0][-1]) for curve in curves)
    shared = np.flatnonzero(np.asarray(band.n) == under_way)
    meetings = np.count_nonzero(np.asarray(band.n)[shared] >= min(2, len(curves)))
    if 3 * meetings >= median(curve[0].size for curve in curves):
        return _picked(band, shared.tolist())
    ends = sorted(float(curve[0][-1]) for curve in curves)
    start = min(float(curve[0][0]) for curve in curves)
    return curve_bands(series_by_seed, grid=np.linspace(start, ends[(len(ends) - 1) // 2], GRID).tolist())


def _picked(band: Band, places: Sequence[int]) -> Band:
    return Band(**{name: [values[at] for at in places] for name, values in band.model_dump().items()})


def _finite(points: Points) -> tuple[Floats, Floats]:
    table = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    kept = table[np.isfinite(table).all(axis=1)]
    return kept[:, 0], kept[:, 1]


def _where_measured(curve: tuple[Floats, Floats], x: Floats) -> Floats:
    row = np.full(x.size, math.nan)
    row[np.searchsorted(x, curve[0])] = curve[1]
    return row


def _on_grid(curve: tuple[Floats, Floats], x: Floats) -> Floats:
    if curve[0].size == 0:
        return np.full(x.size, math.nan)
    return np.interp(x, curve[0], curve[1], left=math.nan, right=math.nan)


def _band(x: Floats, table: Floats) -> Band:
    """The statistics of each column; every column has at least one value."""
    n = np.isfinite(table).sum(axis=0)
    total = np.nansum(table, axis=0)
    mean = total / np.maximum(n, 1)
    squares = np.nansum((table - mean) ** 2, axis=0)
    # One factor per number of seeds, looked up: there are few of them and many columns.
    factors = np.array([math.nan, math.nan, *(t_factor(count) for count in range(2, len(table) + 1))])
    sd = np.sqrt(squares / np.maximum(n - 1, 1))
    half = factors[n] * sd / np.sqrt(np.maximum(n, 1))
    half[half <= ROUNDING * np.abs(mean)] = 0.0
    return Band(
        x=x.tolist(),
        mean=mean.tolist(),
        sd=_bounds(np.where(n > 1, sd, math.nan)),
        low=_bounds(mean - half),
        high=_bounds(mean + half),
        minimum=np.nanmin(table, axis=0).tolist() if x.size else [],
        maximum=np.nanmax(table, axis=0).tolist() if x.size else [],
        n=n.tolist(),
    )


def _bounds(values: Floats) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]


def first_reaching(
    points: Sequence[tuple[int, float, float | None]], threshold: float, *, lower_is_better: bool
) -> Reached | None:
    """The first point (step, value, seconds) at or beyond `threshold`; None where the curve never got there."""
    for step, value, seconds in points:
        if value <= threshold if lower_is_better else value >= threshold:
            return Reached(step=step, seconds=seconds)
    return None
