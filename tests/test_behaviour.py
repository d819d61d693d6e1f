"""Odd input gets the verdict that scikit-learn's own behaviour asks for."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import model_describe
from base_types import Status
from behaviour import NOISE_LEVELS, examine_behaviour
from behaviour_cases import spread
from behaviour_probe import judge_error
from errors import ModelCrashedError, ModelRaisedError, ModelTimeoutError, RunCancelledError
from model_types import Predictions
from report_types import BehaviourCase, BehaviourSection, BehaviourVerdict, RunConfig
from schema_inference import schema_from_sample
from tests.local_model import LocalModel

RNG = np.random.default_rng(0)
NUMBERS = pd.DataFrame(RNG.normal(size=(300, 4)), columns=["a", "b", "c", "d"])
LABELS = (NUMBERS["a"] + NUMBERS["b"] > 0).map({True: "yes", False: "no"})
MIXED = pd.DataFrame(
    {
        "age": RNG.integers(18, 90, 300),
        "income": RNG.gamma(2, 1000, 300),
        "city": RNG.choice(["Oslo", "Rome"], 300),
    }
)
HANDLED, CLEAR, SILENT, BROKEN, SKIPPED = (
    BehaviourVerdict.HANDLED,
    BehaviourVerdict.CLEAR_ERROR,
    BehaviourVerdict.SILENT,
    BehaviourVerdict.BROKEN,
    BehaviourVerdict.SKIPPED,
)


class StrictModel(LocalModel):
    """Passes tables on unchanged, as the worker does, and raises the errors it would."""

    def predict(self, frame: pd.DataFrame, *, proba: bool = True) -> Predictions:
        """Predict; warnings are the worker's own affair."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return super().predict(frame, proba=proba)
        except Exception as error:
            raise ModelRaisedError(type(error).__name__, str(error)) from error

    def _input(self, frame: pd.DataFrame) -> Any:
        features = [feature.model_dump() for feature in self.info.features]
        return model_describe.model_input(frame, self.info.input_form, features)


def examine(model: LocalModel, frame: pd.DataFrame, **options: Any) -> BehaviourSection:
    return examine_behaviour(model, frame, schema_from_sample(frame), RunConfig(seed=0), **options)


def cases(section: BehaviourSection) -> dict[str, BehaviourCase]:
    return {case.id: case for case in section.cases}


def forest(**options: Any) -> StrictModel:
    model = RandomForestClassifier(n_estimators=20, random_state=0, **options)
    return StrictModel(model.fit(NUMBERS, LABELS))


def pipeline(encoder: OneHotEncoder, *steps: Any) -> StrictModel:
    columns = make_column_transformer(
        (make_pipeline(*steps, StandardScaler()), ["age", "income"]), (encoder, ["city"])
    )
    target = (MIXED["income"] > 2000).astype(int)
    return StrictModel(make_pipeline(columns, LogisticRegression()).fit(MIXED, target))


@pytest.fixture(scope="module")
def logistic() -> dict[str, BehaviourCase]:
    return cases(examine(StrictModel(LogisticRegression().fit(NUMBERS, LABELS)), NUMBERS))


@pytest.mark.parametrize(
    ("case_id", "verdict", "quoted"),
    [
        ("deterministic", HANDLED, "0%"),
        ("alone", HANDLED, "0%"),
        ("row_order", HANDLED, "0%"),
        ("duplicates", HANDLED, "0%"),
        ("one_row", HANDLED, "1 answer:"),
        ("missing_values", CLEAR, "ValueError: Input X contains NaN"),
        ("unseen_category", SKIPPED, ""),
        ("infinity", CLEAR, "ValueError: Input X contains infinity"),
        ("wrong_type", CLEAR, "could not convert string to float: 'abc'"),
        ("numbers_as_text", HANDLED, "20 answers"),
        ("boolean", HANDLED, "20 answers"),
        ("out_of_range", SILENT, "20 answers"),
        ("very_small", HANDLED, "20 answers"),
        ("column_order", CLEAR, "feature names should match"),
        ("extra_column", CLEAR, "feature names should match"),
        ("missing_column", CLEAR, "feature names should match"),
        ("empty_table", CLEAR, "0 sample(s)"),
    ],
)
def test_a_named_linear_classifier(
    logistic: dict[str, BehaviourCase], case_id: str, verdict: BehaviourVerdict, quoted: str
) -> None:
    """scikit-learn's own checks are clear errors, quoted; properties of linear models hold."""
    assert logistic[case_id].verdict is verdict, logistic[case_id]
    assert quoted in logistic[case_id].came_back
    assert logistic[case_id].why


