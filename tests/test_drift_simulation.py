"""The simulation: what is noticed, what it does to the model, how often the model is asked."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from drift_impact import (
    harm_of,
    predict_many,
    prediction_change,
    quality,
    stacked,
    truth_of,
)
from drift_simulation import simulate_drift
from drift_types import DriftSection, ScenarioResult
from errors import ModelError, ModelRaisedError, RunCancelledError
from model_types import Asked, ModelInfo, Predictions, Task
from report_types import RunConfig
from schema_utils import Feature, Kind, Schema
from tests.local_model import LocalModel, in_turn

RNG = np.random.default_rng(3)
N = 1000
FRAME = pd.DataFrame({"used": RNG.normal(size=N), "unused": RNG.normal(size=N)})
LABELS = pd.Series(np.where(FRAME["used"] + 0.3 * RNG.normal(size=N) > 0, "yes", "no"))
SCHEMA = Schema(features=[Feature(name="used"), Feature(name="unused")])
CONFIG = RunConfig(seed=1)


class CarefulModel(LocalModel):
    """Turns the estimator's ValueError into the error a worker reports."""

    def predict(self, frame: pd.DataFrame, *, proba: bool = True) -> Predictions:
        """Predict or raise ``ModelRaisedError``."""
        try:
            return super().predict(frame, proba=proba)
        except ValueError as error:
            raise ModelRaisedError(type(error).__name__, str(error).splitlines()[0]) from error


def classifier() -> CarefulModel:
    estimator = LogisticRegression().fit(FRAME, LABELS)
    estimator.coef_[0, 1] = 0.0
    return CarefulModel(estimator)


@cache
def simulated(with_labels: bool = True) -> tuple[DriftSection, CarefulModel]:
    model = classifier()
    predictions = model.predict(FRAME)
    y_true = LABELS if with_labels else None
    model.calls = model.rows = 0
    return simulate_drift(model, FRAME, SCHEMA, predictions, y_true, config=CONFIG), model


def scenario(name: str, section: DriftSection | None = None) -> ScenarioResult:
    section = section or simulated()[0]
    return next(result for result in section.scenarios if result.id == name)


def test_every_scenario_is_examined_at_every_severity_or_says_why_not() -> None:
    """Only the category mix is skipped, as there are no categories."""
    for result in simulated()[0].scenarios:
        assert bool(result.skipped) is (result.id == "category_mix")
        expected = [] if result.skipped else CONFIG.drift_severities
        assert [point.severity for point in result.points] == expected


def test_a_large_shift_is_noticed_and_hurts() -> None:
    """Two standard deviations: every usual test sees it, classes flip, accuracy falls."""
    point = scenario("mean_shift").points[-1]
    assert point.n_columns_flagged == 2
    for name in ("default", "kolmogorov_smirnov", "psi", "wasserstein_normed", "prediction_drift"):
        assert point.tests_noticed[name]
    assert point.prediction is not None
    assert (point.prediction.flipped_share or 0) > 0.3
    assert (point.quality_change or 0) < -0.3


