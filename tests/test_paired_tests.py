"""Claims about the tests of differences: published examples, scipy, brute force, simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

import paired_tests
from errors import DataError
from intervals import Mean
from paired_tests import delong, in_words, mcnemar, mcnemar_p, paired_bootstrap, two_proportions
from row_results import RowResults, compare_rows, pack, unpack


def pairs(both: int, lost: int, gained: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    counts = [both, lost, gained, neither]
    return np.repeat([True, True, False, False], counts), np.repeat(
        [True, False, True, False], counts
    )


def test_mcnemar_equals_the_published_example() -> None:
    """Bentur et al. as in Fagerland 2013: exact p = 0.070, mid-p = 0.039."""
    assert round(mcnemar_p(7, 1, mid=False), 3) == 0.070
    assert round(mcnemar(*pairs(1, 1, 7, 12)).p_value, 3) == 0.039


def test_the_approval_ratings_of_agresti() -> None:
    """Agresti 2002, table 10.1: approval fell by 4 points, 95 % interval 2 to 6."""
    found = mcnemar(*pairs(794, 150, 86, 570))
    assert found.value == pytest.approx(-0.04)
    assert (round(found.low, 2), round(found.high, 2)) == (-0.06, -0.02)
    assert in_words(found) == "worse by 4 points (2.12 … 5.87)"


@given(st.integers(0, 60), st.integers(0, 60))
def test_exact_mcnemar_is_the_binomial_test(gained: int, lost: int) -> None:
    """The exact p-value is scipy's two-sided binomial test of one half."""
    n = gained + lost
    expected = stats.binomtest(gained, n, 0.5).pvalue if n else 1.0
    assert mcnemar_p(gained, lost, mid=False) == pytest.approx(expected, abs=1e-12)


def test_newcombe_equals_its_published_example() -> None:
    """Newcombe 1998, 56/70 against 48/80 by method 10: 0.0524 to 0.3339."""
    found = two_proportions((48, 80), (56, 70))
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)
    table = [[56, 14], [48, 32]]
    chi2 = stats.chi2_contingency(table, correction=False)
    assert found.p_value == pytest.approx(chi2.pvalue, rel=1e-9)


def brute_delong(y: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """The definition of 1988, pair by pair: difference and its variance."""

    def kernel(score: np.ndarray) -> np.ndarray:
        gap = score[y][:, None] - score[~y][None, :]
        return np.asarray((gap > 0) + 0.5 * (gap == 0))

    change = kernel(b) - kernel(a)
    v10, v01 = change.mean(axis=1), change.mean(axis=0)
    variance = v10.var(ddof=1) / v10.size + v01.var(ddof=1) / v01.size
    return float(change.mean()), float(variance)


@pytest.mark.parametrize("seed", range(5))
def test_delong_equals_its_definition(seed: int) -> None:
    """With ties and all: the difference is scikit-learn's, the variance that of the definition."""
    rng = np.random.default_rng(seed)
    y = rng.random(150) < 0.3
    a, b = (
        np.round(rng.normal(size=150) + y * shift, 1).astype(np.float64) for shift in (1.0, 1.5)
    )
    found = delong(y, a, b)
    value, variance = brute_delong(y, a, b)
    assert found.value == pytest.approx(roc_auc_score(y, b) - roc_auc_score(y, a), abs=1e-12)
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(value) / variance**0.5), rel=1e-9)