def test_a_positional_model_cannot_notice_the_column_order() -> None:
    """Fitted on a bare matrix, reversed columns pass silently."""
    model = StrictModel(LogisticRegression().fit(NUMBERS.to_numpy(), LABELS))
    frame = NUMBERS.set_axis([feature.name for feature in model.info.features], axis=1)
    case = cases(examine(model, frame))["column_order"]
    assert case.verdict is SILENT
    assert "cannot notice" in case.why


@pytest.mark.parametrize(("handle_unknown", "verdict"), [("ignore", HANDLED), ("error", CLEAR)])
def test_unseen_categories_follow_the_encoder(
    handle_unknown: Any, verdict: BehaviourVerdict
) -> None:
    """An encoder told to ignore them handles them; one told to raise raises clearly."""
    section = examine(pipeline(OneHotEncoder(handle_unknown=handle_unknown)), MIXED)
    assert cases(section)["unseen_category"].verdict is verdict


def test_missing_values_are_judged_column_by_column() -> None:
    """An imputer handles the numbers; the text column without one is told apart."""
    model = pipeline(OneHotEncoder(handle_unknown="error"), SimpleImputer())
    found = [c for c in examine(model, MIXED).cases if c.id.startswith("missing_values")]
    verdicts = {case.verdict: case for case in found}
    assert set(verdicts) == {HANDLED, CLEAR}
    assert "age, income" in verdicts[HANDLED].sent
    assert "'city'" in verdicts[CLEAR].sent


def test_a_text_model_is_examined() -> None:
    """A pipeline that takes one column of raw text gets a verdict for every case."""
    texts = pd.DataFrame(
        {"text": ["win a free prize now please", "see you at the office then"] * 20}
    )
    target = ["spam", "ham"] * 20
    model = StrictModel(
        make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts["text"], target)
    )
    frame = texts.set_axis([feature.name for feature in model.info.features], axis=1)
    section = examine(model, frame)
    assert section.status is Status.OK
    found = cases(section)
    assert found["deterministic"].verdict is HANDLED
    assert found["infinity"].verdict is found["column_order"].verdict is SKIPPED
    assert section.noise == []


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent"])
def test_an_imputer_inside_a_column_transformer_is_named(strategy: str) -> None:
    """Whatever it fills with, the part that fills the gap is found in every column it takes."""
    numbers = make_pipeline(SimpleImputer(strategy=strategy), StandardScaler())
    names = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    columns = make_column_transformer((numbers, ["age", "income"]), (names, ["city"]))
    model = StrictModel(make_pipeline(columns, LogisticRegression()).fit(MIXED, LABELS))
    (case,) = [c for c in examine(model, MIXED).cases if c.id.startswith("missing_values")]
    assert (case.verdict, case.why) == (HANDLED, "SimpleImputer is made for missing values.")


def test_boosting_handles_missing_values_by_itself() -> None:
    """A library that knows missing values is believed; a forest that merely answers is not."""
    boosted = HistGradientBoostingClassifier(max_iter=5).fit(NUMBERS, LABELS)
    assert cases(examine(StrictModel(boosted), NUMBERS))["missing_values"].verdict is HANDLED
    assert cases(examine(forest(), NUMBERS))["missing_values"].verdict in (SILENT, CLEAR)


@pytest.mark.parametrize(
    "estimator",
    [
        LinearRegression().fit(NUMBERS, NUMBERS["a"] * 2),
        LinearRegression().fit(NUMBERS, NUMBERS[["a", "b"]]),
        KMeans(3, n_init=1, random_state=0).fit(NUMBERS),
        IsolationForest(n_estimators=10, random_state=0).fit(NUMBERS),
        MultiOutputClassifier(LogisticRegression()).fit(NUMBERS, NUMBERS[["a", "b"]] > 0),
    ],
    ids=["regression", "outputs", "clustering", "outliers", "multilabel"],
)
def test_every_task_is_examined(estimator: Any) -> None:
    """All tasks get all cases, and their consistency holds."""
    section = examine(StrictModel(estimator), NUMBERS)
    assert section.status is Status.OK
    consistency = [case for case in section.cases if case.group == "consistency"]
    assert len(consistency) == 4
    assert {case.verdict for case in consistency} == {HANDLED}
    assert len(section.noise) == len(NOISE_LEVELS)


def test_an_outlier_detector_should_call_far_out_rows_outliers() -> None:
    """Ten ranges out in one column, the answer -1 counts as handled, +1 as silent."""
    refusal = ("TypeError", "the columns are no numbers")

    class Guard(LocalModel):
        def predict(self, frame: pd.DataFrame, *, proba: bool = True) -> Predictions:
            if not all(kind.kind in "fi" for kind in frame.dtypes):
                raise ModelRaisedError(*refusal)
            outside = (frame.astype(float).abs() > 4.5).any(axis=1)
            return Predictions(np.where(outside, -1, 1))

    model = Guard(IsolationForest(n_estimators=5, random_state=0).fit(NUMBERS))
    assert cases(examine(model, NUMBERS))["out_of_range"].verdict is HANDLED


