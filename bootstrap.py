"""Bootstrap intervals, vectorised over resamples.

Owns: how rows are resampled, how many rows take part, and how resampled values become an interval:
percentiles (Efron & Tibshirani 1993, ch. 13) taken a little further out, as small samples need
(Hesterberg 2015), and for a metric with a long upper tail, a studentised upper end (Efron &
Tibshirani 1993, ch. 12). Metrics are functions of resampling weights, so a resample never copies a
row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from base_types import Estimate

FloatArray = NDArray[np.float64]
Weights = NDArray[np.float32]

MAX_ROWS = 10_000
"""Rows that take part in resampling; beyond it a random subset does, and its spread is scaled by
``sqrt(m / n)`` (the m-out-of-n bootstrap). Raising it costs time in proportion."""

MIN_ROWS = 5
"""Below this a resampled interval means nothing."""

MIN_STUDENTISED = 20
"""Below this a resample's own standard error is too rough to divide by."""

MAX_UNDEFINED = 0.05
"""Share of resamples in which a metric may be undefined before its interval is withheld."""

SPREAD = "spread of "
"""Before the name of a metric: to what its standard error is proportional, by resample. A scorer
that returns it beside the metric asks for a studentised upper end."""

_BLOCK_CELLS = 100_000  # weights per block: larger ones leave the cache and cost twice the time


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds of an interval, or why there is none."""

    low: float | None = None
    high: float | None = None
    reason: str | None = None

    def around(self, value: float, n: int) -> Estimate:
        """Return the estimate ``value`` from ``n`` rows with this interval."""
        return Estimate(value=value, low=self.low, high=self.high, n=n, interval_reason=self.reason)


def resampling_rows(
    n: int, rng: np.random.Generator, *, max_rows: int = MAX_ROWS
) -> NDArray[np.int64]:
    """Return the positions that take part in resampling: all, or ``max_rows`` random ones.

    Examples
    --------
    >>> resampling_rows(3, np.random.default_rng(0)).tolist()
    [0, 1, 2]
    """
    if n <= max_rows:
        return np.arange(n)
    return np.sort(rng.choice(n, size=max_rows, replace=False)).astype(np.int64)


def weight_blocks(n: int, n_resamples: int, rng: np.random.Generator) -> Iterator[Weights]:
    """Yield how often each row is drawn, for a few resamples at a time.

    Parameters
    ----------
    n : int
        Rows; each resample draws ``n`` of them with replacement.
    n_resamples : int
    rng : Generator

    Yields
    ------
    ndarray of float32, shape (b, n)
        Whole numbers; each row of the block sums to ``n``.

    Examples
    --------
    >>> blocks = list(weight_blocks(5, 3, np.random.default_rng(0)))
    >>> blocks[0].sum(axis=1).tolist()
    [5.0, 5.0, 5.0]
    """
    per_block = max(1, _BLOCK_CELLS // n)
    for start in range(0, n_resamples, per_block):
        size = min(per_block, n_resamples - start)
        drawn = rng.integers(0, n, size=(size, n), dtype=np.int32).astype(np.int64)
        drawn += np.arange(size)[:, None] * n
        counts = np.bincount(drawn.ravel(), minlength=size * n)
        yield counts.reshape(size, n).astype(np.float32)


def resample(
    n: int,
    metrics: Callable[[Weights], dict[str, FloatArray]],
    *,
    n_resamples: int,
    rng: np.random.Generator,
    weights: FloatArray | None = None,
) -> dict[str, FloatArray]:
    """Return each metric's value in every resample.

    Parameters
    ----------
    n : int
        Rows the weights refer to.
    metrics : callable
        From weights of shape (b, n) to values of shape (b,) by name.
    n_resamples : int
    rng : Generator
    weights : ndarray of float, shape (n,), optional
        What each row counts for; a row drawn twice counts twice of that.

    Returns
    -------
    dict of str to ndarray, shape (n_resamples,)
    """
    worth = np.float32(1) if weights is None else weights.astype(np.float32)
    blocks = [metrics(drawn * worth) for drawn in weight_blocks(n, n_resamples, rng)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def percentile_interval(values: FloatArray, n: int, *, confidence: float = 0.95) -> Interval:
    """Return the interval of resampled values, or why there is none.

    Parameters
    ----------
    values : ndarray, shape (n_resamples,)
        NaN where the metric was undefined in a resample.
    n : int
        Rows that were resampled.
    confidence : float
        In (0, 1).

    Examples
    --------
    >>> interval = percentile_interval(np.arange(101) / 100, n=50)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.012, 0.988)
    """
    if n < MIN_ROWS:
        return Interval(reason=f"An interval needs at least {MIN_ROWS} rows, there are {n}.")
    defined = values[np.isfinite(values)]
    if defined.size < (1 - MAX_UNDEFINED) * values.size:
        return Interval(
            reason="Too few rows of a class: the metric is undefined in "
            f"{1 - defined.size / values.size:.0%} of the resamples."
        )
    low, high = interval_ends(defined, n, confidence=confidence)
    return Interval(low, high)


def interval_ends(values: FloatArray, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the resampled values between which the truth lies: expanded percentiles.

    The levels are those of Student's t instead of the normal distribution, and make up for
    resamples that spread by ``sqrt((n - 1) / n)`` too little (Hesterberg 2015, The American
    Statistician 69). The k-th of B values is taken as level ``k / (B + 1)``, else the ends of a few
    hundred resamples lie too far inside.

    Parameters
    ----------
    values : ndarray, shape (n_resamples,)
        Finite.
    n : int
        Rows that were resampled, at least 2.
    confidence : float
        In (0, 1).

    Examples
    --------
    >>> [round(end, 3) for end in interval_ends(np.arange(1, 1000) / 1000, n=100_000)]
    [0.025, 0.975]
    >>> [round(end, 3) for end in interval_ends(np.arange(1, 1000) / 1000, n=10)]
    [0.009, 0.991]
    """
    tail = float(ndtr(np.sqrt(n / (n - 1)) * stdtrit(n - 1, (1 - confidence) / 2)))
    low, high = np.quantile(values, [tail, 1 - tail], method="weibull")
    return float(low), float(high)