def test_the_t_tests_are_those_of_scipy() -> None:
    """The p of the paired bootstrap is ttest_rel's, Welch's p and interval are ttest_ind's."""
    rng = np.random.default_rng(0)
    a, b = rng.exponential(size=80), rng.exponential(1.3, size=80)
    assert paired_bootstrap("x", a, b).p_value == pytest.approx(stats.ttest_rel(a, b).pvalue)
    found = paired_tests.welch("x", Mean.of(a), Mean.of(b[:50]))
    reference = stats.ttest_ind(b[:50], a, equal_var=False)
    interval = reference.confidence_interval()
    assert found.p_value == pytest.approx(reference.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_intervals_cover_the_truth() -> None:
    """Over 600 simulated comparisons, 93 to 97.5 % of McNemar's intervals hold the difference."""
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(600):
        first = rng.random(400) < 0.8
        second = np.where(rng.random(400) < 0.85, first, rng.random(400) < 0.9)
        truth = 0.15 * (0.9 - 0.8)
        found = mcnemar(first, second)
        held += found.low <= truth <= found.high
    assert 0.93 <= held / 600 <= 0.975


def test_the_bootstrap_interval_covers_the_truth() -> None:
    """Over 300 samples of 200 skewed differences, 92 to 98 % of the intervals hold the mean."""
    rng = np.random.default_rng(4)
    held = 0
    for seed in range(300):
        a, b = rng.exponential(size=200), rng.exponential(1.2, size=200)
        found = paired_bootstrap("x", a, b, n_resamples=400, seed=seed)
        held += found.low <= 0.2 <= found.high
    assert 0.92 <= held / 300 <= 0.98


def test_the_rows_said_to_be_needed_suffice() -> None:
    """With as many rows as announced, about four of five comparisons show the difference."""
    rng = np.random.default_rng(5)
    gained, lost = 0.06, 0.03
    spread = (gained + lost - (gained - lost) ** 2) ** 0.5
    n = paired_tests.rows_needed(spread, gained - lost)
    shown = 0
    for _ in range(400):
        kind = rng.random(n)
        first = (kind >= gained) & (kind < 0.8)
        second = (kind < gained) | ((kind >= gained + lost) & (kind < 0.8))
        shown += mcnemar(first, second).is_real
    assert 0.74 <= shown / 400 <= 0.88


def test_words_for_nothing_tell_the_rows_needed() -> None:
    """Two models that are alike are said to be, with the rows that would show one point."""
    rng = np.random.default_rng(0)
    first = rng.random(500) < 0.9
    second = np.roll(first, 1)
    words = in_words(mcnemar(first, second))
    assert words.startswith("no difference shown")
    assert "to see 1 point you would need about" in words


def test_words_for_nothing_tell_the_rows_that_would_show_what_was_found() -> None:
    """Losses have no points: the rows are those of a paired t-test of the difference found."""
    change = np.random.default_rng(2).normal(0.05, 1.0, 200)
    words = in_words(paired_bootstrap("loss", np.zeros(200), change), in_points=False)
    ratio = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * change.std(ddof=1) / change.mean()
    told = int(words.split("about ")[1].split(" rows")[0].replace(",", ""))
    assert words.startswith("no difference shown")
    assert ratio**2 <= told <= 1.1 * ratio**2 + 1


def results(n: int, sample: str = "s", start: int = 0, seed: int = 0) -> RowResults:
    rng = np.random.default_rng(seed)
    truth = np.arange(start, start + n) % 3 == 0
    score = rng.random(n) + truth
    return RowResults(sample, np.arange(start, start + n), (score > 1) == truth, score, truth)


def test_stored_rows_come_back_and_broken_files_are_refused() -> None:
    """Packing keeps every array; other bytes are an error of ours, not of numpy."""
    kept = results(50)
    back = unpack(pack(kept))
    assert back.sample == "s"
    np.testing.assert_array_equal(back.score, kept.score)
    assert back.error is None
    for broken in (b"", b"nonsense", pack(kept)[:40]):
        with pytest.raises(DataError):
            unpack(broken)


def test_only_common_rows_of_the_same_sample_are_paired() -> None:
    """Rows 50 to 99 are common and paired; another sample is compared unpaired."""
    first, second = results(100), results(100, start=50, seed=1)
    assert [found.name for found in compare_rows(first, second)] == ["accuracy", "roc_auc"]
    assert {found.n for found in compare_rows(first, second)} == {50}
    unpaired = compare_rows(first, results(80, sample="other"))
    assert unpaired[0].method.startswith("two proportions")
