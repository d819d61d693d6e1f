"""Two-sample statistics for counts: categories, binned numbers, shares of missing values.

Owns: every statistic between two vectors of counts over the same cells. A vector is the counts
of one sample, shape (k,), float or integer, cells in the same order in both.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from drift_tests import TestResult

Floats = NDArray[np.float64]

PSI_FLOOR = 1e-4
"""Share put in the place of an empty cell in PSI and KL terms, as Evidently and others do."""

MIN_EXPECTED = 5.0
"""Cochran's rule (1954): chi-square's limit law wants at least this expected count per cell."""

PERMUTATIONS = 1999
_MAX_DRAWS = 200_000


def shares(counts: Floats) -> Floats:
    """Return counts as shares that sum to 1.

    Raises
    ------
    ValueError
        If the sample is empty.

    Examples
    --------
    >>> shares(np.array([1.0, 3.0])).tolist()
    [0.25, 0.75]
    """
    total = float(counts.sum())
    if total <= 0:
        msg = "a sample without values has no shares"
        raise ValueError(msg)
    return np.asarray(counts / total, dtype=np.float64)


def population_stability_index(reference: Floats, current: Floats) -> TestResult:
    """PSI ``Σ (p - q) ln(p / q)``; 0 = same, no upper limit (Siddiqi 2006).

    Empty cells count as a share of ``PSI_FLOOR``, so that one rare value cannot make it infinite.

    Examples
    --------
    >>> round(population_stability_index(np.array([5, 5]), np.array([9, 1])).statistic, 3)
    0.879
    """
    return TestResult(_psi(shares(reference), shares(current)))


def _psi(p: Floats, q: Floats) -> float:
    p, q = np.maximum(p, PSI_FLOOR), np.maximum(q, PSI_FLOOR)
    return float((p - q).dot(np.log(p / q)))


def jensen_shannon(reference: Floats, current: Floats) -> TestResult:
    """Jensen-Shannon distance, base 2: square root of the divergence, in 0..1 (Lin 1991).

    Equal to ``scipy.spatial.distance.jensenshannon(p, q, base=2)``.

    Examples
    --------
    >>> jensen_shannon(np.array([5, 0]), np.array([0, 7])).statistic
    1.0
    """
    return TestResult(_jensen_shannon(shares(reference), shares(current)))


def _jensen_shannon(p: Floats, q: Floats) -> float:
    middle = (p + q) / 2
    terms = special.rel_entr(p, middle) + special.rel_entr(q, middle)
    return math.sqrt(max(0.0, float(terms.sum()) / 2 / math.log(2)))


def hellinger(reference: Floats, current: Floats) -> TestResult:
    """Hellinger distance ``sqrt(1/2 Σ (√p - √q)²)``, in 0..1.

    Examples
    --------
    >>> round(hellinger(np.array([5, 5]), np.array([9, 1])).statistic, 3)
    0.325
    """
    return TestResult(_hellinger(shares(reference), shares(current)))


def _hellinger(p: Floats, q: Floats) -> float:
    gap = np.sqrt(p) - np.sqrt(q)
    return math.sqrt(0.5 * float(gap.dot(gap)))


def total_variation(reference: Floats, current: Floats) -> TestResult:
    """Total variation ``1/2 Σ |p - q|``: the share of rows that would have to change cell, 0..1.

    Examples
    --------
    >>> total_variation(np.array([5, 5]), np.array([15, 5])).statistic
    0.25
    """
    return TestResult(_total_variation(shares(reference), shares(current)))


def _total_variation(p: Floats, q: Floats) -> float:
    return 0.5 * float(np.abs(p - q).sum())


def distances(reference: Floats, current: Floats) -> dict[str, TestResult]:
    """Return ``psi``, ``jensen_shannon``, ``hellinger`` and ``total_variation`` of two samples.

    Raises
    ------
    ValueError
        If a sample is empty.

    Examples
    --------
    >>> found = distances(np.array([50.0, 50.0]), np.array([80.0, 20.0]))
    >>> round(found["psi"].statistic, 4), round(found["total_variation"].statistic, 4)
    (0.4159, 0.3)
    """
    p, q = shares(reference), shares(current)
    return {
        "psi": TestResult(_psi(p, q)),
        "jensen_shannon": TestResult(_jensen_shannon(p, q)),
        "hellinger": TestResult(_hellinger(p, q)),
        "total_variation": TestResult(_total_variation(p, q)),
    }


def cramers_v(reference: Floats, current: Floats) -> TestResult:
    """Cramér's V of sample and cell, ``sqrt(chi² / N)`` for two samples, in 0..1.

    Examples
    --------
    >>> round(cramers_v(np.array([30.0, 70.0]), np.array([45.0, 55.0])).statistic, 3)
    0.155
    """
    statistic, used = _chi_square_statistic(*_occupied(reference, current))
    return TestResult(float(np.sqrt(statistic / used)) if used else 0.0)


def _occupied(reference: Floats, current: Floats) -> tuple[Floats, Floats]:
    """Drop the cells that are empty in both samples."""
    keep = (reference + current) > 0
    return reference[keep].astype(np.float64), current[keep].astype(np.float64)


def _chi_square_statistic(reference: Floats, current: Floats) -> tuple[float, float]:
    """Pearson's statistic of the 2 x k table and the pooled size."""
    n, m = float(reference.sum()), float(current.sum())
    pooled = reference + current
    gap = reference - pooled * (n / (n + m))
    return float(np.sum(gap**2 / pooled) * (n + m) ** 2 / (n * m)), n + m


