"""Closed-form intervals against scipy's distributions and published numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from intervals import calls_needed, order_statistic_interval, share_estimate, wilson_interval


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [6, 36, 72, 100, 367, 368, 1000])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_order_statistics_are_the_narrowest_with_equal_tails(
    n: int, quantile: float, confidence: float
) -> None:
    """Both tails by scipy's binomial are small enough, and one rank closer they are not."""
    ranks = np.arange(1.0, n + 1)
    tail = (1 - confidence) / 2
    lower_exists = binom.cdf(0, n, quantile) <= tail
    upper_exists = binom.sf(n - 1, n, quantile) <= tail
    interval = order_statistic_interval(ranks, quantile, confidence)
    assert (interval is not None) == (lower_exists and upper_exists)
    if interval is not None:
        lower, upper = interval
        assert binom.cdf(lower - 1, n, quantile) <= tail < binom.cdf(lower, n, quantile)
        assert binom.sf(upper - 1, n, quantile) <= tail < binom.sf(upper - 2, n, quantile)


@pytest.mark.parametrize(("quantile", "needed"), [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368)])
def test_interval_exists_from_the_published_number_of_calls(quantile: float, needed: int) -> None:
    """6, 72 and 368 calls are needed for p50, p95 and p99 at 95 %."""
    assert calls_needed(quantile) == needed
    assert order_statistic_interval(np.arange(needed), quantile) is not None
    assert order_statistic_interval(np.arange(needed - 1), quantile) is None


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
