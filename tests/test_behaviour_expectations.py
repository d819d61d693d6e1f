"""Claims about expectations: models whose behaviour is known by construction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from behaviour import examine_behaviour
from report_types import BehaviourCase, BehaviourVerdict, RunConfig
from schema_inference import schema_from_sample
from tests.test_behaviour import StrictModel

RNG = np.random.default_rng(0)
ROWS = pd.DataFrame(RNG.normal(size=(120, 3)), columns=["a", "b", "c"])
HANDLED, BROKEN, SILENT = (
    BehaviourVerdict.HANDLED,
    BehaviourVerdict.BROKEN,
    BehaviourVerdict.SILENT,
)


def cases(estimator: Any, frame: pd.DataFrame = ROWS, **options: Any) -> dict[str, BehaviourCase]:
    section = examine_behaviour(
        StrictModel(estimator), frame, schema_from_sample(frame), RunConfig(**options)
    )
    return {case.id: case for case in section.cases}


def linear(*weights: float) -> LinearRegression:
    return LinearRegression().fit(ROWS, ROWS.to_numpy() @ np.array(weights))


def test_what_is_expected_is_judged() -> None:
    """2a - b: rises with a, falls with b, and c does not matter."""
    found = cases(linear(2, -1, 0), monotone={"a": "up", "b": "up"}, invariant=["c", "a"])
    expected = ("monotone:", "invariant:")
    verdicts = {name: found[name].verdict for name in found if name.startswith(expected)}
    assert verdicts == {
        "monotone:a": HANDLED,
        "monotone:b": BROKEN,
        "invariant:c": HANDLED,
        "invariant:a": BROKEN,
    }
    assert found["monotone:b"].affected_share == 1


def test_what_nobody_asked_for_is_told() -> None:
    """The directions of a linear model are found without being asked for."""
    assert cases(linear(2, -1, 0))["monotone"].came_back == "only rises with a; only falls with b"


def test_a_constrained_booster_keeps_its_promise() -> None:
    """A booster with a monotone constraint passes; the same without on noise does not."""
    y = ROWS["a"] + RNG.normal(size=120) * 2
    options: dict[str, Any] = {"min_samples_leaf": 3, "random_state": 0}
    kept = HistGradientBoostingRegressor(monotonic_cst={"a": 1}, **options).fit(ROWS, y)
    free = HistGradientBoostingRegressor(**options).fit(ROWS, y)
    wanted: dict[str, Any] = {"monotone": {"a": "up"}}
    assert cases(kept, **wanted)["monotone:a"].verdict is HANDLED
    assert cases(free, **wanted)["monotone:a"].verdict is BROKEN


@pytest.mark.parametrize(("weights", "verdict"), [((1, 1, 3), HANDLED), ((1, 2, 3), BROKEN)])
def test_symmetry_is_judged(weights: tuple[float, ...], verdict: BehaviourVerdict) -> None:
    """Swapping a and b changes nothing exactly where their weights are equal."""
    found = cases(linear(*weights), symmetric=[("a", "b")])
    assert found["symmetric:a:b"].verdict is verdict


def test_columns_that_do_not_exist_are_told() -> None:
    """An expectation on an unknown column is not applicable rather than lost."""
    found = cases(linear(1, 1, 1), monotone={"x": "up"}, invariant=["y"])
    assert found["monotone:x"].verdict is BehaviourVerdict.SKIPPED
    assert found["invariant:y"].verdict is BehaviourVerdict.SKIPPED


def test_doubt_tells_models_apart() -> None:
    """A Gaussian process falls back to one half far away; a logistic regression is surer still."""
    y = ROWS["a"] + RNG.normal(size=120) * 0.3 > 0
    assert cases(GaussianProcessClassifier().fit(ROWS, y))["doubt"].verdict is HANDLED
    assert cases(LogisticRegression().fit(ROWS, y))["doubt"].verdict is SILENT


def test_doubt_is_told_with_the_intervals_of_students() -> None:
    """Inside, outside and the loss are those of scipy's t intervals, row against the same row."""
    y = ROWS["a"] + RNG.normal(size=120) * 0.3 > 0
    model = GaussianProcessClassifier().fit(ROWS, y)
    case = cases(model)["doubt"]
    inside = model.predict_proba(ROWS.head(100)).max(axis=1)
    outside = np.full(100, 0.5)
    low, high = ttest_1samp(inside, 0).confidence_interval(0.95)
    assert f"inside {inside.mean():.2g} ({low:.2g} to {high:.2g})" in case.came_back
    assert "mean confidence 0.5 (0.5 to 0.5)" in case.came_back
    low, high = ttest_1samp(inside - outside, 0).confidence_interval(0.95)
    assert f"by {np.mean(inside - outside):.2g} ({low:.2g} to {high:.2g})" in case.why


@pytest.mark.parametrize(
    ("unknown", "verdict"), [("ignore", SILENT), ("error", BehaviourVerdict.CLEAR_ERROR)]
)
def test_typos_are_noticed_or_not(unknown: str, verdict: BehaviourVerdict) -> None:
    """An encoder that ignores unknown categories is silent about typos; a strict one says so."""
    frame = pd.DataFrame({"city": ["Rome", "Oslo", "Paris"] * 40})
    encoder = make_column_transformer((OneHotEncoder(handle_unknown=unknown), ["city"]))
    model = make_pipeline(encoder, LinearRegression()).fit(frame, [1.0, 2.0, 5.0] * 40)
    assert cases(model, frame)["typos"].verdict is verdict


def test_a_classifier_is_judged_by_its_probability() -> None:
    """A logistic regression with a positive weight rises with its column and does not fall."""
    labels = (ROWS["a"] + RNG.normal(size=120) > 0).astype(int)
    found = cases(LogisticRegression().fit(ROWS, labels), monotone={"a": "up"})
    assert found["monotone:a"].verdict is HANDLED
    assert (
        cases(LogisticRegression().fit(ROWS, labels), monotone={"a": "down"})[
            "monotone:a"
        ].affected_share
        == 1
    )
