"""Two-sample statistics for numbers, all read from one shared sort and merge.

Owns: every statistic between two samples of numbers. Statistics of categories and of binned values
are in ``drift_count_tests``.

Each column is sorted once; ``drift_merge`` joins two sorted samples in one linear pass and
everything here is read from its sums, which is why this is own code and not a loop over
``scipy.stats``: the same numbers for a small part of the time, and ``scipy.stats`` need not be
imported at all. The tests hold every function against scipy.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import special

from drift_merge import Merged
from drift_order import Floats

EXACT_KS_MAX_ROWS = 1000
"""Above this size the asymptotic p-value is right to 2e-3 and the exact one takes milliseconds."""

MIN_ROWS = 5
"""Fewer values than this on either side carry no evidence worth a verdict."""


class TestResult(NamedTuple):
    """Value of a statistic, the p-value where it is a test, and how the p-value was found."""

    statistic: float
    p_value: float | None = None
    method: str = ""


TestResult.__test__ = False  # type: ignore[attr-defined]  # not a test class for pytest


def kolmogorov_smirnov(merged: Merged, *, exact: bool | None = None) -> TestResult:
    """Largest distance between the two distribution functions, ``D = max |F - G|``.

    Parameters
    ----------
    merged : Merged
        Both samples.
    exact : bool, optional
        Whether to compute the exact p-value; by default for at most ``EXACT_KS_MAX_ROWS`` rows.

    Returns
    -------
    TestResult
        D in 0..1 (0 = same) and its two-sided p-value. With ties the p-value is conservative.

    Notes
    -----
    Asymptotic p-value: Kolmogorov's limit at ``s D + 1 / (6 s)``, ``s = sqrt(n m / (n + m))``,
    the correction of Vrbik (2018), *Pioneer Journal of Theoretical and Applied Statistics* 15.

    Examples
    --------
    >>> from drift_merge import merge
    >>> kolmogorov_smirnov(merge(np.array([1.0, 2.0]), np.array([2.0, 3.0]))).statistic
    0.5
    """
    distance = merged.largest_gap
    if exact is None:
        exact = max(merged.n, merged.m) <= EXACT_KS_MAX_ROWS
    if exact:
        return TestResult(distance, *_exact_ks_p_value(merged))
    scale = np.sqrt(merged.n * merged.m / merged.total)
    p_value = special.kolmogorov(scale * distance + 1 / (6 * scale)) if distance > 0 else 1.0
    return TestResult(distance, min(1.0, float(p_value)), "asymptotic")


def _exact_ks_p_value(merged: Merged) -> tuple[float, str]:
    from scipy import stats  # half a second to import, so only where the exact value is wanted

    # scipy warns and falls back where the exact sum loses its digits, which is near p = 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        p_value = float(stats.ks_2samp(merged.reference, merged.current, method="exact").pvalue)
    return p_value, "asymptotic, as the exact sum is unstable here" if caught else "exact"


def wasserstein(merged: Merged) -> TestResult:
    """Wasserstein-1 (earth mover's) distance in the column's own unit, ``∫ |F - G| dx``.

    Examples
    --------
    >>> from drift_merge import merge
    >>> wasserstein(merge(np.array([0.0, 1.0]), np.array([2.0, 3.0]))).statistic
    2.0
    """
    return TestResult(merged.area)


def energy_distance(merged: Merged) -> TestResult:
    """Energy distance ``sqrt(2 ∫ (F - G)² dx)`` (Székely & Rizzo 2013), in root units."""
    return TestResult(float(np.sqrt(2 * merged.squared_area)))


def cramer_von_mises(merged: Merged) -> TestResult:
    """Cramér-von Mises: the squared distance of the distribution functions summed over the ranks.

    Returns
    -------
    TestResult
        T (Anderson 1962, Annals of Mathematical Statistics 33, eq. 9) and its asymptotic p-value,
        both as ``scipy.stats.cramervonmises_2samp(method="asymptotic")``.
    """
    n, m, total = merged.n, merged.m, merged.total
    statistic = merged.cramer / (n * m * total**2)
    expected = (1 + 1 / total) / 6
    variance = (total + 1) * (4 * n * m * total - 3 * (n**2 + m**2) - 2 * n * m)
    variance /= 45 * total**2 * 4 * n * m
    limit = 1 / 6 + (statistic - expected) / np.sqrt(45 * variance)
    return TestResult(float(statistic), _cramer_von_mises_p(float(limit)), "asymptotic")


def _cramer_von_mises_p(x: float) -> float:
    """Upper tail of the limit law (Csörgő & Faraway 1996, eq. 1.3)."""
    if x < 0.003:
        return 1.0
    if x > 10:
        return 0.0  # below 1e-20, less than the series can tell from nothing
    # terms fall like exp(-2 q); those beyond q = 20 cannot change the sum
    k = _SERIES_INDEX[: int(math.sqrt(20 * x)) + 2]
    q = (4 * k + 1) ** 2 / (16 * x)
    terms = _SERIES_WEIGHT[: len(k)] * np.exp(-q) * special.kv(0.25, q)
    return min(1.0, max(0.0, 1 - float(terms.sum()) / math.sqrt(x)))


_SERIES_INDEX = np.arange(20)
_SERIES_WEIGHT = (
    np.exp(special.gammaln(_SERIES_INDEX + 0.5) - special.gammaln(_SERIES_INDEX + 1))
    * np.sqrt(4 * _SERIES_INDEX + 1)
    / np.pi**1.5
)


def anderson_darling(merged: Merged) -> TestResult:
    """k-sample Anderson-Darling for two samples: like Cramér-von Mises with weight on the tails.

    Returns
    -------
    TestResult
        The standardised mid-rank statistic of Scholz & Stephens (1987, JASA 82, eq. 7), equal to
        ``scipy.stats.anderson_ksamp``; its p-value from the limit law of Marsaglia & Marsaglia
        (2004), which reaches beyond scipy's table of 0.001..0.25. A constant pool gives 0, p = 1.
    """
    if merged.n_distinct == 1:
        return TestResult(0.0, 1.0, "constant in both samples")
    total, inverse = merged.total, 1 / merged.n + 1 / merged.m
    # N M_i - B n_i has the same square for both samples, as M_1 + M_2 = B and n_1 + n_2 = N
    raw = (total - 1) / total**2 * merged.tail_weighted * inverse
    deviation = _anderson_darling_std(int(merged.n), int(merged.m))
    standard = (raw - 1) / deviation
    limit_std = np.sqrt(2 * (np.pi**2 - 9) / 3)
    return TestResult(standard, _anderson_darling_p(1 + standard * limit_std), "asymptotic")


@lru_cache(maxsize=64)
def _anderson_darling_std(n: int, m: int) -> float:
    """Return the standard deviation of the statistic under no drift (Scholz & Stephens, eq. 4)."""
    total = n + m
    inverse = 1 / n + 1 / m
    partial = (1.0 / np.arange(total - 1, 1, -1)).cumsum()
    h = float(partial[-1]) + 1
    g = float((partial / np.arange(2, total)).sum())
    a = (4 * g - 6) + (10 - 6 * g) * inverse
    b = (2 * g - 4) * 4 + 16 * h + (2 * g - 14 * h - 4) * inverse - 8 * h + 4 * g - 6
    c = (6 * h + 2 * g - 2) * 4 + (4 * h - 4 * g + 6) * 2 + (2 * h - 6) * inverse + 4 * h
    d = (2 * h + 6) * 4 - 8 * h
    top = a * total**3 + b * total**2 + c * total + d
    return float(np.sqrt(top / ((total - 1.0) * (total - 2.0) * (total - 3.0))))


def _anderson_darling_p(z: float) -> float:
    """Upper tail of the Anderson-Darling limit law (Marsaglia & Marsaglia 2004, ``adinf``)."""
    if z <= 0.01:
        return 1.0
    if z < 2:
        series = (2.00012, 0.247105, -0.0649821, 0.0347962, -0.0116720, 0.00168691)
        return 1 - math.exp(-1.2337141 / z) / math.sqrt(z) * _polynomial(series, z)
    tail = (1.0776, -2.30695, 0.43424, -0.082433, 0.008056, -0.0003146)
    # beyond z = 10 the fitted polynomial is outside its range; the tail falls like exp(-z)
    inside = -math.expm1(-math.exp(_polynomial(tail, min(z, 10.0))))
    return inside * math.exp(-max(0.0, z - 10.0))


def _polynomial(coefficients: Sequence[float], x: float) -> float:
    """Evaluate by Horner's rule, the constant term first."""
    value = 0.0
    for coefficient in reversed(coefficients):
        value = value * x + coefficient
    return value


def rank_location(merged: Merged) -> TestResult:
    """Wilcoxon-Mann-Whitney rank-sum test for a shift, with mid-ranks.

    Returns
    -------
    TestResult
        z (positive: current lies higher) and its two-sided normal p-value. The variance is that
        of the observed (tied) ranks over all permutations, so ties need no other correction.
    """
    return _rank_score_test(merged, merged.current_rank, merged.pooled_square)


def rank_scale(merged: Merged) -> TestResult:
    """Mood's test for a change of spread: squared distances of the ranks from the middle.

    Returns
    -------
    TestResult
        z (positive: current is wider) and its two-sided normal p-value (Mood 1954, Annals of
        Mathematical Statistics 25), with mid-ranks and the permutation variance of the scores.
    """
    mean = merged.pooled_square / merged.total
    spread = merged.pooled_fourth - merged.pooled_square * mean
    if spread <= 1e-12 * merged.pooled_fourth:  # all ranks equally far from the middle
        spread = 0.0
    return _rank_score_test(merged, merged.current_square, spread)


def _rank_score_test(merged: Merged, score: float, spread: float) -> TestResult:
    """Test a sum of centred scores over the current sample, given their pooled sum of squares."""
    if spread <= 0:
        return TestResult(0.0, 1.0, "constant in both samples")
    variance = merged.n * merged.m / (merged.total * (merged.total - 1)) * spread
    z = score / float(np.sqrt(variance))
    return TestResult(z, float(special.erfc(abs(z) / np.sqrt(2))), "normal approximation")


def rosenbaum(merged: Merged) -> TestResult:
    """Rosenbaum's test of the values beyond the reference's range: outliers, a wrong unit.

    Returns
    -------
    TestResult
        Share of current values below the reference's minimum or above its maximum, and twice the
        exact probability ``C(N - k, n) / C(N, n)`` that without drift the k largest (or smallest)
        pooled values are all current, k of the fuller side (Rosenbaum 1954, Annals of
        Mathematical Statistics 25). Values equal to an end are not beyond it.

    Examples
    --------
    >>> from drift_merge import merge
    >>> rosenbaum(merge(np.array([1.0, 2.0]), np.array([0.0, 1.5, 2.0, 9.0]))).statistic
    0.5
    """
    below = float(np.searchsorted(merged.current, merged.reference[0], side="left"))
    above = merged.m - float(np.searchsorted(merged.current, merged.reference[-1], side="right"))
    k = max(below, above)
    log_p = math.lgamma(merged.total - k + 1) - math.lgamma(merged.m - k + 1)
    log_p += math.lgamma(merged.m + 1) - math.lgamma(merged.total + 1)
    return TestResult((below + above) / merged.m, min(1.0, 2 * math.exp(log_p)), "exact")


def cauchy_combination(p_values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Combine dependent p-values of one question into one.

    Parameters
    ----------
    p_values : sequence of float
        Each in 0..1, at least one.
    weights : sequence of float, optional
        Non-negative, same length; equal by default.

    Returns
    -------
    float
        ``1/2 - arctan(mean tan((1/2 - p) π)) / π`` (Liu & Xie 2020, JASA 115), valid for small p
        under any dependence. p-values near 1 are capped at 0.99 so that they cannot veto the rest.

    Examples
    --------
    >>> round(cauchy_combination([0.01, 0.01]), 6)
    0.01
    """
    shares = [1.0] * len(p_values) if weights is None else weights
    # tan((1/2 - p) pi) = 1 / tan(p pi), which keeps its digits where p is tiny
    cotangents = [1 / math.tan(min(max(p, 1e-300), 0.99) * math.pi) for p in p_values]
    mean = math.fsum(w * c for w, c in zip(shares, cotangents, strict=True)) / math.fsum(shares)
    return math.atan2(1.0, mean) / math.pi


def benjamini_hochberg(p_values: Sequence[float]) -> Floats:
    """Adjust p-values so that rejecting at α keeps the false discovery rate below α.

    Parameters
    ----------
    p_values : sequence of float
        Each in 0..1; may be empty.

    Returns
    -------
    ndarray of float, same length
        Step-up adjusted p-values (Benjamini & Hochberg 1995, JRSS B 57).

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03])
    array([0.03, 0.04, 0.04])
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)[::-1]
    ranks = np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum.accumulate(np.minimum(1.0, p[order] * len(p) / ranks))
    return adjusted
