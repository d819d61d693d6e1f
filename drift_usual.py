"""The field's usual tests of a column, shown beside the verdict and never part of it.

Owns: which tests they are, from which value on each counts as noticing, and how one is written
down. What they compute is in ``drift_tests`` and ``drift_count_tests``.
"""

from __future__ import annotations

import numpy as np

import drift_count_tests as count_tests
import drift_tests as number_tests
from drift_merge import Merged
from drift_order import Floats
from drift_profiles import NumberProfile
from drift_tests import TestResult
from drift_types import DriftTest
from drift_words import Words

P_VALUE_LIMIT = 0.05
DISTANCE_LIMITS: dict[str, tuple[float, str]] = {
    "wasserstein_normed": (0.1, "Evidently's default"),
    "psi": (0.25, "Siddiqi 2006: above 0.25 a major change"),
    "jensen_shannon": (0.1, "NannyML's and Evidently's default"),
    "hellinger": (0.1, "Evidently's default"),
    "total_variation": (0.1, "Evidently's default"),
    "cramers_v": (0.2, "Deepchecks' default"),
}

Results = dict[str, TestResult]


def noticed(name: str, result: TestResult) -> bool | None:
    """Tell whether a usual test notices a drift; None where nobody says from which value on.

    Examples
    --------
    >>> noticed("psi", TestResult(0.3)), noticed("chi_square", TestResult(1.0, 0.3))
    (True, False)
    """
    if result.p_value is not None:
        return result.p_value <= P_VALUE_LIMIT
    limit = DISTANCE_LIMITS.get(name)
    return None if limit is None else result.statistic >= limit[0]


def written(name: str, result: TestResult) -> DriftTest:
    """Return a usual test as a report tells it.

    Examples
    --------
    >>> written("psi", TestResult(0.3)).threshold_source
    'Siddiqi 2006: above 0.25 a major change'
    """
    limit, source = DISTANCE_LIMITS.get(name, (None, ""))
    if result.p_value is not None:
        limit, source = P_VALUE_LIMIT, "convention, uncorrected"
    return DriftTest(
        name=name,
        statistic=result.statistic,
        p_value=result.p_value,
        threshold=limit,
        threshold_source=source,
        drift_detected=noticed(name, result),
        method=result.method,
    )


def of_numbers(
    reference: NumberProfile, current: NumberProfile, merged: Merged, parts: Results
) -> Results:
    """Return the usual tests of two columns of numbers.

    Parameters
    ----------
    reference, current : NumberProfile
        Both with values.
    merged : Merged
        Their values on one axis.
    parts : dict of str to TestResult
        The tests behind the verdict, which come first.
    """
    raw = number_tests.wasserstein(merged).statistic
    results = {
        **parts,
        "anderson_darling": number_tests.anderson_darling(merged),
        "cramer_von_mises": number_tests.cramer_von_mises(merged),
        "wasserstein": TestResult(raw, method="in the column's unit"),
        "energy_distance": number_tests.energy_distance(merged),
    }
    if reference.std > 0:
        scaled = TestResult(raw / reference.std, method="divided by the reference's std")
        results["wasserstein_normed"] = scaled
    counts = current.counts(reference.inner_edges)
    binned = _binned(reference.decile_counts, counts, reference.deciles_text)
    return {**results, **binned, **_of_texts(reference.words, current.words)}


def of_categories(old: Floats, new: Floats, homogeneity: TestResult) -> Results:
    """Return the usual tests of two vectors of counts, shape (k,), the chi-square test first."""
    return {
        "chi_square": homogeneity,
        "g_test": count_tests.g_test(old, new),
        "cramers_v": count_tests.cramers_v(old, new),
        **_binned(old, new, "one cell per category"),
    }


def _binned(old: Floats, new: Floats, bins: str) -> Results:
    """Return the distances of two vectors of counts; the first of them states the bins."""
    found = count_tests.distances(old, new)
    methods = [bins, *["bins as psi"] * (len(found) - 1)]
    return {
        name: TestResult(result.statistic, method=method)
        for (name, result), method in zip(found.items(), methods, strict=True)
    }


def _of_texts(old: Words | None, new: Words | None) -> Results:
    """Return how far the words of texts are apart; nothing where they were not counted."""
    if not old or not new or not old.counts or not new.counts:
        return {}
    counts = [
        np.array([words.get(word, 0) for word in old.counts | new.counts], dtype=np.float64)
        for words in (old.counts, new.counts)
    ]
    counted = f"Jensen-Shannon of the words of {old.n_texts:,} and {new.n_texts:,} texts"
    vocabulary = count_tests.jensen_shannon(counts[0], counts[1])
    return {"vocabulary_distance": TestResult(vocabulary.statistic, method=counted)}
