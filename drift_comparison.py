"""Everything two profiles of one column differ by: evidence for the verdict, and the full tests.

Owns: ``Thresholds`` with their sources, ``Evidence`` (one question about a column, with p-value
and effect size) and the tables of tests shown beside the verdict. How evidence becomes a verdict
is decided in ``drift``.

Questions about a column are asked apart: do the values differ, is more of it missing, are there
more unusable values, are there new categories; of texts, compared by their length, also whether
they hold unknown words, or a known one more or less often. For numbers the first question is
answered by four tests that see different things, put together by the Cauchy combination:
Kolmogorov-Smirnov (any shape), Wilcoxon (location), Mood (spread) and Rosenbaum (values beyond the
reference's range).
As ``docs/drift-power.md`` shows, that keeps 5 % false alarms also with ties, loses nothing to
Kolmogorov-Smirnov on shifts and finds a wider spread about twice as often. Of missing and unusable
values mostly an increase is looked for (``RISING``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from pydantic import Field

import drift_count_tests as count_tests
import drift_tests as number_tests
import drift_words
from base_types import Histogram, TypedModel
from drift_merge import Merged, merge
from drift_order import Floats
from drift_profiles import (
    CategoryProfile,
    NumberProfile,
    Profile,
    align_counts,
    category_histograms,
    number_histograms,
)
from drift_tests import TestResult
from drift_types import DriftTest
from drift_words import Words

NORMAL_MIN_ROWS = 20
"""Below this size on either side only the exact Kolmogorov-Smirnov test is used."""


class Thresholds(TypedModel):
    """Limits of the default verdict; each can be set.

    ``alpha`` bounds the false discovery rate over all questions about all columns. The others are
    floors of effect size: less than that is reported, but does not count as drift.
    """

    alpha: float = Field(default=0.05, gt=0, lt=1, description="convention (Fisher 1925)")
    wasserstein: float = Field(
        default=0.1,
        ge=0,
        description="of min(std, IQR / 1.349) of the reference; Evidently's default",
    )
    total_variation: float = Field(
        default=0.05,
        ge=0,
        description="share of rows in another category, of texts with other words; own choice",
    )
    missing_rate: float = Field(default=0.02, ge=0, description="change of the share; own choice")
    new_categories: float = Field(default=0.01, ge=0, description="share of rows; own choice")


_WEIGHTS = {"kolmogorov_smirnov": 1.0, "rank_location": 1.0, "rank_scale": 1.0, "rosenbaum": 0.3}
"""Rosenbaum's test counts less: it sees the few values at the ends only."""

_NEUTRAL = 0.5
"""Highest p-value that Rosenbaum's discrete test may hold against the others: no evidence."""

CALIBRATION = 1.1
"""The Cauchy combination of these tests rejects 5.2-5.4 % at 5 % without drift (measured)."""


RISING = 0.85
"""Part of α with which a share of missing or unusable values may rise. Where a column has missing
values its two questions share α; with this an increase is still found within 2 points as often as
by an uncorrected two-sided test. It is what breaks models; a decrease must be clearer to count."""


@dataclass(frozen=True)
class Evidence:
    """One question about a column.

    Parameters
    ----------
    test : DriftTest
        Named test with p-value, effect size and its floor as threshold.
    finding : str
        What differs, as the beginning of a sentence.
    """

    test: DriftTest
    finding: str


_NOT_DRAWN = (Histogram(), Histogram())


@dataclass(frozen=True)
class Comparison:
    """Reference against current for one column, before the correction over all columns.

    It holds results only, not the values, so that many wide columns can be kept at once.
    """

    n_rows: tuple[int, int]
    n_missing: tuple[int, int]
    evidence: tuple[Evidence, ...] = ()
    unchecked: str | None = None
    new_labels: tuple[str, ...] = ()
    usual: tuple[DriftTest, ...] = ()
    drawn: tuple[Histogram, Histogram] = _NOT_DRAWN


def compare_profiles(
    reference: Profile,
    current: Profile,
    thresholds: Thresholds,
    *,
    full: bool = True,
    exact: bool | None = None,
) -> Comparison:
    """Ask every question that can be asked about one column.

    Parameters
    ----------
    reference, current : NumberProfile or CategoryProfile
        Both of the same type.
    thresholds : Thresholds
        Floors of effect size.
    full : bool
        Whether to add the field's usual tests and the histograms.
    exact : bool, optional
        See ``drift_tests.kolmogorov_smirnov``.

    Returns
    -------
    Comparison
        ``unchecked`` says why the values were not compared, if they were not.

    Raises
    ------
    TypeError
        If one column holds numbers and the other categories.
    """
    if isinstance(reference, NumberProfile) and isinstance(current, NumberProfile):
        values = _compare_numbers(reference, current, thresholds, full=full, exact=exact)
    elif isinstance(reference, CategoryProfile) and isinstance(current, CategoryProfile):
        values = _compare_categories(reference, current, thresholds, full=full)
    else:
        msg = f"cannot compare a {type(reference).__name__} with a {type(current).__name__}"
        raise TypeError(msg)
    rates = _rate_evidence(reference, current, thresholds)
    return replace(values, evidence=(*values.evidence, *rates))


