"""Resampling without copying rows: distributions, medians, coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp, multinomial, norm, t, ttest_1samp

import bootstrap


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("n", [1, 7, 1000])
def test_every_resample_draws_n_rows(n: int) -> None:
    """Weights are whole numbers that sum to n, for as many resamples as asked."""
    weights = np.concatenate(list(bootstrap.weight_blocks(n, 700, rng())))
    assert weights.shape == (700, n)
    assert np.all(weights.sum(axis=1) == n)
    assert np.all(weights == np.round(weights))


def test_weights_are_multinomial() -> None:
    """Each pattern of three draws from three rows occurs with its multinomial probability."""
    weights = np.concatenate(list(bootstrap.weight_blocks(3, 60_000, rng())))
    patterns, counts = np.unique(weights, axis=0, return_counts=True)
    expected = multinomial.pmf(patterns, n=3, p=[1 / 3] * 3)
    assert counts / 60_000 == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("n", [5, 6, 21, 22])
def test_medians_of_resamples_have_the_right_distribution(n: int) -> None:
    """Medians drawn through Beta variables and medians of real resamples do not differ."""
    values = np.sort(rng(1).exponential(size=n))
    drawn = bootstrap.median_resamples(values, 5000, rng(2))
    plain = np.median(values[rng(3).integers(0, n, (5000, n))], axis=1)
    assert ks_2samp(drawn, plain, method="asymp").pvalue > 0.001


def test_interval_of_a_mean_covers_like_students() -> None:
    """Over 1,000 samples of 200 rows the true mean is covered as often as by Student's interval.

    Compared on the same samples, so that the luck of the samples (0.7 points) drops out.
    """
    samples = rng(4).normal(3.0, size=(1000, 200))
    student = ttest_1samp(samples, 3.0, axis=1).pvalue > 0.05
    draws = rng(5)
    covered = []
    for sample in samples:

        def mean(weights: bootstrap.Weights, values: np.ndarray = sample) -> dict[str, np.ndarray]:
            return {"mean": weights @ values / 200}

        drawn = bootstrap.resample(200, mean, n_resamples=1000, rng=draws)
        interval = bootstrap.percentile_interval(drawn["mean"], 200)
        covered.append((interval.low or 0.0) <= 3.0 <= (interval.high or 0.0))
    assert np.mean(covered) == pytest.approx(np.mean(student), abs=0.01)


def test_an_upper_end_is_studentised_where_a_scorer_gives_its_spread() -> None:
    """For a skewed mean it is that of bootstrap-t in a plain loop, and above the percentile."""
    values, draws = rng(6).exponential(size=60) ** 2, rng(7)

    def mean(weights: np.ndarray) -> dict[str, np.ndarray]:
        first, second = (weights @ np.column_stack([values, values**2]) / 60).T
        spread = np.sqrt(second - first**2)
        return {"mean": first, bootstrap.SPREAD + "mean": spread}

    ones = np.ones(60)
    found = bootstrap.subset_intervals(
        mean, mean(ones[None]), weights=ones, n=60, n_resamples=8000, rng=draws
    )
    drawn = values[rng(8).integers(0, 60, (8000, 60))]
    ratios = (drawn.mean(axis=1) - values.mean()) / drawn.std(axis=1)
    level = norm.cdf(np.sqrt(60 / 59) * t.ppf(0.025, 59))
    expected = values.mean() - np.quantile(ratios, level) * values.std()
    assert list(found) == ["mean"]
    assert found["mean"].high == pytest.approx(expected, rel=0.04)
    assert expected > np.quantile(drawn.mean(axis=1), 1 - level)


def test_interval_of_a_subset_is_scaled_to_all_rows() -> None:
    """A quarter of the rows has twice the spread: half of it remains, moved to the value."""
    interval = bootstrap.scaled_interval(bootstrap.Interval(0.4, 0.8), 0.6, 0.7, 0.25)
    assert (interval.low, interval.high) == pytest.approx((0.6, 0.8))


def test_often_undefined_metric_gets_a_reason_instead_of_an_interval() -> None:
    """When a tenth of the resamples has no value, no interval is claimed."""
    values = np.r_[np.full(100, np.nan), np.ones(900)]
    interval = bootstrap.percentile_interval(values, 1000)
    assert interval.low is None
    assert "10%" in str(interval.reason)


def test_four_rows_get_no_interval() -> None:
    """Below five rows resampling says nothing."""
    assert bootstrap.percentile_interval(np.ones(100), 4).reason
