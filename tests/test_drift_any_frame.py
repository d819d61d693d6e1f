"""Whatever two tables hold, comparing them gives a reasoned answer that plain JSON can carry."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import drift
import drift_reference as kept
from drift_comparison import Thresholds
from drift_types import DriftReport, DriftVerdict
from schema_utils import Feature, Kind, Schema

CELLS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from([float("nan"), float("inf"), 1e308, -1e308, 5e-324, -0.0, pd.NA, pd.NaT]),
    st.sampled_from(
        [Decimal("1.5"), date(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC), [1], b"x"]
    ),
)
COLUMNS: st.SearchStrategy[list[Any]] = st.one_of(
    st.lists(CELLS, max_size=40),
    st.lists(st.floats(), min_size=6, max_size=60),
    st.lists(st.sampled_from([1e308, -1e308, 0.0]), min_size=6, max_size=60),
    st.lists(st.sampled_from([1.0, 1.0 + 2**-52, 1.0 + 2**-51]), min_size=6, max_size=60),
    st.lists(st.integers(0, 3), min_size=6, max_size=60),
    st.lists(st.sampled_from(["a", "b", None]), min_size=6, max_size=60),
    st.lists(st.text(max_size=12), min_size=6, max_size=30),
    st.lists(st.datetimes() | st.none(), min_size=6, max_size=30),
)


def as_frame(cells: list[Any], *, guess: bool) -> pd.DataFrame:
    """Return a table of one column, of the dtype pandas gives it or as plain objects."""
    try:
        return pd.DataFrame({"x": pd.Series(cells, dtype=None if guess else object)})
    except (ValueError, TypeError, OverflowError):  # pandas itself refuses such a column
        return pd.DataFrame({"x": pd.Series(cells, dtype=object)})


def check(report: DriftReport) -> None:
    """No NaN or infinity anywhere, a sentence for every column, every number in its range."""
    json.dumps(report.model_dump(mode="json"), allow_nan=False)
    for feature in report.features:
        assert feature.why
        for test in feature.tests:
            assert test.p_value is None or 0 <= test.p_value <= 1, test


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(COLUMNS, COLUMNS, st.booleans(), st.sampled_from([None, *Kind]))
def test_any_two_columns_of_any_kind_are_compared(
    old: list[Any], new: list[Any], guess: bool, kind: Kind | None
) -> None:
    """Mixed types, huge, tiny, missing and constant values: neither a NaN nor a traceback."""
    schema = Schema(features=[Feature(name="x", kind=kind)]) if kind else None
    reference, current = as_frame(old, guess=guess), as_frame(new, guess=guess)
    check(drift.compare_frames(reference, current, schema))
    if len(reference):
        profile = kept.profile_frame(reference, schema)
        again = kept.ReferenceProfile.from_bytes(profile.to_bytes())
        check(kept.compare_with_profile(again, current))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 1.0, 2.5, float("nan"), float("inf")]), min_size=5, max_size=80),
    st.lists(st.sampled_from([0.0, 1.0, 3.5, float("nan"), float("inf")]), min_size=5, max_size=80),
)
def test_a_verdict_follows_from_the_json_alone(old: list[float], new: list[float]) -> None:
    """p-values, effects and floors in the saved report decide every verdict again."""
    limits = Thresholds(alpha=0.2, wasserstein=0.3)
    reference, current = pd.DataFrame({"x": old}), pd.DataFrame({"x": new})
    report = drift.compare_frames(reference, current, thresholds=limits)
    saved = json.loads(report.model_dump_json())
    (feature,) = saved["features"]
    asked = [test for test in feature["tests"] if test["p_adjusted"] is not None]
    drifted = any(
        test["p_adjusted"] <= saved["alpha"] and abs(test["effect_size"]) >= test["threshold"]
        for test in asked
    )
    assert (feature["verdict"] == DriftVerdict.DRIFT.value) is drifted


@pytest.mark.parametrize("name", list(Thresholds.model_fields))
def test_every_threshold_can_be_set(name: str) -> None:
    """A floor that nothing reaches, or a level that nothing passes, silences its question."""
    old = pd.DataFrame({"n": [0.0, 1.0] * 50, "c": ["a", "b"] * 50, "m": [1.0, 2.0] * 50})
    new = pd.DataFrame({"n": [3.0, 4.0] * 50, "c": ["a", "z"] * 50, "m": [1.0, None] * 50})
    limit = 1e-300 if name == "alpha" else 1e9
    before = drift.compare_frames(old, new)
    after = drift.compare_frames(old, new, thresholds=Thresholds(**{name: limit}))
    rung = [
        sum(test.drift_detected is True for f in report.features for test in f.tests)
        for report in (before, after)
    ]
    assert rung[1] < rung[0]
