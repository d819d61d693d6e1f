"""Quality of a regression with one output: values, intervals, baselines.

Owns: the metrics of numbers. Values equal scikit-learn's. All metrics but the median are functions
of weighted sums over rows, so a resample is one product of weights and columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bootstrap
from base_types import Estimate
from bootstrap import FloatArray
from metric_names import REGRESSION_METRICS, higher_is_better, undefined_metrics
from report_types import Metric

MEDIAN = "median_absolute_error"
BY_SUMS = tuple(name for name in REGRESSION_METRICS if name != MEDIAN)


def regression_metrics(
    y_true: FloatArray, y_pred: FloatArray, *, n_resamples: int, rng: np.random.Generator
) -> list[Metric]:
    """Return every metric with value, interval and baseline, or the reason why there is none.

    Parameters
    ----------
    y_true, y_pred : ndarray of float, shape (n,)
        Finite, in the unit of the target; n >= 1.
    n_resamples : int
    rng : Generator
        The same state gives the same intervals.

    Returns
    -------
    list of Metric
        In the order of ``REGRESSION_METRICS``.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # told as a value that is not finite
        estimates = _sum_estimates(y_true, y_pred, n_resamples, rng)
        estimates[MEDIAN] = _median_estimate(np.abs(y_true - y_pred), n_resamples, rng)
        return [_metric(name, estimates[name], y_true) for name in REGRESSION_METRICS]


def _why_undefined(name: str, y_true: FloatArray, estimate: Estimate) -> str | None:
    """Return why a metric does not exist for these labels and predictions."""
    if name == "r2" and y_true.size < 2:
        return "R² needs at least two rows."
    if name == "r2" and np.ptp(y_true) == 0:
        return "All labels are equal: there is no variance to explain."
    zeros = int(np.sum(y_true == 0))
    if name == "mean_absolute_percentage_error" and zeros:
        return f"{zeros:,} labels are 0: a percentage of them does not exist."
    if estimate.value is None or not np.isfinite(estimate.value):
        return "The numbers are too large to compute it in double precision."
    return None


def _metric(name: str, estimate: Estimate, y_true: FloatArray) -> Metric:
    """Return a metric beside the constant that suits it: the mean for squares, else the median."""
    reason = _why_undefined(name, y_true, estimate)
    if reason is not None:
        return undefined_metrics((name,), reason, y_true.size)[0]
    uses_mean = name in ("root_mean_squared_error", "r2")
    constant = np.full(y_true.size, np.mean(y_true) if uses_mean else np.median(y_true))
    if name == "r2":
        baseline = 0.0  # by definition; computed, rounding would leave 1e-16
    elif name == MEDIAN:
        baseline = float(np.median(np.abs(y_true - constant)))
    else:
        baseline = float(_sum_scorer(y_true, constant)(np.ones((1, y_true.size)))[name][0])
    return Metric(
        name=name,
        estimate=estimate,
        baseline=baseline if np.isfinite(baseline) else None,
        baseline_name="always the mean" if uses_mean else "always the median",
        higher_is_better=higher_is_better(name),
    )


def _sum_estimates(
    y_true: FloatArray, y_pred: FloatArray, n_resamples: int, rng: np.random.Generator
) -> dict[str, Estimate]:
    """Return values from all rows and intervals from resampling up to ``MAX_ROWS`` of them."""
    every = _sum_scorer(y_true, y_pred)(np.ones((1, y_true.size)))
    subset = bootstrap.resampling_rows(y_true.size, rng)
    scorer = _sum_scorer(y_true[subset], y_pred[subset])
    values = scorer(np.ones((1, subset.size)))
    drawn = bootstrap.resample(subset.size, scorer, n_resamples=n_resamples, rng=rng)
    estimates = {}
    for name in BY_SUMS:
        value = float(every[name][0])
        interval = bootstrap.scaled_interval(
            bootstrap.percentile_interval(drawn[name], subset.size),
            float(values[name][0]),
            value,
            subset.size / y_true.size,
        )
        estimates[name] = interval.around(value, y_true.size)
    return estimates


def _sum_scorer(
    y_true: FloatArray, y_pred: FloatArray
) -> Callable[[NDArray[Any]], dict[str, FloatArray]]:
    """Return the function from row weights (b, n) to metric values (b,) by name."""
    error = y_true - y_pred
    centred = y_true - y_true.mean()  # keeps the variance of a resample exact
    relative = np.abs(error) / np.maximum(np.abs(y_true), np.finfo(np.float64).eps)
    columns = np.column_stack([np.abs(error), error**2, relative, centred, centred**2])

    def score(weights: NDArray[Any]) -> dict[str, FloatArray]:
        exact = weights.astype(np.float64)
        means = (exact @ columns / exact.sum(axis=1, keepdims=True)).T
        absolute, squared, percentage, first, second = means
        variance = second - first**2
        r2 = np.full(variance.shape, np.nan)
        np.divide(squared, variance, out=r2, where=variance > 0)
        return {
            "mean_absolute_error": absolute,
            "root_mean_squared_error": np.sqrt(squared),
            "r2": 1 - r2,
            "mean_absolute_percentage_error": percentage,
        }

    return score


def _median_estimate(
    absolute_error: FloatArray, n_resamples: int, rng: np.random.Generator
) -> Estimate:
    """Return the median absolute error with its interval."""
    ordered = np.sort(absolute_error)
    drawn = bootstrap.median_resamples(ordered, n_resamples, rng)
    interval = bootstrap.percentile_interval(drawn, ordered.size)
    return interval.around(float(np.median(ordered)), ordered.size)
