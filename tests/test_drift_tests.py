"""Statistics of ``drift_tests`` against scipy, hand computation and brute force."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import drift_tests as dt
from drift_merge import Merged, merge

RNG = np.random.default_rng(7)
SAMPLES = {
    "normal": (RNG.normal(size=300), RNG.normal(0.2, 1.2, size=190)),
    "tied": (RNG.poisson(3, 250).astype(float), RNG.poisson(3.4, 400).astype(float)),
    "heavy tails": (RNG.standard_cauchy(120), 2 * RNG.standard_cauchy(80)),
    "zeros": (RNG.exponential(size=200) * (RNG.random(200) < 0.5), RNG.exponential(size=60)),
}
samples = pytest.mark.parametrize("name", SAMPLES)
numbers = st.lists(st.integers(-20, 20).map(float), min_size=2, max_size=40)


def merged(name: str) -> Merged:
    return merge(*(np.sort(values) for values in SAMPLES[name]))


def merge_lists(reference: list[float], current: list[float]) -> Merged:
    return merge(np.sort(np.array(reference)), np.sort(np.array(current)))


@samples
@pytest.mark.parametrize("exact", [True, False])
def test_kolmogorov_smirnov_is_that_of_scipy(name: str, exact: bool) -> None:
    """Statistic to 1e-12; exact p-value to 1e-9, asymptotic to the 5e-3 it claims."""
    ours = dt.kolmogorov_smirnov(merged(name), exact=exact)
    scipys = stats.ks_2samp(*SAMPLES[name], method="exact" if exact else "asymp")
    assert ours.statistic == pytest.approx(scipys.statistic, abs=1e-12)
    assert ours.p_value == pytest.approx(scipys.pvalue, abs=1e-9 if exact else 5e-3)


@pytest.mark.parametrize("levels", [1, 3, 5000, 10**6])
def test_samples_of_many_blocks_give_the_same_sums(levels: int) -> None:
    """Ties that reach over the ends of blocks, and none at all, against scipy."""
    rng = np.random.default_rng(levels)
    old, new = rng.integers(0, levels, 60_000) * 1.0, rng.integers(0, levels, 29_000) * 1.0
    both = merge(np.sort(old), np.sort(new))
    assert both.n_distinct == len(np.unique(np.concatenate([old, new])))
    pairs = [
        (dt.wasserstein(both).statistic, stats.wasserstein_distance(old, new)),
        (dt.energy_distance(both).statistic, stats.energy_distance(old, new)),
        (both.largest_gap, stats.ks_2samp(old, new, method="asymp").statistic),
        (dt.cramer_von_mises(both).statistic, stats.cramervonmises_2samp(old, new).statistic),
    ]
    for ours, scipys in pairs:
        assert ours == pytest.approx(scipys, rel=1e-9)


def test_exact_p_value_is_used_up_to_a_thousand_rows() -> None:
    """The method is stated and changes just above the limit."""
    small, large = (np.arange(float(n)) for n in (1000, 1001))
    assert dt.kolmogorov_smirnov(merge(small, small)).method == "exact"
    assert dt.kolmogorov_smirnov(merge(small, large)).method == "asymptotic"


@samples
def test_wasserstein_is_that_of_scipy(name: str) -> None:
    """Equal to scipy.stats.wasserstein_distance."""
    expected = stats.wasserstein_distance(*SAMPLES[name])
    assert dt.wasserstein(merged(name)).statistic == pytest.approx(expected, rel=1e-9)


@samples
def test_energy_distance_is_that_of_scipy(name: str) -> None:
    """Equal to scipy.stats.energy_distance."""
    expected = stats.energy_distance(*SAMPLES[name])
    assert dt.energy_distance(merged(name)).statistic == pytest.approx(expected, rel=1e-9)


@samples
def test_cramer_von_mises_is_that_of_scipy(name: str) -> None:
    """Statistic and asymptotic p-value of scipy.stats.cramervonmises_2samp."""
    expected = stats.cramervonmises_2samp(*SAMPLES[name], method="asymptotic")
    ours = dt.cramer_von_mises(merged(name))
    assert ours.statistic == pytest.approx(expected.statistic, rel=1e-9)
    assert ours.p_value == pytest.approx(expected.pvalue, abs=1e-9)


@samples
@pytest.mark.filterwarnings("ignore:p-value")
def test_anderson_darling_is_that_of_scipy(name: str) -> None:
    """Statistic of scipy.stats.anderson_ksamp; its p-value comes from a coarse table (10 %)."""
    expected: Any = stats.anderson_ksamp([*SAMPLES[name]], variant="midrank")
    ours = dt.anderson_darling(merged(name))
    assert ours.statistic == pytest.approx(expected.statistic, rel=1e-9)
    if 0.002 < expected.pvalue < 0.24:
        assert ours.p_value == pytest.approx(expected.pvalue, rel=0.1)


@pytest.mark.parametrize(("z", "tail"), [(1.93296, 0.1), (2.49237, 0.05), (3.87812, 0.01)])
def test_anderson_darling_limit_has_the_published_quantiles(z: float, tail: float) -> None:
    """Quantiles of the limit law given by Marsaglia & Marsaglia (2004)."""
    assert dt._anderson_darling_p(z) == pytest.approx(tail, rel=5e-4)


@samples
def test_rank_location_is_the_uncorrected_mann_whitney_test(name: str) -> None:
    """p-value of scipy.stats.mannwhitneyu, asymptotic, tie-corrected, no continuity correction."""
    expected = stats.mannwhitneyu(*SAMPLES[name], method="asymptotic", use_continuity=False).pvalue
    assert dt.rank_location(merged(name)).p_value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["normal", "heavy tails"])
def test_rank_scale_is_the_test_of_mood(name: str) -> None:
    """p-value of scipy.stats.mood where there are no ties."""
    expected = stats.mood(*SAMPLES[name]).pvalue
    assert dt.rank_scale(merged(name)).p_value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("function", "scores"),
    [(dt.rank_location, lambda r: r), (dt.rank_scale, lambda r: (r - r.mean()) ** 2)],
)
def test_rank_tests_have_the_variance_over_all_permutations(function: Any, scores: Any) -> None:
    """With ties, z equals the score sum standardised over every split of a small pool."""
    pool = np.array([1.0, 1, 2, 3, 3, 3, 7, 9])
    score = scores(stats.rankdata(pool))
    sums = np.array([score[list(rows)].sum() for rows in combinations(range(8), 3)])
    expected = (score[[0, 4, 7]].sum() - sums.mean()) / sums.std()
    ours = function(merge_lists(pool[[1, 2, 3, 5, 6]].tolist(), pool[[0, 4, 7]].tolist()))
    assert ours.statistic == pytest.approx(expected)


def test_rosenbaum_counts_all_ways_to_hold_the_largest_values() -> None:
    """The p-value is twice the share of splits of 9 values whose 3 largest are all current."""
    ours = dt.rosenbaum(merge_lists([1, 2, 3, 4, 5], [4.5, 6, 7, 8]))
    splits = list(combinations(range(9), 4))
    expected = 2 * np.mean([{6, 7, 8} <= set(rows) for rows in splits])
    assert ours.p_value == pytest.approx(expected)
    assert ours.statistic == 0.75


@pytest.mark.parametrize("function", [dt.rosenbaum, dt.rank_location, dt.rank_scale])
def test_ties_with_the_ends_and_constants_are_no_evidence(function: Any) -> None:
    """Two constant samples give p = 1, never NaN."""
    result = function(merge_lists([2, 2, 2], [2, 2]))
    assert (result.statistic, result.p_value) == (0.0, 1.0)


@pytest.mark.parametrize(
    "function",
    [dt.kolmogorov_smirnov, dt.wasserstein, dt.energy_distance, dt.anderson_darling, dt.rank_scale],
)
@given(reference=numbers, current=numbers)
@settings(max_examples=25, deadline=None)
def test_statistics_are_finite_and_symmetric(
    function: Any, reference: list[float], current: list[float]
) -> None:
    """Swapping the samples changes no statistic but for its sign; p-values stay in 0..1."""
    if len(reference) + len(current) < 5:
        current = current * 3
    one, two = (
        function(merge_lists(*pair)) for pair in ((reference, current), (current, reference))
    )
    assert abs(one.statistic) == pytest.approx(abs(two.statistic), abs=1e-9)
    assert one.p_value is None or 0 <= one.p_value <= 1


@given(sample=numbers)
@settings(max_examples=30, deadline=None)
def test_distances_of_identical_samples_are_zero(sample: list[float]) -> None:
    """KS, Wasserstein and energy distance vanish on equal samples."""
    both = merge_lists(sample, sample)
    for function in (dt.kolmogorov_smirnov, dt.wasserstein, dt.energy_distance):
        assert function(both).statistic == pytest.approx(0, abs=1e-12)


@given(reference=numbers, current=numbers)
@settings(max_examples=30, deadline=None)
def test_rank_statistics_survive_monotone_transforms(
    reference: list[float], current: list[float]
) -> None:
    """KS and Wilcoxon see only the order of the values."""
    plain = merge_lists(reference, current)
    bent = merge_lists([x**3 + x for x in reference], [x**3 + x for x in current])
    for function in (dt.kolmogorov_smirnov, dt.rank_location):
        assert function(plain)[:2] == pytest.approx(function(bent)[:2])


@given(reference=numbers, current=numbers)
@settings(max_examples=30, deadline=None)
def test_wasserstein_scales_with_the_unit(reference: list[float], current: list[float]) -> None:
    """Ten times the values, ten times the distance."""
    plain, scaled = (
        dt.wasserstein(merge_lists([f * x for x in reference], [f * x for x in current]))
        for f in (1, 10)
    )
    assert scaled.statistic == pytest.approx(10 * plain.statistic, abs=1e-9)


def test_empty_sample_is_refused() -> None:
    """The message says how many values it got."""
    with pytest.raises(ValueError, match="got 0 and 1"):
        merge(np.empty(0), np.ones(1))


@given(st.lists(st.floats(0, 1), max_size=30))
@settings(max_examples=50, deadline=None)
def test_benjamini_hochberg_is_that_of_scipy(p_values: list[float]) -> None:
    """Equal to scipy.stats.false_discovery_control, also without any p-value."""
    ours = dt.benjamini_hochberg(p_values)
    expected: Any = stats.false_discovery_control(p_values) if p_values else []
    assert ours == pytest.approx(expected)


def test_cauchy_combination_by_hand() -> None:
    """Uninformative p-values (1/2, tangent 0) divide the tangent by their number."""
    expected = 0.5 - np.arctan(np.tan((0.5 - 0.001) * np.pi) / 3) / np.pi
    assert dt.cauchy_combination([0.001, 0.5, 0.5]) == pytest.approx(expected)
    assert dt.cauchy_combination([0.2, 0.7], [1, 0]) == pytest.approx(0.2)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_cauchy_combination_lies_between_its_parts(p_values: list[float]) -> None:
    """The combined p-value is never below the smallest part nor above the largest."""
    combined = dt.cauchy_combination(p_values)
    assert min([*p_values, 0.99]) - 1e-9 <= combined <= max([*p_values, 1e-9]) + 1e-9
