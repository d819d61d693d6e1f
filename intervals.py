"""Confidence intervals that need no resampling.

Owns: the Wilson interval of a share, the exact upper bound after zero events, the mean of weighted
rows, and the exact distribution-free interval of a percentile. All are closed forms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, ndtri

from base_types import Estimate


def wilson_interval(
    successes: ArrayLike, n: ArrayLike, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the Wilson score interval of a share (Wilson 1927, without continuity correction).

    Parameters
    ----------
    successes, n : array_like of int, shape (k,) or scalar
        Events and trials, ``0 <= successes <= n`` and ``n >= 1``.
    confidence : float
        In (0, 1).

    Returns
    -------
    tuple of ndarray
        Lower and upper bound, each in [0, 1] and of the broadcast shape.

    Examples
    --------
    >>> low, high = wilson_interval(8, 10)
    >>> round(float(low), 4), round(float(high), 4)
    (0.4902, 0.9433)
    """
    trials = np.asarray(n, dtype=np.float64)
    share = np.asarray(successes, dtype=np.float64) / trials
    z = ndtri(0.5 + confidence / 2)
    centre = share + z * z / (2 * trials)
    half = z * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return np.maximum((centre - half) / scale, 0.0), np.minimum((centre + half) / scale, 1.0)


def share_estimate(events: float, n: float, *, confidence: float = 0.95) -> Estimate:
    """Return a share with its Wilson interval; after zero events the exact one-sided bound.

    Without any event only the upper side is informative: ``1 - (1 - confidence) ** (1 / n)``,
    the exact form of the "rule of three" (about ``3 / n`` at 95 %).

    Parameters
    ----------
    events, n : float
        How often it happened in how many trials; with weighted rows n is their effective number.
    confidence : float
        In (0, 1).

    Returns
    -------
    Estimate
        Without value, but with a reason, when ``n`` is 0.

    Examples
    --------
    >>> round(share_estimate(0, 1000).high, 4)
    0.003
    """
    if n == 0:
        return Estimate(n=0, confidence=confidence, reason="No rows to count on.")
    if events == 0:
        high = 1.0 - (1.0 - confidence) ** (1.0 / n)
        return Estimate(value=0.0, low=0.0, high=high, confidence=confidence, n=int(n))
    low, upper = wilson_interval(events, n, confidence)
    return Estimate(
        value=events / n, low=float(low), high=float(upper), confidence=confidence, n=int(n)
    )


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean of rows, which may count unequally.

    Parameters
    ----------
    value : float
        In the unit of the rows.
    variance : float
        Of the mean: ``sum(w^2 (x - value)^2) / sum(w)^2 * n / (n - 1)``; without weights the usual
        ``s^2 / n``.
    n : float
        Effective number of rows, ``sum(w)^2 / sum(w^2)`` (Kish 1965).

    Examples
    --------
    >>> mean = Mean.of(np.array([1.0, 2.0, 3.0]))
    >>> mean.value, round(mean.variance, 4), mean.n
    (2.0, 0.3333, 3.0)
    """

    value: float
    variance: float
    n: float

    @classmethod
    def of(cls, values: NDArray[Any], weights: NDArray[np.float64] | None = None) -> Mean:
        """Return the mean of values with weights > 0, both of shape (n,), n >= 2."""
        worth = np.ones(values.size) if weights is None else weights
        total = worth.sum()
        n = float(total**2 / np.sum(worth**2))
        value = float(worth @ values / total)
        spread = float(np.sum((worth * (values - value)) ** 2) / total**2)
        return cls(value, spread * n / (n - 1) if n > 1 else 0.0, n)

    def estimate(self) -> Estimate:
        """Return it with its normal interval of 95 %."""
        half = 1.96 * float(np.sqrt(self.variance))
        return Estimate(
            value=self.value, low=self.value - half, high=self.value + half, n=int(self.n)
        )


def order_statistic_interval(
    sorted_values: ArrayLike, quantile: float, confidence: float = 0.95
) -> tuple[float, float] | None:
    """Return the exact, distribution-free interval of a quantile from two order statistics.

    With B ~ Binomial(n, quantile), ``[x_(l), x_(u)]`` misses the quantile with probability
    ``P(B <= l - 1)`` below and ``P(B >= u)`` above (David & Nagaraja, Order Statistics, 7.1). Each
    is at most ``(1 - confidence) / 2``; where not even the greatest value is that safe, it takes
    what it needs of both and the other end has the rest (Wilks 1941), likewise the least.

    Parameters
    ----------
    sorted_values : array_like of float, shape (n,)
        Ascending, in any unit.
    quantile, confidence : float
        In (0, 1).

    Returns
    -------
    tuple of float or None
        In the unit of the values; None when no pair of observed values is wide enough, i.e.
        below n = 6 (median), 29 (0.9), 59 (0.95), 299 (0.99) at 95 % confidence.

    Examples
    --------
    >>> order_statistic_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.5)
    (1.0, 6.0)
    >>> order_statistic_interval([1.0, 2.0, 3.0, 4.0, 5.0], 0.5) is None
    True
    """
    values = np.asarray(sorted_values, dtype=np.float64)
    n = values.size
    missed, below, above = 1.0 - confidence, (1.0 - quantile) ** n, quantile**n
    if below + above > missed:
        return None
    tails = missed - max(missed / 2.0, above), missed - max(missed / 2.0, below)
    cdf = bdtr(np.arange(n), n, quantile)  # P(B <= 0), ..., P(B <= n - 1)
    lower = int(np.searchsorted(cdf, tails[0], side="right"))  # largest with P(B <= l - 1) <= tail
    upper = int(np.searchsorted(cdf, 1.0 - tails[1], side="left")) + 1
    return float(values[max(lower, 1) - 1]), float(values[min(upper, n) - 1])


def percentile_estimate(
    sorted_values: NDArray[np.float64], quantile: float, confidence: float = 0.95
) -> Estimate:
    """Return a percentile as an observed value (nearest rank), never an interpolated one.

    Parameters
    ----------
    sorted_values : ndarray of float, shape (n,)
        Ascending, in any unit; n >= 1.
    quantile, confidence : float
        In (0, 1).

    Returns
    -------
    Estimate
        With the interval of ``order_statistic_interval``, or why there is none.

    Examples
    --------
    >>> percentile_estimate(np.arange(1.0, 101.0), 0.95).value
    95.0
    """
    n = sorted_values.size
    value = float(sorted_values[int(np.ceil(quantile * n)) - 1])
    interval = order_statistic_interval(sorted_values, quantile, confidence)
    if interval is None:
        needed = calls_needed(quantile, confidence)
        reason = f"An interval of p{100 * quantile:g} needs {needed} calls, there were {n}."
        return Estimate(value=value, confidence=confidence, n=n, interval_reason=reason)
    return Estimate(value=value, low=interval[0], high=interval[1], confidence=confidence, n=n)


def calls_needed(quantile: float, confidence: float = 0.95) -> int:
    """Return the smallest n for which ``order_statistic_interval`` exists.

    Parameters
    ----------
    quantile, confidence : float
        In (0, 1).

    Examples
    --------
    >>> [calls_needed(quantile) for quantile in (0.5, 0.95, 0.99)]
    [6, 59, 299]
    """
    missed, extreme = 1.0 - confidence, max(quantile, 1.0 - quantile)
    n = math.ceil(math.log(missed) / math.log(extreme))
    while extreme**n + (1.0 - extreme) ** n > missed:
        n += 1
    return n