def studentised_upper_end(
    values: FloatArray,
    spreads: FloatArray,
    value: float,
    spread: float,
    n: int,
    *,
    confidence: float = 0.95,
) -> float | None:
    """Return the upper end of the studentised interval (bootstrap-t).

    Where large values of a metric come with a large standard error, as a root mean squared error of
    errors with heavy tails, a sample without the rare large errors shows too small a metric and too
    small a spread: percentiles of resamples then end too early, ``value - t* spread`` does not.

    Parameters
    ----------
    values, spreads : ndarray, shape (n_resamples,)
        The metric in every resample, and to what its standard error is proportional.
    value, spread : float
        Both of the sample itself.
    n : int
        Rows that were resampled.
    confidence : float
        In (0, 1).

    Returns
    -------
    float or None
        None below ``MIN_STUDENTISED`` rows, or where a resample shows no spread.

    Examples
    --------
    >>> values = np.linspace(0.8, 1.2, 101)
    >>> round(studentised_upper_end(values, np.ones(101), 1.0, 1.0, n=1000), 2)
    1.19
    """
    if n < MIN_STUDENTISED or not np.all(spreads > 0):
        return None
    low, _ = interval_ends((values - value) / spreads, n, confidence=confidence)
    return value - low * spread


def scaled_interval(
    interval: Interval, subset_value: float, value: float, share: float
) -> Interval:
    """Return the interval for all rows from one of a random subset.

    Parameters
    ----------
    interval : Interval
        Of the subset.
    subset_value, value : float
        The metric on the subset and on all rows.
    share : float
        Size of the subset over all rows, in (0, 1].

    Examples
    --------
    >>> half = scaled_interval(Interval(0.4, 0.6), 0.5, 0.52, 0.25)
    >>> (round(half.low, 3), round(half.high, 3))
    (0.47, 0.57)
    """
    if share >= 1 or interval.low is None or interval.high is None:
        return interval
    shrink = float(np.sqrt(share))
    return Interval(
        value + shrink * (interval.low - subset_value),
        value + shrink * (interval.high - subset_value),
    )


