"""Statistics of ``drift_count_tests`` against scipy, hand computation and brute force."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

import drift_count_tests as ct

TABLES = [([30, 50, 20], [40, 40, 25]), ([300, 20, 9, 71], [120, 30, 8, 42]), ([7, 93], [21, 79])]
tables = pytest.mark.parametrize(("reference", "current"), TABLES)
counts = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=12)


def vectors(reference: list[int], current: list[int]) -> tuple[ct.Floats, ct.Floats]:
    return np.array(reference, dtype=float), np.array(current, dtype=float)


@tables
@pytest.mark.parametrize(
    ("function", "kind"), [(ct.chi_square, "pearson"), (ct.g_test, "log-likelihood")]
)
def test_homogeneity_tests_are_those_of_scipy(
    function: Any, kind: str, reference: list[int], current: list[int]
) -> None:
    """Statistic and p-value of scipy.stats.chi2_contingency without Yates' correction."""
    table = np.array([reference, current])
    expected: Any = stats.chi2_contingency(table, correction=False, lambda_=kind)  # type: ignore[call-overload]
    ours = function(*vectors(reference, current))
    assert ours.statistic == pytest.approx(expected.statistic, rel=1e-9)
    assert ours.p_value == pytest.approx(expected.pvalue, rel=1e-9)


@tables
def test_jensen_shannon_is_that_of_scipy(reference: list[int], current: list[int]) -> None:
    """Equal to scipy's distance in base 2."""
    expected = jensenshannon(reference, current, base=2)
    assert ct.jensen_shannon(*vectors(reference, current)).statistic == pytest.approx(expected)


@tables
def test_cramers_v_is_that_of_scipy(reference: list[int], current: list[int]) -> None:
    """Equal to scipy.stats.contingency.association."""
    table = np.array([reference, current])
    expected = stats.contingency.association(table, method="cramer")
    assert ct.cramers_v(*vectors(reference, current)).statistic == pytest.approx(expected)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (ct.population_stability_index, 0.3 * np.log(4) / 1),
        (ct.hellinger, np.sqrt(1 - np.sqrt(0.4 * 0.1) - np.sqrt(0.6 * 0.9))),
        (ct.total_variation, 0.3),
    ],
)
def test_distances_by_hand(function: Any, expected: float) -> None:
    """Shares 40/60 against 10/90; PSI's second term is 0.3 ln(90/60)."""
    if function is ct.population_stability_index:
        expected += 0.3 * np.log(1.5)
    assert function(*vectors([4, 6], [10, 90])).statistic == pytest.approx(expected)


def test_psi_of_an_empty_cell_is_finite() -> None:
    """An empty cell counts as one row in ten thousand."""
    expected = 0.4999 * np.log(0.5 / 1e-4) + 0.5 * np.log(1 / 0.5)
    ours = ct.population_stability_index(*vectors([5, 5], [0, 10]))
    assert ours.statistic == pytest.approx(expected)


@pytest.mark.parametrize("table", [([3, 9], [7, 2]), ([0, 5], [4, 1]), ([1, 30], [0, 12])])
def test_small_two_by_two_tables_are_tested_exactly(table: tuple[list[int], list[int]]) -> None:
    """Where Cochran's rule fails the p-value is that of scipy.stats.fisher_exact."""
    result = ct.chi_square(*vectors(*table))
    assert result.method == "Fisher exact"
    assert result.p_value == pytest.approx(stats.fisher_exact(np.array(table)).pvalue, rel=1e-9)


def test_thin_tables_are_tested_by_permutation() -> None:
    """The simulated p-value agrees with the count over all splits of the rows."""
    reference, current = vectors([4, 0, 1], [1, 3, 1])
    rows = np.repeat(np.arange(3), [5, 3, 2])
    currents = [
        np.bincount(rows[list(s)], minlength=3).astype(np.float64)
        for s in combinations(range(10), 5)
    ]
    extremes = [ct._chi_square_statistic(np.array([5, 3, 2]) - c, c)[0] for c in currents]
    observed, _ = ct._chi_square_statistic(reference, current)
    expected = np.mean(np.array(extremes) >= observed - 1e-9)
    result = ct.chi_square(reference, current)
    assert "permutations" in result.method
    assert result.p_value == pytest.approx(expected, abs=0.03)


def test_rare_categories_are_grouped_before_the_limit_law_is_used() -> None:
    """The statistic equals that of the table with the rare cells added up."""
    reference, current = vectors([100, 80, 2, 3, 4, 1], [90, 95, 3, 1, 2, 5])
    expected: Any = stats.chi2_contingency([[100, 80, 10], [90, 95, 11]], correction=False)
    result = ct.chi_square(reference, current)
    assert "grouped" in result.method
    assert result.p_value == pytest.approx(expected.pvalue, rel=1e-9)


def test_too_many_rare_categories_give_a_reason_instead_of_a_p_value() -> None:
    """A column of identifiers is told as such."""
    ones = np.ones(3000)
    result = ct.chi_square(np.append(ones, 0 * ones), np.append(0 * ones, ones))
    assert result.p_value is None
    assert "6000 rare categories" in result.method


@pytest.mark.parametrize(("hits", "n"), [((30, 60), (300, 200)), ((1, 4), (50, 20))])
def test_difference_of_shares(hits: tuple[int, int], n: tuple[int, int]) -> None:
    """The difference is current minus reference; the p-value that of the 2 x 2 table."""
    result = ct.proportion_difference(hits[0], n[0], hits[1], n[1])
    table = [[hits[0], n[0] - hits[0]], [hits[1], n[1] - hits[1]]]
    large: Any = stats.chi2_contingency(table, correction=False)
    expected = large.pvalue if min(hits) >= 5 else stats.fisher_exact(np.array(table)).pvalue
    assert result.statistic == pytest.approx(hits[1] / n[1] - hits[0] / n[0])
    assert result.p_value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("hits", "n"), [((30, 60), (300, 200)), ((60, 30), (300, 200))])
