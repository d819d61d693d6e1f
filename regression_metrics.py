"""Quality of a regression with one or several outputs: values, intervals, baselines.

Owns: the metrics of numbers. Values equal scikit-learn's. All metrics but the median are functions
of weighted sums over rows, so a resample is one product of weights and columns. Intervals are
percentiles of resamples; that of the root mean squared error has a studentised upper end, since a
sample often lacks the large errors on which it rests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bootstrap
from base_types import NOT_FINITE, Estimate
from bootstrap import FloatArray
from metric_names import REGRESSION_METRICS, higher_is_better, undefined_metrics
from quality_types import OutputMetric
from report_types import Metric

Scorer = Callable[[NDArray[Any]], dict[str, FloatArray]]
"""From row weights (b, n) to metric values (b,) by name."""

MEDIAN = "median_absolute_error"
ROOT = "root_mean_squared_error"


def regression_metrics(
    y_true: FloatArray,
    y_pred: FloatArray,
    *,
    n_resamples: int,
    rng: np.random.Generator,
    weights: FloatArray | None = None,
) -> list[Metric]:
    """Return every metric with value, interval and baseline, or the reason why there is none.

    Parameters
    ----------
    y_true, y_pred : ndarray of float, shape (n,)
        Finite, in the unit of the target; n >= 1.
    n_resamples : int
    rng : Generator
        The same state gives the same intervals.
    weights : ndarray of float, shape (n,), optional
        What each row counts for, > 0.

    Returns
    -------
    list of Metric
        In the order of ``REGRESSION_METRICS``.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # told as a value that is not finite
        if weights is None:
            estimates = _sum_estimates(y_true, y_pred, n_resamples, rng)
            estimates[MEDIAN] = _median_estimate(np.abs(y_true - y_pred), n_resamples, rng)
        else:
            estimates = _estimates(
                lambda rows: _full_scorer(y_true[rows], y_pred[rows]), weights, n_resamples, rng
            )
        worth = np.ones(y_true.size) if weights is None else weights
        return [_metric(name, estimates[name], y_true, worth) for name in REGRESSION_METRICS]


def several_outputs(
    y_true: FloatArray,
    y_pred: FloatArray,
    names: Sequence[str],
    *,
    n_resamples: int,
    rng: np.random.Generator,
    weights: FloatArray | None = None,
) -> tuple[list[Metric], list[OutputMetric]]:
    """Return the metrics averaged over the outputs, and those of every output.

    Parameters
    ----------
    y_true, y_pred : ndarray of float, shape (n, n_outputs)
        Finite, each column in the unit of its target; n >= 1.
    names : sequence of str
        Of the outputs.
    n_resamples : int
    rng : Generator
        The same resamples serve all outputs.
    weights : ndarray of float, shape (n,), optional
        What each row counts for, > 0.

    Returns
    -------
    tuple of list
        Plain means over the outputs (scikit-learn's ``uniform_average``); without value where one
        output has none.
    """
    worth = np.ones(len(y_true)) if weights is None else weights
    columns = range(len(names))
    with np.errstate(over="ignore", invalid="ignore"):
        estimates = _estimates(
            lambda rows: _outputs_scorer(y_true[rows], y_pred[rows]), worth, n_resamples, rng
        )
        single = {
            (name, k): _metric(name, estimates[f"{name}/{k}"], y_true[:, k], worth)
            for k in columns
            for name in REGRESSION_METRICS
        }
    averaged = [
        _averaged(name, estimates[name], [single[name, k] for k in columns], names)
        for name in REGRESSION_METRICS
    ]
    return averaged, [
        OutputMetric(output=names[k], name=name, estimate=metric.estimate)
        for (name, k), metric in single.items()
    ]


def _averaged(
    name: str, estimate: Estimate, parts: Sequence[Metric], names: Sequence[str]
) -> Metric:
    """Return the mean of a metric over outputs beside the mean of their baselines."""
    for part, output in zip(parts, names, strict=True):
        if part.estimate.value is None:
            reason = f"{output}: {part.estimate.reason}"
            return undefined_metrics((name,), reason, part.estimate.n)[0]
    baselines = [part.baseline for part in parts if part.baseline is not None]
    return Metric(
        name=name,
        estimate=estimate,
        baseline=float(np.mean(baselines)) if len(baselines) == len(parts) else None,
        baseline_name=f"{parts[0].baseline_name} of each output",
        higher_is_better=higher_is_better(name),
    )


