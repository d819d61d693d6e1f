"""Everything two profiles of one column differ by: evidence for the verdict, and what is beside it.

Owns: ``Thresholds`` with their sources, ``Evidence`` (one question about a column, with p-value
and effect size) and ``Comparison``. How evidence becomes a verdict is decided in ``drift``; the
tests shown beside it are in ``drift_usual``.

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

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import NamedTuple

import numpy as np
from pydantic import Field

import drift_count_tests as count_tests
import drift_tests as number_tests
import drift_usual
import drift_words
from base_types import Histogram, TypedModel
from drift_merge import Merged
from drift_merge_many import merge_many
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
from drift_words import Words
from formatting import number

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


class Evidence(NamedTuple):
    """One question about a column.

    Attributes
    ----------
    name : str
        Of the question.
    p_value : float or None
        Uncorrected; None where there is none, ``method`` says why.
    effect, floor : float
        How large the difference is and from where on it matters.
    source : str
        Where the floor is from.
    method : str
        How the p-value was found.
    finding : str
        What differs, as the beginning of a sentence.
    """

    name: str
    p_value: float | None
    effect: float
    floor: float
    source: str
    method: str
    finding: str


class Depth(IntEnum):
    """How much is computed of a column: each includes what is before it."""

    VERDICT = 0
    USUAL_TESTS = 1
    HISTOGRAMS = 2


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
    usual: dict[str, TestResult] = field(default_factory=dict)
    drawn: tuple[Histogram, Histogram] = _NOT_DRAWN


def compare_profiles(
    reference: Profile,
    current: Profile,
    thresholds: Thresholds,
    *,
    depth: Depth = Depth.HISTOGRAMS,
    exact: bool | None = None,
) -> Comparison:
    """Ask every question that can be asked about one column.

    Parameters
    ----------
    reference, current : NumberProfile or CategoryProfile
        Both of the same type.
    thresholds : Thresholds
        Floors of effect size.
    depth : Depth
        Whether to add the field's usual tests, and the histograms.
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
    pairs = {"": (reference, current)}
    return compare_many(pairs, thresholds, depth=depth, exact=exact)[""]


def compare_many(
    pairs: Mapping[str, tuple[Profile, Profile]],
    thresholds: Thresholds,
    *,
    depth: Depth = Depth.HISTOGRAMS,
    exact: bool | None = None,
) -> dict[str, Comparison]:
    """Compare many columns as ``compare_profiles`` does one, in less time than one by one."""
    numbers = {
        name: (old.values, new.values)
        for name, (old, new) in pairs.items()
        if isinstance(old, NumberProfile)
        and isinstance(new, NumberProfile)
        and not _unchecked(old, new)
    }
    merged = dict(zip(numbers, merge_many(list(numbers.values())), strict=True))
    compared = {}
    for name, (old, new) in pairs.items():
        if isinstance(old, NumberProfile) and isinstance(new, NumberProfile):
            pooled = merged.get(name)
            compared[name] = _compare_numbers((old, new), pooled, thresholds, depth, exact)
        elif isinstance(old, CategoryProfile) and isinstance(new, CategoryProfile):
            compared[name] = _compare_categories(old, new, thresholds, depth)
        else:
            msg = f"cannot compare a {type(old).__name__} with a {type(new).__name__}"
            raise TypeError(msg)
    return compared


def _unchecked(reference: Profile, current: Profile) -> str | None:
    sizes = (reference.n_values, current.n_values)
    if min(sizes) >= number_tests.MIN_ROWS:
        return None
    return (
        f"the values were not compared: {sizes[0]} in the reference and {sizes[1]} in the current "
        f"data, and at least {number_tests.MIN_ROWS} are needed in both"
    )


# --- numbers -----------------------------------------------------------------------------------


