"""The default drift verdict: sentences, odd columns, correction, predictions."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

import drift
from drift_comparison import Thresholds
from drift_types import DriftTest, DriftVerdict, FeatureDrift
from model_types import ModelInfo, Predictions, Task
from schema_utils import Feature, Kind, Schema

RNG = np.random.default_rng(11)
NORMAL = pd.Series(RNG.normal(size=1000))


def test_named(result: FeatureDrift, name: str) -> DriftTest:
    return next(test for test in result.tests if test.name == name)


test_named.__test__ = False  # type: ignore[attr-defined]


def columns(**values: Any) -> pd.DataFrame:
    return pd.DataFrame(values)


# --- verdicts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("current", "evidence", "says"),
    [
        (NORMAL + 0.5, "value_distribution", "values moved by 0.5"),
        (NORMAL * 1.5, "value_distribution", "standard deviation"),
        (NORMAL.mask(RNG.random(1000) < 0.1), "missing_rate", "missing values went from 0.0% to"),
        (NORMAL.mask(RNG.random(1000) < 0.1, np.inf), "invalid_rate", "infinite or not readable"),
    ],
)
def test_each_kind_of_drift_in_numbers_is_named(
    current: pd.Series[Any], evidence: str, says: str
) -> None:
    """The question that was answered with drift is the one that was provoked, and the only one."""
    result = drift.compare_column(NORMAL, current, name="x")
    assert result.verdict is DriftVerdict.DRIFT
    assert says in result.why
    own = [t.name for t in result.tests if t.p_adjusted is not None and t.drift_detected]
    assert own == [evidence]


def test_small_but_certain_differences_are_possible_or_none() -> None:
    """With 200,000 rows a shift of 0.07 is possible drift, one of 0.03 none, with the reason."""
    reference, other = (pd.Series(x) for x in np.random.default_rng(0).normal(size=(2, 200_000)))
    possible = drift.compare_column(reference, other + 0.07)
    small = drift.compare_column(reference, other + 0.03)
    assert possible.verdict is DriftVerdict.POSSIBLE
    assert "less than the floor of 0.1" in possible.why
    assert small.verdict is DriftVerdict.NONE
    assert "beyond chance" in small.why
    assert "small" in small.why


def test_no_drift_says_that_it_is_within_chance() -> None:
    """Two draws of one distribution."""
    result = drift.compare_column(NORMAL, pd.Series(np.random.default_rng(0).normal(size=500)))
    assert result.verdict is DriftVerdict.NONE
    assert "within chance" in result.why


def test_moved_and_new_categories_are_told_apart() -> None:
    """A mix of known categories is category_shares, an unseen one new_categories as well."""
    reference = pd.Series(["a", "b"] * 300)
    mixed = drift.compare_column(reference, pd.Series(["a", "a", "a", "b"] * 150))
    unseen = drift.compare_column(reference, pd.Series(["a", "b", "c"] * 200))
    assert mixed.new_categories == []
    assert "another category" in mixed.why
    assert unseen.new_categories == ["c"]
    assert test_named(unseen, "new_categories").drift_detected
    assert "unseen in the reference ('c')" in unseen.why


def test_thresholds_can_be_set() -> None:
    """A higher floor turns the same shift into no drift."""
    limits = Thresholds(wasserstein=2.0)
    assert drift.compare_column(NORMAL, NORMAL + 0.5).verdict is DriftVerdict.DRIFT
    assert (
        drift.compare_column(NORMAL, NORMAL + 0.5, thresholds=limits).verdict is DriftVerdict.NONE
    )


# --- odd columns -------------------------------------------------------------------------------

ODD = {
    "constant": pd.Series([5.0] * 50),
    "empty": pd.Series([np.nan] * 50),
    "infinite": pd.Series([np.inf, -np.inf] * 25),
    "three values": pd.Series([1.0, 2.0, 3.0]),
    "text in numbers": pd.Series(["1", "2", "oops", None] * 10),
    "binary": pd.Series([0, 1] * 25),
    "huge": pd.Series([1e300, -1e300, 0.0] * 10),
    "nullable": pd.Series([1, None, 3] * 10, dtype="Int64"),
    "ordinary": NORMAL,
}


@pytest.mark.parametrize("current", ODD)
@pytest.mark.parametrize("reference", ODD)
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_odd_columns_get_a_reasoned_answer(reference: str, current: str) -> None:
    """Any pair of columns of numbers: a sentence, no exception, no NaN in the JSON."""
    result = drift.compare_column(ODD[reference], ODD[current], Kind.FLOAT, name="x")
    assert result.why.endswith(".")
    assert "nan" not in result.why
    assert all(t.p_value is None or 0 <= t.p_value <= 1 for t in result.tests)
    json.loads(result.model_dump_json())


@pytest.mark.parametrize(
    ("reference", "current", "verdict", "says"),
    [
        ("constant", "constant", DriftVerdict.NONE, "within chance"),
        ("constant", "ordinary", DriftVerdict.DRIFT, "always 5, 100.0% of current values differ"),
        ("ordinary", "empty", DriftVerdict.DRIFT, "missing values went from 0.0% to 100.0%"),
        ("empty", "empty", DriftVerdict.UNKNOWN, "0 in the reference and 0 in the current"),
        ("ordinary", "three values", DriftVerdict.UNKNOWN, "at least 5 are needed"),
    ],
)
def test_what_odd_columns_are_told(
    reference: str, current: str, verdict: DriftVerdict, says: str
) -> None:
    """Constant, empty and tiny columns have sentences of their own."""
    result = drift.compare_column(ODD[reference], ODD[current], Kind.FLOAT)
    assert result.verdict is verdict
    assert says in result.why


def test_identifiers_are_not_checked_rather_than_passed() -> None:
    """Thousands of categories seen once each cannot be tested; the verdict says so."""
    old, new = (pd.Series([f"{side}{i}" for i in range(2000)]) for side in "ab")
    result = drift.compare_column(old, new)
    assert result.verdict is DriftVerdict.UNKNOWN
    assert "4000 rare categories are too many to test" in result.why


def test_small_samples_are_tested_exactly() -> None:
    """Six against six values without overlap: exact Kolmogorov-Smirnov p = 2 / C(12, 6)."""
    result = drift.compare_column(pd.Series(range(6)), pd.Series(range(10, 16)))
    assert test_named(result, "value_distribution").p_value == pytest.approx(2 / 924)
    assert result.verdict is DriftVerdict.DRIFT


@pytest.mark.parametrize(
    ("kind", "reference", "current"),
    [
        (Kind.CATEGORICAL, [1, 2] * 20, [1.0, 2.0] * 20),
        (Kind.BOOLEAN, [True, False] * 20, [1.0, 0.0] * 20),
        (Kind.CATEGORICAL, pd.Categorical(["a", "b"] * 20), ["a", "b"] * 20),
    ],
)
def test_the_type_of_a_label_is_no_drift(kind: Kind, reference: Any, current: Any) -> None:
    """1 and 1.0, True and 1, category and string are the same label."""
    result = drift.compare_column(pd.Series(reference), pd.Series(current), kind)
    assert result.verdict is DriftVerdict.NONE
    assert result.new_categories == []


def test_dates_and_texts_are_compared_as_times_and_lengths() -> None:
    """A year later is drift, and so are texts twice as long."""
    days = pd.Series(pd.date_range("2024-01-01", periods=100))
    words = pd.Series(["word " * (i % 7) for i in range(100)])
    later = drift.compare_column(days, days + pd.Timedelta(days=365))
    longer = drift.compare_column(words, words + words, Kind.TEXT)
    assert (later.kind, longer.kind) == ("datetime", "text")
    assert later.verdict is longer.verdict is DriftVerdict.DRIFT


def test_vocabularies_are_as_far_apart_as_scipy_says() -> None:
    """Jensen-Shannon distance of the shares of words, each counted once per text."""
    old = pd.Series(["red car", "Red bus"] * 10)
    new = pd.Series(["red car, blue", "bicycle"] * 10)
    result = drift.compare_column(old, new, Kind.TEXT)
    shares = np.array([[0.5, 0.25, 0.25, 0, 0], [0.25, 0.25, 0, 0.25, 0.25]])
    distance = jensenshannon(shares[0], shares[1], base=2)
    assert test_named(result, "vocabulary_distance").statistic == pytest.approx(distance, rel=1e-9)


# --- histograms --------------------------------------------------------------------------------


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60),
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60),
)
@settings(max_examples=40, deadline=None)
def test_histograms_count_every_value_in_the_same_bins(old: list[float], new: list[float]) -> None:
    """Equal ascending edges, at most 20 bins, and all values of both columns inside."""
    result = drift.compare_column(pd.Series(old), pd.Series(new))
    assert result.reference.edges == result.current.edges
    assert np.all(np.diff(result.reference.edges) > 0)
    assert len(result.reference.counts) == len(result.reference.edges) - 1 <= 20
    assert (sum(result.reference.counts), sum(result.current.counts)) == (len(old), len(new))


def test_many_categories_are_drawn_as_twenty_and_the_rest() -> None:
    """The most frequent of the reference come first; the rest is one bar."""
    labels = pd.Series([f"c{i}" for i in range(40) for _ in range(40 - i)])
    result = drift.compare_column(labels, labels)
    assert result.reference.labels[:2] == ["c0", "c1"]
    assert result.reference.labels[-1] == "(other)"
    assert len(result.reference.labels) == 21
    assert sum(result.reference.counts) == len(labels)


# --- tables ------------------------------------------------------------------------------------


def test_p_values_are_corrected_over_all_columns() -> None:
    """Among 30 columns one p-value of 0.02 or so is no drift any more, alone it would be."""
    rng = np.random.default_rng(0)
    tables = [pd.DataFrame(rng.normal(size=(300, 30))).add_prefix("x") for _ in range(2)]
    tables[1]["x0"] += 0.28
    alone = drift.compare_column(tables[0]["x0"], tables[1]["x0"])
    among = drift.compare_frames(tables[0], tables[1]).features[0]
    assert alone.verdict is DriftVerdict.DRIFT
    assert among.verdict is DriftVerdict.NONE
    before, after = (test_named(result, "value_distribution") for result in (alone, among))
    assert before.p_value == after.p_value


def test_a_table_report_names_absent_and_extra_columns() -> None:
    """An absent column is drift; an extra one is noted."""
    reference = columns(a=range(50), b=range(50))
    report = drift.compare_frames(reference, columns(a=range(50), c=range(50)))
    assert [feature.verdict.value for feature in report.features] == ["no drift", "drift"]
    assert "absent" in report.features[1].why
    assert report.notes == ["Columns only in the current data, not compared: c."]
    assert (report.n_drifted, report.verdict) == (1, DriftVerdict.DRIFT)


def test_the_schema_decides_how_a_column_is_compared() -> None:
    """Codes declared categorical are not averaged."""
    frame = columns(code=[1, 2, 3] * 20)
    schema = Schema(features=[Feature(name="code", kind=Kind.CATEGORICAL)])
    report = drift.compare_frames(frame, frame, schema)
    assert report.features[0].kind == "categorical"
    assert test_named(report.features[0], "chi_square").p_value == 1.0


def test_columns_may_be_named_by_numbers() -> None:
    """A frame without a header has columns 0 and 1."""
    frame = pd.DataFrame({0: range(30), 1: range(30)})
    assert [f.feature for f in drift.compare_frames(frame, frame).features] == ["0", "1"]


def test_empty_tables_are_skipped_with_a_reason() -> None:
    """No rows, no verdict."""
    report = drift.compare_frames(columns(a=[1.0]), columns(a=[]))
    assert report.status.value == "skipped"
    assert "at least one row" in str(report.reason)


def test_inputs_are_not_changed_and_progress_is_told() -> None:
    """The tables are the same afterwards; the fractions rise below 1."""
    frame = columns(a=[3.0, 1.0, np.nan] * 5, b=["x", "y", None] * 5)
    before, told = frame.copy(), []
    drift.compare_frames(frame, frame, progress=lambda fraction, _: told.append(fraction))
    pd.testing.assert_frame_equal(frame, before)
    assert told == [0.0, 0.5]


# --- predictions -------------------------------------------------------------------------------


def info(task: Task, **values: Any) -> ModelInfo:
    return ModelInfo(task=task, estimator="Test", **values)


def test_a_change_of_probability_is_seen_though_the_classes_stay() -> None:
    """Probabilities move from 0.6 to 0.9 around the same decisions."""
    classes = np.array(["no", "yes"] * 200)
    noise = np.random.default_rng(0).normal(0, 0.02, 400)
    high = np.where(classes == "yes", 0.6, 0.4) + noise
    higher = np.where(classes == "yes", 0.9, 0.1) + noise
    before, after = (Predictions(classes, np.column_stack([1 - p, p])) for p in (high, higher))
    result = drift.compare_predictions(before, after, info(Task.BINARY, classes=["no", "yes"]))
    assert result.verdict is DriftVerdict.DRIFT
    assert "output 2" in result.why
    assert result.reference.labels == result.current.labels


@pytest.mark.parametrize(
    ("task", "y_pred"),
    [
        (Task.REGRESSION, RNG.normal(size=200)),
        (Task.REGRESSION, RNG.normal(size=(200, 2))),
        (Task.MULTICLASS, RNG.choice(["a", "b", "c"], 200)),
        (Task.MULTILABEL, RNG.integers(0, 2, (200, 3))),
        (Task.CLUSTERING, RNG.integers(0, 4, 200)),
        (Task.OUTLIER, RNG.choice([-1, 1], 200)),
    ],
)
def test_equal_predictions_of_any_task_are_no_drift(task: Task, y_pred: Any) -> None:
    """The same answers twice."""
    predictions = Predictions(y_pred)
    result = drift.compare_predictions(predictions, predictions, info(task))
    assert result.verdict is DriftVerdict.NONE
    assert result.feature == "prediction"
