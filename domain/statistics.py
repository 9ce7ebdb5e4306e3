"""The statistics of a few seeds: Student's t, paired and Welch's differences, Holm's correction, Wilson's interval.

All intervals are two-sided at CONFIDENCE. Nothing here knows about jobs; everything takes plain numbers.
"""

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import special

__all__ = [
    "CONFIDENCE",
    "DifferenceTest",
    "Interval",
    "Share",
    "holm",
    "paired",
    "t_factor",
    "t_interval",
    "welch",
    "wilson",
]

CONFIDENCE = 0.95
ROUNDING = 1e-12
"""A spread below this share of the values is rounding noise of float64, not variation between seeds."""


class Interval(BaseModel):
    """A mean with its t-interval; `sd` is None for fewer than two values, the bounds also where all are equal."""

    model_config = ConfigDict(frozen=True)

    n: int
    mean: float | None = None
    sd: float | None = None
    half_width: float | None = None
    low: float | None = None
    high: float | None = None


class Share(BaseModel):
    """How often something happened, with its Wilson interval; the rate is None where nothing could happen yet."""

    model_config = ConfigDict(frozen=True)

    count: int
    of: int
    rate: float | None = None
    low: float | None = None
    high: float | None = None


class DifferenceTest(BaseModel):
    """A difference of two means: its interval (None where there is no spread), and the p-value of its being zero."""

    model_config = ConfigDict(frozen=True)

    n: int
    """Pairs, or for Welch's test the smaller sample."""
    mean: float | None = None
    half_width: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None


def t_factor(n: int) -> float:
    """How many standard errors of a mean of `n` values the interval reaches to each side: 4.303 for three."""
    return _quantile(n - 1)


def _quantile(freedom: float) -> float:
    return float(special.stdtrit(freedom, 0.5 + CONFIDENCE / 2))


def t_interval(values: Sequence[float]) -> Interval:
    """Mean and t-interval of finite values.

    Equal values get no interval. That a few seeds agree to the last digit shows how coarse the metric is (an error of
    360 test cases has 361 values) and not that the next seed will agree too, as an interval without width would claim.
    """
    if len(values) == 0:
        return Interval(n=0)
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Interval(n=1, mean=mean)
    sd = float(np.std(values, ddof=1))
    if sd <= ROUNDING * max(map(abs, values)):
        return Interval(n=len(values), mean=mean, sd=0.0)
    half = t_factor(len(values)) * sd / math.sqrt(len(values))
    return Interval(n=len(values), mean=mean, sd=sd, half_width=half, low=mean - half, high=mean + half)


def paired(differences: Sequence[float]) -> DifferenceTest:
    """The mean of differences of pairs, with its t-interval and the p-value of the two-sided t-test.

    Differences that are all equal have no spread to judge by (metrics that count cases make ties), so they get no
    interval. If they are not zero they get no p-value either; if they are, nothing speaks for a difference: p = 1.
    """
    interval = t_interval(differences)
    if interval.mean is None or interval.sd is None:
        return DifferenceTest(n=interval.n, mean=interval.mean)
    error = interval.sd / math.sqrt(interval.n)
    return _test(interval.n, interval.mean, error, interval.n - 1, scale=max(map(abs, differences)))


def welch(sample: Sequence[float], reference: Sequence[float]) -> DifferenceTest:
    """The difference of the means of two independent samples, with unequal variances (Welch 1947)."""
    one, other = t_interval(sample), t_interval(reference)
    smaller = min(one.n, other.n)
    if one.mean is None or other.mean is None:
        return DifferenceTest(n=smaller)
    mean = one.mean - other.mean
    if one.sd is None or other.sd is None:
        return DifferenceTest(n=smaller, mean=mean)
    parts = (one.sd**2 / one.n, other.sd**2 / other.n)
    error = math.sqrt(sum(parts))
    if error == 0:
        return _test(smaller, mean, 0.0, 1.0, scale=max(abs(one.mean), abs(other.mean)))
    # Ratios first: the squares of tiny variances would underflow.
    shares = [part / sum(parts) for part in parts]
    freedom = 1 / (shares[0] ** 2 / (one.n - 1) + shares[1] ** 2 / (other.n - 1))
    return _test(smaller, mean, error, freedom, scale=max(abs(one.mean), abs(other.mean)))


def _test(n: int, mean: float, error: float, freedom: float, *, scale: float) -> DifferenceTest:
    if error <= ROUNDING * scale:
        return DifferenceTest(n=n, mean=mean, p=1.0 if abs(mean) <= ROUNDING * scale else None)
    half = _quantile(freedom) * error
    p = 2 * float(special.stdtr(freedom, -abs(mean) / error))
    return DifferenceTest(n=n, mean=mean, half_width=half, low=mean - half, high=mean + half, p=p)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979), in the order given; the family's error rate is kept."""
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, position in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[position]))
        corrected[position] = highest
    return corrected


def wilson(count: int, of: int) -> Share:
    """A share with its score interval (Wilson 1927): right for small numbers, and never outside 0 to 1."""
    if of == 0:
        return Share(count=count, of=of)
    z = float(special.ndtri(0.5 + CONFIDENCE / 2))
    rate = count / of
    middle = (rate + z**2 / (2 * of)) / (1 + z**2 / of)
    half = z / (1 + z**2 / of) * math.sqrt(rate * (1 - rate) / of + z**2 / (4 * of**2))
    # The formula gives exactly 0 and 1 at the ends; rounding would leave a speck.
    low = 0.0 if count == 0 else middle - half
    high = 1.0 if count == of else middle + half
    return Share(count=count, of=of, rate=rate, low=low, high=high)