def _unchecked(reference: Profile, current: Profile) -> str | None:
    sizes = (reference.n_values, current.n_values)
    if min(sizes) >= number_tests.MIN_ROWS:
        return None
    return (
        f"the values were not compared: {sizes[0]} in the reference and {sizes[1]} in the current "
        f"data, and at least {number_tests.MIN_ROWS} are needed in both"
    )


def _outline(
    reference: Profile, current: Profile, drawn: tuple[Histogram, Histogram]
) -> Comparison:
    return Comparison(
        n_rows=(reference.n_rows, current.n_rows),
        n_missing=(reference.n_missing, current.n_missing),
        unchecked=_unchecked(reference, current),
        drawn=drawn,
    )


# --- numbers -----------------------------------------------------------------------------------


def _compare_numbers(
    reference: NumberProfile,
    current: NumberProfile,
    thresholds: Thresholds,
    *,
    full: bool,
    exact: bool | None,
) -> Comparison:
    drawn = number_histograms(reference, current) if full else _NOT_DRAWN
    outline = _outline(reference, current, drawn)
    if outline.unchecked:
        return outline
    merged = merge(reference.values, current.values)
    parts = _verdict_parts(merged, exact)
    evidence = _number_evidence(reference, current, thresholds, (merged, parts))
    usual = _usual_number_tests(reference, current, merged, parts) if full else ()
    words = _word_evidence(reference.words, current.words, thresholds)
    return replace(outline, evidence=(evidence, *words), usual=tuple(usual))


def _verdict_parts(merged: Merged, exact: bool | None) -> dict[str, TestResult]:
    """Return the tests behind the verdict on the values."""
    small = min(merged.n, merged.m) < NORMAL_MIN_ROWS
    kolmogorov = number_tests.kolmogorov_smirnov(merged, exact=True if small else exact)
    return {
        "kolmogorov_smirnov": kolmogorov,
        "rank_location": number_tests.rank_location(merged),
        "rank_scale": number_tests.rank_scale(merged),
        "rosenbaum": number_tests.rosenbaum(merged),
    }


def _number_evidence(
    reference: NumberProfile,
    current: NumberProfile,
    thresholds: Thresholds,
    tested: tuple[Merged, dict[str, TestResult]],
) -> Evidence:
    merged, parts = tested
    distance = number_tests.wasserstein(merged).statistic
    p_value, method = _combined_p_value(merged, parts)
    effect, floor, finding = _number_effect(reference, current, distance, thresholds)
    source = _source("wasserstein" if reference.scale > 0 else "total_variation")
    test = _evidence_test("value_distribution", p_value, (effect, floor), source, method)
    return Evidence(test, finding)


def _combined_p_value(merged: Merged, parts: dict[str, TestResult]) -> tuple[float, str]:
    p_values = {name: 1.0 if p.p_value is None else p.p_value for name, p in parts.items()}
    if min(merged.n, merged.m) < NORMAL_MIN_ROWS:
        return p_values["kolmogorov_smirnov"], "exact Kolmogorov-Smirnov (small sample)"
    shown = ", ".join(f"{name} {p:.3g}" for name, p in p_values.items())
    p_values["rosenbaum"] = min(p_values["rosenbaum"], _NEUTRAL)
    weights = [_WEIGHTS[name] for name in p_values]
    combined = number_tests.cauchy_combination(list(p_values.values()), weights)
    return min(1.0, CALIBRATION * combined), f"{CALIBRATION} x Cauchy combination of p: {shown}"


def _number_effect(
    reference: NumberProfile, current: NumberProfile, distance: float, thresholds: Thresholds
) -> tuple[float, float, str]:
    """Return effect, floor and what is seen; a constant reference has no scale to measure by."""
    if reference.scale == 0:
        constant = float(reference.values[0])
        changed = float(np.mean(current.values != constant))
        finding = f"the reference is always {constant:.4g}, {changed:.1%} of current values differ"
        return changed, thresholds.total_variation, finding
    effect = distance / reference.scale
    means = f"mean {reference.mean:.4g} → {current.mean:.4g}"
    spread = f"standard deviation {reference.std:.4g} → {current.std:.4g}"
    finding = f"values moved by {effect:.2f} standard deviations on average ({means}, {spread})"
    return effect, thresholds.wasserstein, finding