def test_most_of_alpha_may_go_to_an_increase(hits: tuple[int, int], n: tuple[int, int]) -> None:
    """The p-value is the one-sided one of the two-proportion z over that side's part of α."""
    result = ct.proportion_difference(hits[0], n[0], hits[1], n[1], rising=0.8)
    table = [[hits[0], n[0] - hits[0]], [hits[1], n[1] - hits[1]]]
    two_sided: Any = stats.chi2_contingency(table, correction=False).pvalue
    part = 0.8 if result.statistic > 0 else 0.2
    assert result.p_value == pytest.approx(two_sided / 2 / part, rel=1e-9)


@pytest.mark.parametrize("hits", [(1, 4), (4, 1), (0, 3)])
def test_an_increase_of_few_is_tested_exactly(hits: tuple[int, int]) -> None:
    """Small counts: the one-sided tails are those of scipy's Fisher test."""
    result = ct.proportion_difference(hits[0], 50, hits[1], 20, rising=0.85)
    table = np.array([[hits[0], 50 - hits[0]], [hits[1], 20 - hits[1]]])
    up, down = (stats.fisher_exact(table, alternative=side).pvalue for side in ("less", "greater"))
    assert result.p_value == pytest.approx(min(1.0, up / 0.85, down / 0.15), rel=1e-9)


def test_both_directions_together_keep_alpha() -> None:
    """Without drift p <= 0.05 in at most 5.6 % of 2 x 2 tables, enumerated exactly."""
    n, share = 60, 0.1
    chance = stats.binom.pmf(np.arange(n + 1), n, share)
    kept = np.flatnonzero(chance > 1e-4).tolist()
    rejected = sum(
        chance[a] * chance[b]
        for a in kept
        for b in kept
        if (ct.proportion_difference(a, n, b, n, rising=0.85).p_value or 0.0) <= 0.05
    )
    assert rejected <= 0.056


def test_new_category_by_hand() -> None:
    """Three rows of one new category: C(7, 5) / C(10, 5) per category, three categories, twice."""
    result = ct.new_categories(*vectors([3, 2, 0], [1, 1, 3]))
    assert result.statistic == pytest.approx(0.6)
    chance = np.array([6, 21, 21]) / 252  # C(10 - t, 5) / C(10, 5) for t = 4, 3, 3 rows
    many = stats.poisson.sf(0, chance.sum())
    assert result.p_value == pytest.approx(2 * min(3 * chance[2], many))


@pytest.mark.parametrize(
    ("reference", "current", "small"),
    [
        ([500, 500, 0], [240, 240, 20], True),  # one large new category
        ([500, 500] + [0] * 20, [240, 240] + [1] * 20, True),  # many new ones
        ([500, 500, 0], [250, 249, 1], False),  # one row
        ([500, 500, 0], [250, 250, 0], False),  # none
    ],
)
def test_new_categories_are_told_from_chance(
    reference: list[int], current: list[int], small: bool
) -> None:
    """A new category of some size, or many small ones, is beyond chance; a single row is not."""
    p_value = ct.new_categories(*vectors(reference, current)).p_value
    assert p_value is not None
    assert (p_value < 0.01) is small


@pytest.mark.parametrize("k", [5, 50])
def test_no_more_than_five_percent_false_alarms(k: int) -> None:
    """Under equal skewed shares at 200/200 rows both tests hold their level (400 draws + 3 SE)."""
    rng = np.random.default_rng(1)
    shares = 1 / np.arange(1, k + 1)
    drawn = [rng.multinomial(200, shares / shares.sum(), size=2) for _ in range(400)]
    for function in (ct.chi_square, ct.new_categories):
        alarms = np.mean([(function(*pair).p_value or 0) <= 0.05 for pair in drawn])
        assert alarms <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


@pytest.mark.parametrize(
    "function", [ct.jensen_shannon, ct.hellinger, ct.total_variation, ct.population_stability_index]
)
@given(cells=counts)
@settings(max_examples=30, deadline=None)
def test_distances_are_symmetric_and_zero_for_equal_shares(
    function: Any, cells: list[tuple[int, int]]
) -> None:
    """d(p, q) = d(q, p) >= 0, d(p, p) = 0, and only PSI may pass 1."""
    old, new = (np.array(side, dtype=float) + 1 for side in zip(*cells, strict=True))
    distance = function(old, new).statistic
    assert distance == pytest.approx(function(new, old).statistic, abs=1e-9)
    assert function(old, 3 * old).statistic == pytest.approx(0, abs=1e-7)
    assert distance >= 0
    assert function is ct.population_stability_index or distance <= 1 + 1e-12


@pytest.mark.parametrize("function", [ct.chi_square, ct.g_test])
@given(cells=counts)
@settings(max_examples=30, deadline=None)
def test_tests_never_answer_nan(function: Any, cells: list[tuple[int, int]]) -> None:
    """Any table with rows in both samples gets a statistic >= 0 and a p-value in 0..1."""
    old, new = (np.array(side, dtype=float) for side in zip(*[*cells, (1, 1)], strict=True))
    result = function(old, new)
    assert result.statistic >= 0
    assert 0 <= result.p_value <= 1


def test_an_empty_sample_has_no_shares() -> None:
    """The message says what is missing."""
    with pytest.raises(ValueError, match="without values"):
        ct.shares(np.zeros(3))
