"""Domain classifier and MMD against brute force, scipy and drift that no column shows alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import drift
import drift_multivariate as dm
from drift_types import DriftVerdict
from schema_utils import Kind


def correlated(n: int, r: float, seed: int = 0) -> pd.DataFrame:
    """Two standard normal columns of correlation r and a category that depends on neither."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n))
    return pd.DataFrame(
        {"a": a, "b": r * a + (1 - r**2) ** 0.5 * b, "c": rng.choice(["x", "y"], n)}
    )


def test_broken_correlation_is_seen_by_both_and_by_no_column() -> None:
    """Equal columns, opposite correlation."""
    reference, current = correlated(800, 0.8, 1), correlated(800, -0.8, 2)
    report = drift.compare_frames(reference, current)
    assert {feature.verdict for feature in report.features} == {DriftVerdict.NONE}
    assert [test.drift_detected for test in dm.compare_jointly(reference, current)] == [True, True]


@pytest.mark.slow
def test_false_alarms_stay_near_five_percent() -> None:
    """Of 100 pairs without drift at most 5 % + 3 standard errors are flagged."""
    pairs = [(correlated(120, 0.5, i), correlated(90, 0.5, 1000 + i)) for i in range(100)]
    alarms = [
        [(test.p_value or 0) <= 0.05 for test in dm.compare_jointly(*pair, seed=i)]
        for i, pair in enumerate(pairs)
    ]
    assert np.mean(alarms, axis=0).max() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)


def test_mmd_by_hand() -> None:
    """Mean kernel within both samples minus twice the mean between them."""
    rng = np.random.default_rng(0)
    old, new = rng.normal(size=(6, 2)), rng.normal(size=(4, 2)) + 1
    rows = np.concatenate([old, new])
    squares = ((rows[:, None] - rows[None]) ** 2).sum(axis=2)
    kernel = np.exp(-squares / np.median(squares[np.triu_indices(10, 1)]))
    expected = kernel[:6, :6].mean() + kernel[6:, 6:].mean() - 2 * kernel[:6, 6:].mean()
    assert dm.maximum_mean_discrepancy(old, new).statistic == pytest.approx(expected)


def test_domain_classifier_separates_what_can_be_separated() -> None:
    """Far apart: AUC 1; the same distribution: AUC near one half and no drift."""
    old, new = np.random.default_rng(1).normal(size=(2, 300, 2))
    apart = dm.domain_classifier(old, new + 10)
    alike = dm.domain_classifier(old, new)
    assert apart.statistic == 1.0
    assert alike.statistic == pytest.approx(0.5, abs=0.12)
    assert not alike.drift_detected


def test_the_seed_decides() -> None:
    """The same seed, the same answers; another seed, other folds and shuffles."""
    tables = correlated(100, 0.3, 1), correlated(80, 0.3, 2)
    once = dm.compare_jointly(*tables, seed=4)
    assert dm.compare_jointly(*tables, seed=4) == once
    assert dm.compare_jointly(*tables, seed=5)[0].statistic != once[0].statistic


@pytest.mark.parametrize(
    ("values", "kind", "n_columns"),
    [
        ([1.0, np.inf, 3.0, None], Kind.FLOAT, 2),
        (["1", "2", "oops", "4"], Kind.FLOAT, 1),
        (["a", "b", "c", None], Kind.CATEGORICAL, 4),
        ([True, False, True, False], Kind.BOOLEAN, 2),
        (["one", "three", "seven", "x"], Kind.TEXT, 1),
        (pd.date_range("2024", periods=4), Kind.DATETIME, 1),
        ([7, 7, 7, 7], Kind.INTEGER, 1),
    ],
)
def test_any_column_becomes_finite_numbers(values: Any, kind: Kind, n_columns: int) -> None:
    """Values, one column per category, a mark for missing ones; constants leave a zero column."""
    frame = pd.DataFrame({"x": values})
    old, new = dm.encode_tables(frame, frame, {"x": kind})
    assert old.shape == new.shape == (4, n_columns)
    assert np.isfinite(old).all()


@pytest.mark.parametrize("frame", [correlated(20, 0), pd.DataFrame({"other": range(100)})])
def test_too_little_to_compare_has_a_reason(frame: pd.DataFrame) -> None:
    """Few rows or no common column: no values, and why."""
    for test in dm.compare_jointly(correlated(100, 0), frame):
        assert test.p_value is None
        assert "rows are needed" in str(test.reason)