# --- words of texts ----------------------------------------------------------------------------


def _word_evidence(
    old: Words | None, new: Words | None, thresholds: Thresholds
) -> tuple[Evidence, ...]:
    """Ask for unknown words and for known ones in more or fewer texts."""
    if not old or not new or not old.n_texts or not new.texts:
        return ()
    unknown = drift_words.unknown_words(old, new, rising=RISING)
    expected = old.n_lone / old.n_texts
    finding = (
        f"{expected + unknown.statistic:.1%} of the texts hold a word that the reference lacks, "
        f"{expected:.1%} are expected"
    )
    found = [("unknown_words", unknown, finding)]
    shares = drift_words.word_shares(old, new)
    if shares is not None:
        result, word = shares
        before, after = (each.counts.get(word, 0) / each.n_texts for each in (old, new))
        found.append(
            ("word_shares", result, f"the word '{word}' is in {before:.1%} → {after:.1%} of texts")
        )
    floor, source = thresholds.total_variation, _source("total_variation")
    return tuple(
        Evidence(_evidence_test(name, r.p_value, (r.statistic, floor), source, r.method), text)
        for name, r, text in found
    )


# --- categories --------------------------------------------------------------------------------


def _compare_categories(
    reference: CategoryProfile, current: CategoryProfile, thresholds: Thresholds, *, full: bool
) -> Comparison:
    labels, old, new = align_counts(reference, current)
    drawn = _NOT_DRAWN
    if full:
        drawn = category_histograms(labels, (old, reference.n_missing), (new, current.n_missing))
    outline = _outline(reference, current, drawn)
    if outline.unchecked:
        return outline
    homogeneity = count_tests.chi_square(old, new)
    evidence = [_share_evidence(labels, (old, new), homogeneity, thresholds)]
    unseen = tuple(label for label, count in zip(labels, old, strict=True) if count == 0)
    if unseen:
        evidence.append(_unseen_evidence(unseen, old, new, thresholds))
    usual = _usual_category_tests(old, new, homogeneity) if full else ()
    return replace(outline, evidence=tuple(evidence), new_labels=unseen, usual=tuple(usual))


def _share_evidence(
    labels: list[str],
    counts: tuple[Floats, Floats],
    homogeneity: TestResult,
    thresholds: Thresholds,
) -> Evidence:
    old, new = counts
    effect = count_tests.total_variation(old, new).statistic
    p, q = count_tests.shares(old), count_tests.shares(new)
    most = int(np.abs(p - q).argmax())
    finding = (
        f"{effect:.1%} of the rows are in another category "
        f"(most: '{labels[most]}' {p[most]:.1%} → {q[most]:.1%})"
    )
    source = _source("total_variation")
    sizes = (effect, thresholds.total_variation)
    method = f"chi-square: {homogeneity.method}"
    test = _evidence_test("category_shares", homogeneity.p_value, sizes, source, method)
    return Evidence(test, finding)


def _unseen_evidence(
    unseen: tuple[str, ...], old: Floats, new: Floats, thresholds: Thresholds
) -> Evidence:
    result = count_tests.new_categories(old, new)
    shown = ", ".join(f"'{label}'" for label in unseen[:3]) + (" …" if len(unseen) > 3 else "")
    finding = f"{result.statistic:.1%} of rows are in categories unseen in the reference ({shown})"
    sizes = (result.statistic, thresholds.new_categories)
    source = _source("new_categories")
    test = _evidence_test("new_categories", result.p_value, sizes, source, result.method)
    return Evidence(test, finding)


# --- missing and unusable values ---------------------------------------------------------------


def _rate_evidence(
    reference: Profile, current: Profile, thresholds: Thresholds
) -> tuple[Evidence, ...]:
    """Test the shares of missing and of unusable values, each only where there are any."""
    if not reference.n_rows or not current.n_rows:
        return ()
    rates = [("missing_rate", "missing values", reference.n_missing, current.n_missing)]
    if isinstance(reference, NumberProfile) and isinstance(current, NumberProfile):
        text = "values that are infinite or not readable"
        rates.append(("invalid_rate", text, reference.n_invalid, current.n_invalid))
    sizes = (reference.n_rows, current.n_rows)
    return tuple(
        _one_rate(name, what, (old, new), sizes, thresholds.missing_rate)
        for name, what, old, new in rates
        if old or new
    )