def test_noise_on_a_linear_model_is_what_theory_says() -> None:
    """For y = 2a the mean |change| in standard deviations is level * sqrt(2 / pi)."""
    frame = pd.DataFrame({"a": RNG.normal(size=200), "b": 0.0})
    model = StrictModel(LinearRegression().fit(frame, 2 * frame["a"]))
    noise = examine(model, frame).noise
    assert [point.noise for point in noise] == list(NOISE_LEVELS)
    for point in noise:
        assert point.mean_change == pytest.approx(point.noise * np.sqrt(2 / np.pi), rel=0.2)
        assert point.flipped_share.value is None
        assert point.flipped_share.reason


def test_noise_flips_are_counted_with_an_interval() -> None:
    """More noise flips more labels, and the interval holds the share."""
    noise = examine(forest(), NUMBERS).noise
    shares = [point.flipped_share.value or 0.0 for point in noise]
    assert shares[0] <= shares[-1]
    last = noise[-1].flipped_share
    assert last.low is not None
    assert last.high is not None
    assert last.low <= shares[-1] <= last.high
    assert last.n == 200


def test_a_model_that_rolls_dice_is_found() -> None:
    """Different answers for equal rows are broken."""

    class Dice(StrictModel):
        rng = np.random.default_rng(0)

        def predict(self, frame: pd.DataFrame, *, proba: bool = True) -> Predictions:
            return Predictions(self.rng.choice(["no", "yes"], len(frame)))

    found = cases(examine(Dice(LogisticRegression().fit(NUMBERS, LABELS)), NUMBERS))
    for case_id in ("deterministic", "row_order", "duplicates"):
        assert found[case_id].verdict is BROKEN


@pytest.mark.parametrize("error", [ModelCrashedError("signal 11"), ModelTimeoutError("10 s")])
def test_a_crash_is_a_verdict_and_not_the_end(error: Exception) -> None:
    """One crash is a broken case; after two, the rest is left alone and that is said."""

    class Crashing(StrictModel):
        def predict(self, frame: pd.DataFrame, *, proba: bool = True) -> Predictions:
            if not np.isfinite(frame.to_numpy(dtype=float, na_value=np.nan)).all():
                raise error
            return super().predict(frame, proba=proba)

    section = examine(Crashing(LogisticRegression().fit(NUMBERS, LABELS)), NUMBERS)
    assert section.status is Status.OK
    assert cases(section)["missing_values"].verdict is BROKEN
    assert cases(section)["none"].verdict is BROKEN
    assert "not tried" in section.notes[-1]


def test_a_model_that_fails_on_ordinary_rows() -> None:
    """Without ordinary answers there is nothing to compare with: failed, with the error."""
    section = examine(forest(), NUMBERS.assign(a="text"))
    assert section.status is Status.FAILED
    assert "could not convert string" in (section.reason or "")


@pytest.mark.parametrize(
    ("kind", "message", "verdict"),
    [
        ("ValueError", "Input X contains NaN.", CLEAR),
        ("KeyError", "'age'", CLEAR),
        ("KeyError", "0", BROKEN),
        ("ValueError", "the manager is not available", BROKEN),
        ("IndexError", "index 4 is out of bounds for age", BROKEN),
        ("AttributeError", "'NoneType' object has no attribute 'age'", BROKEN),
        ("TypeError", "", BROKEN),
    ],
)
def test_errors_are_judged_by_what_they_say(
    kind: str, message: str, verdict: BehaviourVerdict
) -> None:
    """A message that names cause or column is clear; internals of Python are not."""
    assert judge_error(ModelRaisedError(kind, message), ("nan",), "age")[0] is verdict


def test_cancelling_works() -> None:
    """An error raised by the progress callback ends the examination."""

    def cancel(fraction: float, _message: str) -> None:
        if fraction > 0.3:
            raise RunCancelledError

    with pytest.raises(RunCancelledError):
        examine(forest(), NUMBERS, progress=cancel)


def test_the_same_seed_gives_the_same_section() -> None:
    """Nothing but the arguments decides the result."""
    assert examine(forest(), NUMBERS) == examine(forest(), NUMBERS)


def test_few_calls_and_rows() -> None:
    """The whole examination stays within 30 calls and 3,000 rows for a model that answers."""
    model = forest()
    examine(model, pd.concat([NUMBERS] * 4, ignore_index=True))
    assert model.calls <= 40
    assert model.rows <= 3000


def test_spread_keeps_the_ends() -> None:
    """Evenly spaced columns include the first and the last."""
    assert spread([str(i) for i in range(100)], 12)[::11] == ["0", "99"]