def chi_square(reference: Floats, current: Floats, *, seed: int = 0) -> TestResult:
    """Chi-square test of homogeneity: both samples are taken as noisy, neither as the truth.

    Parameters
    ----------
    reference, current : ndarray, shape (k,)
        Counts per cell.
    seed : int
        Of the permutations, where they are needed.

    Returns
    -------
    TestResult
        Pearson's statistic of the table that was tested and its p-value. ``method`` says how:
        the limit law; rare cells (expected count < 5 in either sample) put together first; or
        a permutation of the rows over the samples where the table is too thin for either.

    Examples
    --------
    >>> round(chi_square(np.array([30, 20]), np.array([20, 30])).statistic, 6)
    4.0
    """
    kept = _occupied(reference, current)
    if len(kept[0]) < 2:
        return TestResult(0.0, 1.0, "one category in both samples")
    if _min_expected(*kept) >= MIN_EXPECTED:
        return _chi_square_limit(*kept, "chi-square limit")
    grouped = _group_rare(*kept)
    if len(grouped[0]) >= 2 and _min_expected(*grouped) >= MIN_EXPECTED:
        return _chi_square_limit(*grouped, "chi-square limit, rare categories grouped")
    if len(kept[0]) == 2:
        return TestResult(_chi_square_statistic(*kept)[0], fisher_exact(*kept), "Fisher exact")
    return _chi_square_permuted(*kept, seed)


def _min_expected(reference: Floats, current: Floats) -> float:
    pooled = reference + current
    smaller = min(reference.sum(), current.sum())
    return float(pooled.min() * smaller / pooled.sum())


def _group_rare(reference: Floats, current: Floats) -> tuple[Floats, Floats]:
    """Add up the cells whose expected count is too small, decided on the pooled counts only."""
    pooled = reference + current
    expected = pooled * min(reference.sum(), current.sum()) / pooled.sum()
    rare = expected < MIN_EXPECTED
    if expected[rare].sum() < MIN_EXPECTED and not rare.all():
        rare[np.argmin(np.where(rare, np.inf, expected))] = True
    grouped = [np.append(counts[~rare], counts[rare].sum()) for counts in (reference, current)]
    return grouped[0], grouped[1]