def _one_rate(
    name: str, what: str, hits: tuple[int, int], sizes: tuple[int, int], floor: float
) -> Evidence:
    result = count_tests.proportion_difference(hits[0], sizes[0], hits[1], sizes[1], rising=RISING)
    finding = f"{what} went from {hits[0] / sizes[0]:.1%} to {hits[1] / sizes[1]:.1%}"
    effect = (result.statistic, floor)
    test = _evidence_test(name, result.p_value, effect, _source("missing_rate"), result.method)
    return Evidence(test, finding)


def _evidence_test(
    name: str, p_value: float | None, sizes: tuple[float, float], source: str, method: str
) -> DriftTest:
    effect, floor = sizes
    return DriftTest(
        name=name,
        p_value=p_value,
        effect_size=effect,
        threshold=floor,
        threshold_source=f"floor of the effect size, {source}",
        method=method,
        reason=method if p_value is None else None,
    )


def _source(field: str) -> str:
    return str(Thresholds.model_fields[field].description)


# --- the field's usual tests, shown beside the verdict -----------------------------------------

P_VALUE_LIMIT = 0.05
DISTANCE_LIMITS: dict[str, tuple[float, str]] = {
    "wasserstein_normed": (0.1, "Evidently's default"),
    "psi": (0.25, "Siddiqi 2006: above 0.25 a major change"),
    "jensen_shannon": (0.1, "NannyML's and Evidently's default"),
    "hellinger": (0.1, "Evidently's default"),
    "total_variation": (0.1, "Evidently's default"),
    "cramers_v": (0.2, "Deepchecks' default"),
}


def _usual_number_tests(
    reference: NumberProfile,
    current: NumberProfile,
    merged: Merged,
    parts: dict[str, TestResult],
) -> list[DriftTest]:
    raw = number_tests.wasserstein(merged)
    results = {
        **parts,
        "anderson_darling": number_tests.anderson_darling(merged),
        "cramer_von_mises": number_tests.cramer_von_mises(merged),
        "wasserstein": raw._replace(method="in the column's unit"),
        "energy_distance": number_tests.energy_distance(merged),
    }
    if reference.std > 0:
        scaled = TestResult(raw.statistic / reference.std, method="divided by the reference's std")
        results["wasserstein_normed"] = scaled
    edges = reference.inner_edges
    bins = "bins: deciles of the reference at " + ", ".join(f"{edge:.6g}" for edge in edges)
    binned = _binned_tests(reference.decile_counts, current.counts(edges), bins)
    texts = _usual_text_tests(reference.words, current.words)
    return [_usual(name, result) for name, result in results.items()] + binned + texts


def _usual_text_tests(old: Words | None, new: Words | None) -> list[DriftTest]:
    """Return how far the words of texts are apart; nothing where they were not counted."""
    if not old or not new or not old.counts or not new.counts:
        return []
    counts = [
        np.array([words.get(word, 0) for word in old.counts | new.counts], dtype=np.float64)
        for words in (old.counts, new.counts)
    ]
    counted = f"Jensen-Shannon of the words of {old.n_texts:,} and {new.n_texts:,} texts"
    vocabulary = count_tests.jensen_shannon(counts[0], counts[1])
    return [_usual("vocabulary_distance", vocabulary._replace(method=counted))]


def _usual_category_tests(old: Floats, new: Floats, homogeneity: TestResult) -> list[DriftTest]:
    return [
        _usual("chi_square", homogeneity),
        _usual("g_test", count_tests.g_test(old, new)),
        _usual("cramers_v", count_tests.cramers_v(old, new)),
        *_binned_tests(old, new, "one cell per category"),
    ]


def _binned_tests(old: Floats, new: Floats, bins: str) -> list[DriftTest]:
    """Return the distances of two vectors of counts; the first of them states the bins."""
    tests = [
        _usual(name, result._replace(method="bins as psi"))
        for name, result in count_tests.distances(old, new).items()
    ]
    tests[0].method = bins
    return tests


def _usual(name: str, result: TestResult) -> DriftTest:
    limit, source = DISTANCE_LIMITS.get(name, (None, ""))
    detected = None if limit is None else result.statistic >= limit
    if result.p_value is not None:
        limit, source = P_VALUE_LIMIT, "convention, uncorrected"
        detected = result.p_value <= P_VALUE_LIMIT
    return DriftTest(
        name=name,
        statistic=result.statistic,
        p_value=result.p_value,
        threshold=limit,
        threshold_source=source,
        drift_detected=detected,
        method=result.method,
    )
