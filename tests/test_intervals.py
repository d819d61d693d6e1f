"""Closed-form intervals against scipy's distributions and published numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from intervals import calls_needed, order_statistic_interval, share_estimate, wilson_interval


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [6, 36, 59, 72, 100, 299, 367, 368, 1000])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_order_statistics_are_the_narrowest_that_are_safe(
    n: int, quantile: float, confidence: float
) -> None:
    """By scipy's binomial both tails together are small enough, and one rank closer is too much.

    Equal tails, unless the extreme value is the only one far enough out: then it is that end.
    """
    ranks = np.arange(1.0, n + 1)
    missed = 1 - confidence
    least, greatest = binom.cdf(0, n, quantile), binom.sf(n - 1, n, quantile)
    interval = order_statistic_interval(ranks, quantile, confidence)
    assert (interval is not None) == (least + greatest <= missed)
    if interval is not None:
        lower, upper = interval
        below, above = missed - max(missed / 2, greatest), missed - max(missed / 2, least)
        assert binom.cdf(lower - 1, n, quantile) <= below < binom.cdf(lower, n, quantile) or (
            lower == 1 and least > missed / 2
        )
        assert binom.sf(upper - 1, n, quantile) <= above < binom.sf(upper - 2, n, quantile) or (
            upper == n and greatest > missed / 2
        )
        covered = binom.cdf(upper - 1, n, quantile) - binom.cdf(lower - 1, n, quantile)
        assert covered >= confidence - 1e-12


@pytest.mark.parametrize(("quantile", "needed"), [(0.5, 6), (0.9, 29), (0.95, 59), (0.99, 299)])
def test_interval_exists_from_the_published_number_of_calls(quantile: float, needed: int) -> None:
    """Wilks's 59 and 299 calls are needed for p95 and p99 at 95 %, and 6 for p50."""
    assert calls_needed(quantile) == needed
    assert order_statistic_interval(np.arange(needed), quantile) is not None
    assert order_statistic_interval(np.arange(needed - 1), quantile) is None


@pytest.mark.parametrize("n", [59, 65, 71])
def test_few_calls_cover_the_true_p95(n: int) -> None:
    """Of 4,000 exponential samples at least 95 % of the intervals hold the true p95."""
    samples = np.sort(np.random.default_rng(n).exponential(size=(4000, n)), axis=1)
    intervals = np.array([order_statistic_interval(sample, 0.95) for sample in samples])
    true = -np.log(0.05)
    assert np.mean((intervals[:, 0] <= true) & (true <= intervals[:, 1])) >= 0.945


def test_order_statistics_cover_the_true_quantile() -> None:
    """Of 2,000 exponential samples at least 95 % of the intervals hold the true p90."""
    samples = np.sort(np.random.default_rng(0).exponential(size=(2000, 100)), axis=1)
    intervals = np.array([order_statistic_interval(sample, 0.9) for sample in samples])
    true = -np.log(0.1)
    covered = np.mean((intervals[:, 0] <= true) & (true <= intervals[:, 1]))
    assert covered >= 0.94


@given(n=st.integers(1, 5000), share=st.floats(0, 1), confidence=st.floats(0.5, 0.999))
def test_wilson_agrees_with_scipy(n: int, share: float, confidence: float) -> None:
    """The bounds equal scipy's Wilson interval for any count."""
    events = round(share * n)
    expected = binomtest(events, n).proportion_ci(confidence, method="wilson")
    low, high = wilson_interval(events, n, confidence)
    assert float(low) == pytest.approx(expected.low, abs=1e-12)
    assert float(high) == pytest.approx(expected.high, abs=1e-12)


def test_zero_events_give_the_exact_one_sided_bound() -> None:
    """After 0 of 1,000 the bound is where 0 events still have 5 % probability, about 3/n."""
    estimate = share_estimate(0, 1000)
    assert estimate.high is not None
    assert (estimate.value, estimate.low) == (0.0, 0.0)
    assert binom.pmf(0, 1000, estimate.high) == pytest.approx(0.05)
    assert estimate.high == pytest.approx(0.003, rel=0.01)


def test_no_rows_give_a_reason_instead_of_a_number() -> None:
    """A share of nothing has no value."""
    estimate = share_estimate(0, 0)
    assert estimate.value is None
    assert estimate.reason