def _chi_square_limit(reference: Floats, current: Floats, method: str) -> TestResult:
    statistic, _ = _chi_square_statistic(reference, current)
    return TestResult(statistic, float(special.chdtrc(len(reference) - 1, statistic)), method)


def _chi_square_permuted(reference: Floats, current: Floats, seed: int) -> TestResult:
    """Exact up to simulation: p = (1 + more extreme) / (1 + draws) (Davison & Hinkley 1997)."""
    statistic, _ = _chi_square_statistic(reference, current)
    pooled = reference + current
    if len(pooled) > _MAX_DRAWS // 199:
        return TestResult(statistic, None, f"{len(pooled)} rare categories are too many to test")
    draws = int(min(PERMUTATIONS, max(199, _MAX_DRAWS // len(pooled))))
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(
        pooled.astype(np.int64), int(current.sum()), size=draws, method="marginals"
    )
    share = current.sum() / pooled.sum()
    permuted = ((drawn - pooled * share) ** 2 / pooled).sum(axis=1) / (share * (1 - share))
    extreme = int((permuted >= statistic * (1 - 1e-9)).sum())
    return TestResult(statistic, (1 + extreme) / (1 + draws), f"{draws} permutations")


def fisher_exact(reference: Floats, current: Floats) -> float:
    """Two-sided p-value of Fisher's exact test of a 2 x 2 table.

    Parameters
    ----------
    reference, current : ndarray, shape (2,)
        Counts of the two cells in each sample.

    Returns
    -------
    float
        Sum of the hypergeometric probabilities that are no larger than the observed one, as
        ``scipy.stats.fisher_exact``.

    Examples
    --------
    >>> round(fisher_exact(np.array([3.0, 1.0]), np.array([1.0, 3.0])), 4)
    0.4857
    """
    first, log_p = _hypergeometric(reference, current)
    observed = log_p[int(reference[0]) - first]
    return min(1.0, float(np.exp(log_p[log_p <= observed + 1e-7]).sum()))


def _hypergeometric(reference: Floats, current: Floats) -> tuple[int, Floats]:
    """Return the smallest possible reference[0] given the margins, and log P of it and the next."""
    n, m = int(reference.sum()), int(current.sum())
    hits = int(reference[0] + current[0])
    k = np.arange(max(0, hits - m), min(hits, n) + 1)
    return int(k[0]), _log_choose(n, k) + _log_choose(m, hits - k) - _log_choose(n + m, hits)


def _log_choose(n: int, k: NDArray[np.int64] | int) -> Floats:
    return np.asarray(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1))


def g_test(reference: Floats, current: Floats) -> TestResult:
    """G-test of homogeneity (likelihood ratio), ``2 Σ O ln(O / E)``, chi-square with k - 1 df.

    Equal to ``scipy.stats.chi2_contingency(..., lambda_="log-likelihood", correction=False)``.

    Examples
    --------
    >>> result = g_test(np.array([30.0, 70.0]), np.array([45.0, 55.0]))
    >>> round(result.statistic, 3), round(result.p_value, 4)
    (4.825, 0.0281)
    """
    kept = _occupied(reference, current)
    if len(kept[0]) < 2:
        return TestResult(0.0, 1.0, "one category in both samples")
    pooled = kept[0] + kept[1]
    expected = [pooled * counts.sum() / pooled.sum() for counts in kept]
    g = 2 * sum(float(special.xlogy(o, o / e).sum()) for o, e in zip(kept, expected, strict=True))
    g = max(0.0, g)
    return TestResult(g, float(special.chdtrc(len(pooled) - 1, g)), "chi-square limit")


def proportion_difference(
    reference_hits: int,
    n_reference: int,
    current_hits: int,
    n_current: int,
    *,
    rising: float = 0.5,
) -> TestResult:
    """Test whether a share (of missing values, say) differs between two samples.

    Parameters
    ----------
    reference_hits, current_hits : int
        Rows with the property.
    n_reference, n_current : int
        All rows, at least 1 each.
    rising : float
        Part of α that is given to a larger share in the current sample, in 0..1, both excluded;
        the rest to a smaller one. At 1/2 this is the usual two-sided test.

    Returns
    -------
    TestResult
        Current share minus reference share, in -1..1; p-value of the chi-square test of the
        2 x 2 table (the square of the pooled two-proportion z), Fisher's where counts are small.
        With another ``rising`` the p-value is ``min(p_up / rising, p_down / (1 - rising))`` of the
        two one-sided tests: the same false alarms in all, but more of them on one side.

    Examples
    --------
    >>> round(proportion_difference(10, 100, 30, 200).statistic, 6)
    0.05
    """
    reference = np.array([reference_hits, n_reference - reference_hits], dtype=np.float64)
    current = np.array([current_hits, n_current - current_hits], dtype=np.float64)
    difference = current_hits / n_current - reference_hits / n_reference
    test = chi_square(reference, current)
    if rising == 0.5 or test.p_value == 1.0:
        return TestResult(difference, test.p_value, test.method)
    up, down = _one_sided(reference, current, test)
    method = f"{test.method}, one-sided, {rising:.0%} of α for an increase"
    return TestResult(difference, min(1.0, up / rising, down / (1 - rising)), method)


def _one_sided(reference: Floats, current: Floats, test: TestResult) -> tuple[float, float]:
    """Return p of "current has a larger share of the first cell" and of "a smaller one"."""
    if test.method != "Fisher exact":
        difference = current[0] / current.sum() - reference[0] / reference.sum()
        z = math.copysign(math.sqrt(test.statistic), difference)
        return float(special.ndtr(-z)), float(special.ndtr(z))
    first, log_p = _hypergeometric(reference, current)
    observed = int(reference[0]) - first
    p = np.exp(log_p)
    return min(1.0, float(p[: observed + 1].sum())), min(1.0, float(p[observed:].sum()))


def new_categories(reference: Floats, current: Floats) -> TestResult:
    """Test whether the categories unseen in the reference are more than chance brings.

    Parameters
    ----------
    reference, current : ndarray, shape (k,)
        Counts per category.

    Returns
    -------
    TestResult
        Share of current rows in categories the reference lacks, and a p-value that holds even
        where rare categories come and go: without drift, category i with t_i rows in all misses
        the reference with probability ``q_i = C(N - t_i, n) / C(N, n)``. The p-value is twice the
        smaller of (a) the smallest ``q_i`` times the number of categories, for one large new
        category, and (b) the Poisson tail of the number of new ones with mean ``Σ q_i``, for
        many small ones (conservative for independent cells: Hoeffding 1956).

    Examples
    --------
    >>> result = new_categories(np.array([60.0, 40.0, 0.0]), np.array([30.0, 20.0, 50.0]))
    >>> result.statistic, result.p_value < 1e-6
    (0.5, True)
    """
    kept_reference, kept_current = _occupied(reference, current)
    unseen = kept_reference == 0
    share = float(kept_current[unseen].sum() / kept_current.sum())
    if not unseen.any():
        return TestResult(0.0, 1.0, "none unseen")
    n, pooled = int(kept_reference.sum()), kept_reference + kept_current
    total = int(pooled.sum())
    # log C(N - t, n) - log C(N, n); impossible (more rows than current holds) is -inf
    room = np.maximum(total - pooled - n, 0)
    log_q = special.gammaln(total - pooled + 1) - special.gammaln(room + 1)
    log_q += special.gammaln(total - n + 1) - special.gammaln(total + 1)
    q = np.where(total - pooled >= n, np.exp(log_q), 0.0)
    largest = len(pooled) * float(q[unseen].min())
    many = float(special.pdtrc(int(unseen.sum()) - 1, q.sum()))
    return TestResult(share, min(1.0, 2 * min(largest, many)), "exchangeability bound")