def _compare_numbers(
    pair: tuple[NumberProfile, NumberProfile],
    merged: Merged | None,
    thresholds: Thresholds,
    depth: Depth,
    exact: bool | None,
) -> Comparison:
    reference, current = pair
    evidence: tuple[Evidence, ...] = ()
    usual: dict[str, TestResult] = {}
    if merged is not None:
        parts = _verdict_parts(merged, exact)
        words = _word_evidence(reference.words, current.words, thresholds)
        evidence = (_number_evidence(reference, current, thresholds, (merged, parts)), *words)
        if depth >= Depth.USUAL_TESTS:
            usual = drift_usual.of_numbers(reference, current, merged, parts)
    return Comparison(
        n_rows=(reference.n_rows, current.n_rows),
        n_missing=(reference.n_missing, current.n_missing),
        evidence=(*evidence, *_rate_evidence(reference, current, thresholds)),
        unchecked=_unchecked(reference, current),
        usual=usual,
        drawn=number_histograms(reference, current) if depth >= Depth.HISTOGRAMS else _NOT_DRAWN,
    )


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
    return Evidence("value_distribution", p_value, effect, floor, source, method, finding)


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
        finding = (
            f"the reference is always {number(constant)}, {changed:.1%} of current values differ"
        )
        return changed, thresholds.total_variation, finding
    effect = distance / reference.scale
    means = f"mean {number(reference.mean)} → {number(current.mean)}"
    spread = f"standard deviation {number(reference.std)} → {number(current.std)}"
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
        Evidence(name, r.p_value, r.statistic, floor, source, r.method, text)
        for name, r, text in found
    )


# --- categories --------------------------------------------------------------------------------


def _compare_categories(
    reference: CategoryProfile, current: CategoryProfile, thresholds: Thresholds, depth: Depth
) -> Comparison:
    labels, old, new = align_counts(reference, current)
    unchecked = _unchecked(reference, current)
    evidence: list[Evidence] = []
    unseen: tuple[str, ...] = ()
    usual: dict[str, TestResult] = {}
    drawn = _NOT_DRAWN
    if not unchecked:
        homogeneity = count_tests.chi_square(old, new)
        evidence.append(_share_evidence(labels, (old, new), homogeneity, thresholds))
        unseen = tuple(label for label, count in zip(labels, old, strict=True) if count == 0)
        if unseen:
            evidence.append(_unseen_evidence(unseen, old, new, thresholds))
        if depth >= Depth.USUAL_TESTS:
            usual = drift_usual.of_categories(old, new, homogeneity)
    if depth >= Depth.HISTOGRAMS:
        drawn = category_histograms(labels, (old, reference.n_missing), (new, current.n_missing))
    return Comparison(
        n_rows=(reference.n_rows, current.n_rows),
        n_missing=(reference.n_missing, current.n_missing),
        evidence=(*evidence, *_rate_evidence(reference, current, thresholds)),
        unchecked=unchecked,
        new_labels=unseen,
        usual=usual,
        drawn=drawn,
    )


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
    floor, source = thresholds.total_variation, _source("total_variation")
    method = f"chi-square: {homogeneity.method}"
    p_value = homogeneity.p_value
    return Evidence("category_shares", p_value, effect, floor, source, method, finding)


def _unseen_evidence(
    unseen: tuple[str, ...], old: Floats, new: Floats, thresholds: Thresholds
) -> Evidence:
    result = count_tests.new_categories(old, new)
    shown = ", ".join(f"'{label}'" for label in unseen[:3]) + (" …" if len(unseen) > 3 else "")
    finding = f"{result.statistic:.1%} of rows are in categories unseen in the reference ({shown})"
    return Evidence(
        "new_categories",
        result.p_value,
        result.statistic,
        thresholds.new_categories,
        _source("new_categories"),
        result.method,
        finding,
    )


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
    source = _source("missing_rate")
    return Evidence(name, result.p_value, result.statistic, floor, source, result.method, finding)


@cache
def _source(floor: str) -> str:
    """Return where the floor of this name is from, as a report tells it."""
    return f"floor of the effect size, {Thresholds.model_fields[floor].description}"