def subset_intervals(
    scorer: Callable[[Weights], dict[str, FloatArray]],
    values: dict[str, FloatArray],
    *,
    weights: FloatArray,
    n: int,
    n_resamples: int,
    rng: np.random.Generator,
) -> dict[str, Interval]:
    """Return the intervals of metrics for all ``n`` rows from resampling a subset of them.

    Parameters
    ----------
    scorer : callable
        From weights of the subset, shape (b, m), to values of shape (b,) by name, and for some
        metrics their ``SPREAD``.
    values : dict of str to ndarray, shape (1,)
        The metrics on all rows; those the scorer does not know get no interval.
    weights : ndarray of float, shape (m,)
        What each row of the subset counts for.
    n, n_resamples : int
    rng : Generator
    """
    m = weights.size
    subset_values = scorer(weights[None].astype(np.float64))
    drawn = resample(m, scorer, n_resamples=n_resamples, rng=rng, weights=weights)
    return {
        name: scaled_interval(
            _interval_of(name, drawn, subset_values, m),
            float(subset_values[name][0]),
            float(values[name][0]),
            m / n,
        )
        for name in drawn
        if not name.startswith(SPREAD)
    }


def _interval_of(
    name: str, drawn: dict[str, FloatArray], values: dict[str, FloatArray], n: int
) -> Interval:
    """Return the percentile interval; its upper end the studentised one where that is larger."""
    interval = percentile_interval(drawn[name], n)
    if SPREAD + name not in drawn or interval.high is None:
        return interval
    spreads, spread = drawn[SPREAD + name], float(values[SPREAD + name][0])
    upper = studentised_upper_end(drawn[name], spreads, float(values[name][0]), spread, n)
    return interval if upper is None else replace(interval, high=max(interval.high, upper))


def weighted_medians(sorted_values: FloatArray, weights: NDArray[np.floating]) -> FloatArray:
    """Return the median for each row of weights: half of the weight lies on either side.

    Where exactly half lies at or below a value, the mean of it and the next one, as
    ``numpy.median`` and scikit-learn have it ("averaged inverted cdf", Hyndman & Fan 1996).

    Parameters
    ----------
    sorted_values : ndarray, shape (n,)
        Ascending.
    weights : ndarray of float, shape (b, n)
        In the order of the values, >= 0 and not all 0 in a row.

    Returns
    -------
    ndarray, shape (b,)

    Examples
    --------
    >>> weighted_medians(np.array([1.0, 2.0, 9.0]), np.array([[1, 1, 1.0], [1, 1, 2]])).tolist()
    [2.0, 5.5]
    """
    share = np.cumsum(weights, axis=1, dtype=np.float64)
    half = share[:, -1:] / 2
    last = sorted_values.size - 1
    low = np.minimum((share < half).sum(axis=1), last)
    reached = share[np.arange(len(share)), low]
    above = np.minimum((share <= reached[:, None]).sum(axis=1), last)
    is_half = reached - half[:, 0] <= np.finfo(np.float64).eps
    upper = np.where(is_half, sorted_values[above], sorted_values[low])
    medians: FloatArray = (sorted_values[low] + upper) / 2
    return medians


def median_resamples(
    sorted_values: FloatArray, n_resamples: int, rng: np.random.Generator
) -> FloatArray:
    """Return medians of resamples without drawing the resamples.

    The k-th smallest of n draws from n sorted values is the value at ``floor(n U_(k))`` with
    ``U_(k) ~ Beta(k, n - k + 1)``; the next one follows from ``U_(k+1) | U_(k)``.

    Parameters
    ----------
    sorted_values : ndarray, shape (n,)
        Ascending.
    n_resamples : int
    rng : Generator

    Returns
    -------
    ndarray, shape (n_resamples,)
    """
    n = sorted_values.size
    k = (n + 1) // 2
    lower = rng.beta(k, n - k + 1, size=n_resamples)
    medians = sorted_values[_rank(lower, n)]
    if n % 2 == 0:
        upper = lower + (1 - lower) * rng.beta(1, n - k, size=n_resamples)
        medians = (medians + sorted_values[_rank(upper, n)]) / 2
    return medians


def _rank(uniform: FloatArray, n: int) -> NDArray[np.int64]:
    """Return the positions drawn by uniform numbers in [0, 1]."""
    return np.minimum((uniform * n).astype(np.int64), n - 1)