def _outputs_scorer(y_true: FloatArray, y_pred: FloatArray) -> Scorer:
    """Return the scorer of every output (``name/k``) and of their means (``name``).

    The mean of the spreads stands for the spread of the mean: only their proportion matters.
    """
    scorers = [_full_scorer(y_true[:, k], y_pred[:, k]) for k in range(y_true.shape[1])]

    def score(weights: NDArray[Any]) -> dict[str, FloatArray]:
        parts = [scorer(weights) for scorer in scorers]
        found = {f"{name}/{k}": part[name] for k, part in enumerate(parts) for name in part}
        means = {name: np.mean([part[name] for part in parts], axis=0) for name in parts[0]}
        return found | means

    return score


def _full_scorer(y_true: FloatArray, y_pred: FloatArray) -> Scorer:
    """Return the scorer of all metrics, the median included: it sorts once and adds up weights."""
    by_sums, error = _sum_scorer(y_true, y_pred), np.abs(y_true - y_pred)
    order = np.argsort(error, kind="stable")
    ordered = error[order]

    def score(weights: NDArray[Any]) -> dict[str, FloatArray]:
        median = bootstrap.weighted_medians(ordered, weights[:, order])
        return by_sums(weights) | {MEDIAN: median}

    return score


def _estimates(
    scorer_of: Callable[[NDArray[np.int64]], Scorer],
    weights: FloatArray,
    n_resamples: int,
    rng: np.random.Generator,
) -> dict[str, Estimate]:
    """Return values from all rows and intervals from resampling up to ``MAX_ROWS`` of them."""
    n = weights.size
    values = scorer_of(np.arange(n))(weights[None])
    subset = bootstrap.resampling_rows(n, rng)
    intervals = bootstrap.subset_intervals(
        scorer_of(subset), values, weights=weights[subset], n=n, n_resamples=n_resamples, rng=rng
    )
    return {name: intervals[name].around(float(values[name][0]), n) for name in intervals}


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
        return NOT_FINITE
    return None


def _metric(name: str, estimate: Estimate, y_true: FloatArray, worth: FloatArray) -> Metric:
    """Return a metric beside the constant that suits it: the mean for squares, else the median."""
    reason = _why_undefined(name, y_true, estimate)
    if reason is not None:
        return undefined_metrics((name,), reason, y_true.size)[0]
    uses_mean = name in (ROOT, "r2")
    middle = np.average(y_true, weights=worth) if uses_mean else _median(y_true, worth)
    constant = np.full(y_true.size, middle)
    if name == "r2":
        baseline = 0.0  # by definition; computed, rounding would leave 1e-16
    elif name == MEDIAN:
        baseline = _median(np.abs(y_true - constant), worth)
    else:
        baseline = float(_sum_scorer(y_true, constant)(worth[None])[name][0])
    return Metric(
        name=name,
        estimate=estimate,
        baseline=baseline if np.isfinite(baseline) else None,
        baseline_name="always the mean" if uses_mean else "always the median",
        higher_is_better=higher_is_better(name),
    )


def _median(values: FloatArray, worth: FloatArray) -> float:
    order = np.argsort(values, kind="stable")
    return float(bootstrap.weighted_medians(values[order], worth[order][None])[0])


def _sum_estimates(
    y_true: FloatArray, y_pred: FloatArray, n_resamples: int, rng: np.random.Generator
) -> dict[str, Estimate]:
    """Return values from all rows and intervals from resampling up to ``MAX_ROWS`` of them."""
    return _estimates(
        lambda rows: _sum_scorer(y_true[rows], y_pred[rows]), np.ones(y_true.size), n_resamples, rng
    )


def _sum_scorer(y_true: FloatArray, y_pred: FloatArray) -> Scorer:
    """Return the function from row weights (b, n) to metric values (b,) by name."""
    error = y_true - y_pred
    centred = y_true - y_true.mean()  # keeps the variance of a resample exact
    relative = np.abs(error) / np.maximum(np.abs(y_true), np.finfo(np.float64).eps)
    columns = np.column_stack([np.abs(error), error**2, error**4, relative, centred, centred**2])

    def score(weights: NDArray[Any]) -> dict[str, FloatArray]:
        exact = weights.astype(np.float64)
        means = (exact @ columns / exact.sum(axis=1, keepdims=True)).T
        absolute, squared, fourth, percentage, first, second = means
        variance = second - first**2
        r2 = np.full(variance.shape, np.nan)
        np.divide(squared, variance, out=r2, where=variance > 0)
        root = np.sqrt(squared)
        spread = np.zeros(root.shape)  # of a root, by the delta method: sd(e^2) / (2 root)
        np.divide(np.sqrt(np.maximum(fourth - squared**2, 0)), 2 * root, out=spread, where=root > 0)
        return {
            "mean_absolute_error": absolute,
            ROOT: root,
            bootstrap.SPREAD + ROOT: spread,
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