def test_the_flipped_share_is_that_of_the_same_rows_shifted_by_hand() -> None:
    """A shift of one standard deviation flips those whose score lies within the shift."""
    section, model = simulated()[0], classifier()
    order = np.random.default_rng(CONFIG.seed).permutation(N)
    half = FRAME.iloc[order[N // 2 :]]
    rows = half.iloc[:250]
    after = model.predict(rows + half.std(ddof=0)).y_pred
    expected = np.mean(after != model.predict(rows).y_pred)
    point = next(p for p in scenario("mean_shift", section).points if p.severity == 1.0)
    assert point.prediction is not None
    assert point.prediction.flipped_share == pytest.approx(expected)


def test_the_unused_feature_drifts_harmlessly() -> None:
    """The ranking puts it last and says so in words."""
    ranking = simulated()[0].ranking
    assert [row.feature for row in ranking] == ["used", "unused"]
    assert ranking[0].harm > 0.3
    assert ranking[1].harm == 0.0
    assert "harmless" in ranking[1].comment


def test_the_unit_change_hits_what_the_model_listens_to() -> None:
    """The leading column of the ranking."""
    assert scenario("unit_change").columns == ["used"]


def test_a_model_that_refuses_missing_values_fails_there_only() -> None:
    """Its error is at the points; the data tests still have their say."""
    for result in simulated()[0].scenarios:
        for point in result.points:
            assert bool(point.error) is (result.id == "missing_values")
    assert "NaN" in str(scenario("missing_values").points[0].error)
    assert scenario("missing_values").first_noticed["missing_rate"] is not None


def test_prior_shift_compares_no_rows_one_by_one() -> None:
    """Rows are left out: distance and quality, but no flipped share."""
    point = scenario("prior_shift").points[-1]
    assert point.prediction is not None
    assert point.prediction.flipped_share is None
    assert (point.prediction.distance or 0) > 0.2
    assert point.quality is not None
    assert abs(point.quality_change or 0) < 0.1


def test_the_model_is_asked_few_times() -> None:
    """One call for the ranking, one for the scenarios, seven for the refused missing values."""
    _, model = simulated()
    assert model.calls == 9
    assert model.rows < 10_000


def test_details_are_kept_at_the_highest_severity_only() -> None:
    """Histograms and usual tests of the touched columns, once per scenario."""
    points = scenario("mean_shift").points
    assert all(not f.reference.counts and len(f.tests) == 1 for f in points[0].features)
    assert all(f.reference.counts and len(f.tests) > 10 for f in points[-1].features)
    assert len(simulated()[0].model_dump_json()) < 250_000


def test_first_noticed_is_where_a_test_stops_missing() -> None:
    """From that severity on the test noticed at every point, at the one before it did not."""
    firsts = set()
    for result in simulated()[0].scenarios:
        for name, first in result.first_noticed.items():
            missed = [p.severity for p in result.points if not p.tests_noticed.get(name, False)]
            later = [p.severity for p in result.points if p.severity > max(missed, default=-1)]
            assert first == min(later, default=None), (result.id, name)
            firsts.add(first)
    assert {None, *CONFIG.drift_severities} == firsts


def test_without_labels_there_is_no_quality() -> None:
    """Everything else is the same; the prior shift goes by the predicted classes."""
    section, _ = simulated(with_labels=False)
    assert section.quality_metric is None
    assert all(p.quality is None for s in section.scenarios for p in s.points)
    assert scenario("prior_shift", section).points


def test_the_same_seed_gives_the_same_numbers() -> None:
    """Byte for byte."""
    model = classifier()
    again = simulate_drift(model, FRAME, SCHEMA, model.predict(FRAME), LABELS, config=CONFIG)
    assert again.model_dump_json() == simulated()[0].model_dump_json()


def test_regression_is_judged_by_r2_and_mean_change() -> None:
    """The mean prediction moves by the slope times the shift; R² gets an interval."""
    target = 3 * FRAME["used"] + RNG.normal(size=N)
    model = CarefulModel(LinearRegression().fit(FRAME[["used"]], target))
    schema = Schema(features=[Feature(name="used")])
    frame = FRAME[["used"]]
    section = simulate_drift(model, frame, schema, model.predict(frame), target, config=CONFIG)
    point = scenario("mean_shift", section).points[2]
    assert section.quality_metric == "r2"
    assert point.prediction is not None
    assert point.prediction.mean_change == pytest.approx(3, rel=0.1)
    assert point.quality is not None
    assert point.quality.low is not None
    assert point.quality.value is not None
    assert point.quality.low < point.quality.value < 0.8


def test_mixed_columns_are_all_ranked() -> None:
    """Whole numbers, categories and flags; a text cannot be drifted and is absent."""
    frame = pd.DataFrame(
        {
            "n": RNG.integers(0, 9, 100),
            "c": RNG.choice(["a", "b"], 100),
            "f": RNG.random(100) < 0.5,
            "t": ["some words"] * 100,
        }
    )
    kinds = [Kind.INTEGER, Kind.CATEGORICAL, Kind.BOOLEAN, Kind.TEXT]
    features = [Feature(name=n, kind=k) for n, k in zip(frame, kinds, strict=True)]
    model: Any = StubModel(lambda rows: np.where(rows["c"] == "a", 1, 0))
    section = simulate_drift(
        model, frame, Schema(features=features), model.predict(frame), config=CONFIG
    )
    assert {row.feature for row in section.ranking} == {"n", "c", "f"}
    assert section.ranking[0].feature == "c"


def test_too_few_rows_are_skipped_with_a_reason() -> None:
    """Thirty rows cannot be split into two halves worth testing."""
    model, few = classifier(), FRAME.head(30)
    section = simulate_drift(model, few, SCHEMA, model.predict(few), config=CONFIG)
    assert section.status.value == "skipped"
    assert "there are 30" in str(section.reason)


def test_cancelling_gets_through() -> None:
    """An error raised by the progress callback is not mistaken for one of the model."""

    def cancel(fraction: float, message: str) -> None:
        raise RunCancelledError(message)

    model = classifier()
    with pytest.raises(RunCancelledError):
        simulate_drift(model, FRAME, SCHEMA, model.predict(FRAME), config=CONFIG, progress=cancel)


# --- impact ------------------------------------------------------------------------------------


class StubModel:
    """Answers with a function; refuses negative values of a column named 'x'."""

    def __init__(self, answer: Any) -> None:
        self.info = ModelInfo(task=Task.BINARY, estimator="Stub", classes=[0, 1])
        self.answer = answer
        self.calls = 0

    def predict(self, frame: pd.DataFrame, *, proba: bool = True) -> Predictions:
        """Answer or refuse."""
        self.calls += 1
        if "x" in frame and (frame["x"] < 0).any():
            raise ModelRaisedError(ValueError.__name__, "negative")
        return Predictions(np.asarray(self.answer(frame)))

    def predict_each(self, tables: Iterable[Asked]) -> Generator[Predictions | ModelError]:
        """Answer or refuse one table after the other."""
        return in_turn(self, tables)


def test_one_bad_table_costs_no_other_its_answer() -> None:
    """Eight tables, one refused: seven answers, one error, in at most 2 log2(8) + 1 calls."""
    model: Any = StubModel(lambda rows: rows["x"])
    base = pd.DataFrame({"x": [9.0, 9.0]})
    drifts = [{"x": pd.Series([x, x + 0.5, 7.0])} for x in (0.0, 1.0, 2.0, 3.0, 4.0, -1.0, 6.0)]
    answers = predict_many(model, stacked(base, [*drifts, {}]), range(8))
    assert isinstance(answers.pop(5), ModelError)
    for i, answer in answers.items():
        assert isinstance(answer, Predictions)
        assert answer.y_pred.tolist() == ([9.0, 9.0] if i == 7 else [x := float(str(i)), x + 0.5])
    assert model.calls <= 7


@pytest.mark.parametrize(
    "values",
    [
        [1, 2],
        ["a", None],
        np.array(["a", "b"], dtype=object),
        np.array([1, "b"], dtype=object),
        pd.array([1, None], dtype="Int8"),
        pd.Categorical(["x", "y"]),
    ],
)
def test_stacked_tables_are_those_that_pandas_puts_together(values: Any) -> None:
    """Of any type: each table with its drifted column, as ``concat`` of whole tables gives them."""
    drifted = pd.Series(values, index=[7, 3], dtype=getattr(values, "dtype", None))
    base = pd.DataFrame({"same": pd.Series(["p", "q"], index=[7, 3]), "drifted": drifted})
    turned = base["drifted"].iloc[::-1]
    other = base.assign(drifted=pd.Series(turned.array, index=[7, 3], dtype=turned.dtype))
    expected = pd.concat([base, other], ignore_index=True)
    assert expected["drifted"].dtype == drifted.dtype
    pd.testing.assert_frame_equal(stacked(base, [{}, {"drifted": turned}]), expected)


def test_nothing_to_ask_asks_nothing() -> None:
    """No tables, no call; what was to be done meanwhile is done."""
    model: Any = StubModel(len)
    done: list[str] = []
    work = partial(done.append, "work")
    assert predict_many(model, pd.DataFrame(), [], meanwhile=work) == {}
    assert (model.calls, done) == (0, ["work"])


@pytest.mark.parametrize("x", [1.0, -1.0])
def test_other_work_is_done_once_while_the_model_works(x: float) -> None:
    """Whether the model answers or refuses the tables together, the work is done once."""
    model: Any = StubModel(lambda rows: rows["x"])
    done: list[str] = []
    table = pd.DataFrame({"x": [1.0, 1.0, 1.0, x]})
    predict_many(model, table, range(4), meanwhile=partial(done.append, "work"))
    assert done == ["work"]


REGRESSION = ModelInfo(task=Task.REGRESSION, estimator="Test")
BINARY = ModelInfo(task=Task.BINARY, estimator="Test", classes=[0, 1])


@pytest.mark.parametrize(
    ("info", "before", "after", "harm"),
    [
        (BINARY, [0, 1, 1, 0], [0, 0, 1, 0], 0.25),
        (REGRESSION, [-1.0, 1.0], [-0.5, 1.0], 0.25),
        (REGRESSION, [-1.0, 1.0], [np.nan, 1.0], 0.5),
        (REGRESSION, [2.0, 2.0], [2.0, 3.0], 0.5),
        (REGRESSION, [-1.0, 1.0], [99.0, 99.0], 1.0),
        (REGRESSION, [-1e300, 1e300], [-5e299, 1e300], 0.25),
        (REGRESSION, [-1e300, 1e300], [np.inf, 1e300], 0.5),
    ],
)
def test_harm_by_hand(info: ModelInfo, before: Any, after: Any, harm: float) -> None:
    """Flipped share; mean change in standard deviations, a lost answer counting 1, at most 1."""
    answers = [Predictions(np.array(values)) for values in (before, after)]
    assert harm_of(answers[0], answers[1], info) == pytest.approx(harm)


def test_answers_that_are_no_numbers_are_counted() -> None:
    """NaN and infinity are failures; the rest is compared."""
    before, after = Predictions(np.array([1.0, 2, 3])), Predictions(np.array([np.nan, np.inf, 4]))
    change = prediction_change(before, after, REGRESSION)
    assert change.n_failed == 2
    assert change.mean_change == pytest.approx(2)


@pytest.mark.parametrize(
    ("labels", "n", "value"),
    [([1, 0] * 10, 20, 0.5), ([1.0, None] * 20, 20, 1.0), (["1"] * 20, 20, 1.0)],
)
def test_accuracy_uses_the_labelled_rows(labels: Any, n: int, value: float) -> None:
    """Missing labels are left out; 1, 1.0 and "1" are one class."""
    truth = truth_of(pd.Series(labels), BINARY)
    assert truth is not None
    rows = np.arange(len(labels))
    estimate = quality(truth, rows, Predictions(np.ones(len(labels), dtype=int)))
    assert (estimate.n, estimate.value) == (n, value)


@pytest.mark.parametrize(
    ("y_true", "y_pred", "says"),
    [
        ([1.0] * 20, [1.0] * 20, "all the same"),
        (list(range(20)), [np.nan] * 20, "no finite numbers"),
        ([1.0] * 5, [1.0] * 5, "Only 5 rows"),
    ],
)
def test_r2_without_meaning_has_a_reason(y_true: Any, y_pred: Any, says: str) -> None:
    """No value, and why."""
    truth = truth_of(pd.Series(y_true), REGRESSION)
    assert truth is not None
    estimate = quality(truth, np.arange(len(y_true)), Predictions(np.array(y_pred)))
    assert estimate.value is None
    assert says in str(estimate.reason)
