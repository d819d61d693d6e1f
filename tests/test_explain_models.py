"""Forty kinds of fitted models: which route explains them, and that the values are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn import ensemble, linear_model, svm, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.impute import SimpleImputer
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from explainability import explain
from tests.local_model import LocalModel
from tests.shapley_reference import shapley_by_definition

Output = Callable[[Any, pd.DataFrame], Any]


@cache
def numeric_table() -> pd.DataFrame:
    """Four columns, ten distinct values each, so that cells meet thresholds exactly."""
    rng = np.random.default_rng(5)
    return pd.DataFrame(rng.normal(size=(150, 4)).round(1), columns=list("abcd"))


@cache
def mixed_table() -> pd.DataFrame:
    """Numbers with gaps, whole numbers, words with gaps and flags."""
    rng = np.random.default_rng(6)
    table = numeric_table()[["a", "b"]].copy()
    table.loc[::6, "a"] = np.nan
    table["rooms"] = rng.integers(0, 4, len(table))
    table["city"] = pd.Series(rng.choice(["bern", "oslo", "rome"], len(table)), dtype="str")
    table.loc[::9, "city"] = np.nan
    table["open"] = rng.random(len(table)) < 0.5
    return table


def score(table: pd.DataFrame) -> pd.Series:
    """A number with interactions, from the numeric columns."""
    return table["a"].fillna(0) + table.iloc[:, 1] * table["a"].fillna(1) + table.iloc[:, 2] ** 2


def encoding(*, sparse: bool = False) -> ColumnTransformer:
    """Impute and scale the numbers, one-hot encode the words."""
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    words = OneHotEncoder(handle_unknown="ignore", sparse_output=sparse)
    return ColumnTransformer(
        [("numbers", numbers, ["a", "b", "rooms", "open"]), ("words", words, ["city"])],
        sparse_threshold=1.0 if sparse else 0.0,
    )


def probability(model: Any, frame: pd.DataFrame) -> Any:
    return model.predict_proba(frame)[:, 1]


def probabilities(model: Any, frame: pd.DataFrame) -> Any:
    return model.predict_proba(frame)


def decision(model: Any, frame: pd.DataFrame) -> Any:
    return model.decision_function(frame)


def prediction(model: Any, frame: pd.DataFrame) -> Any:
    return model.predict(frame)


def log_prediction(model: Any, frame: pd.DataFrame) -> Any:
    return np.log(model.predict(frame))


def log_odds(model: Any, frame: pd.DataFrame) -> Any:
    p = model.predict_proba(frame)[:, 1]
    return np.log(p) - np.log1p(-p)


def xgb_margin(model: Any, frame: pd.DataFrame) -> Any:
    return model.predict(frame, output_margin=True)


def lgb_margin(model: Any, frame: pd.DataFrame) -> Any:
    return model.predict(frame, raw_score=True)


def chances(model: Any, frame: pd.DataFrame) -> Any:
    return np.column_stack([table[:, 1] for table in model.predict_proba(frame)])


def cluster(model: Any, frame: pd.DataFrame) -> Any:
    return np.column_stack([model.predict(frame) == number for number in range(2)])


@dataclass(frozen=True)
class Kind:
    """A model to fit, on which target and table, and the output it is explained by."""

    estimator: Any
    target: str
    method: str
    space: str
    output: Output
    mixed: bool = False


def targets(table: pd.DataFrame) -> dict[str, Any]:
    number = score(table)
    return {
        "yes": np.where(number > number.median(), "yes", "no"),
        "three": np.digitize(number, number.quantile([0.3, 0.7])),
        "number": number.to_numpy(),
        "count": np.random.default_rng(0).poisson(np.exp(number / 3)),
        "labels": np.column_stack([number > 0.5, table["a"].fillna(0) > 0]).astype(int),
        "numbers": np.column_stack([number, table["a"].fillna(0) * 3]),
        "none": None,
    }


GB, HGB = ensemble.GradientBoostingClassifier, ensemble.HistGradientBoostingClassifier
FEW: dict[str, Any] = {"n_estimators": 6, "random_state": 0}
LGB: dict[str, Any] = {**FEW, "verbose": -1, "min_child_samples": 5, "n_jobs": 1}
XGB: dict[str, Any] = {**FEW, "n_jobs": 1}
LR = linear_model.LogisticRegression


def forest() -> Any:
    return ensemble.RandomForestClassifier(**FEW)


def kinds() -> dict[str, Kind]:
    linear = {
        "logistic": Kind(LR(), "yes", "linear", "log-odds", decision),
        "logistic of three": Kind(LR(), "three", "linear", "log-odds", decision),
        "discriminant": Kind(LinearDiscriminantAnalysis(), "yes", "linear", "log-odds", decision),
        "sgd of three": Kind(
            linear_model.SGDClassifier(loss="log_loss", random_state=0),
            "three",
            "linear",
            "log-odds",
            decision,
        ),
        "linear svc": Kind(svm.LinearSVC(), "three", "linear", "score", decision),
        "ridge classifier": Kind(
            linear_model.RidgeClassifier(), "yes", "linear", "score", decision
        ),
        "lasso": Kind(linear_model.Lasso(), "number", "linear", "prediction", prediction),
        "ridge, two targets": Kind(
            linear_model.Ridge(), "numbers", "linear", "prediction", prediction
        ),
        "pls": Kind(PLSRegression(2), "numbers", "linear", "prediction", prediction),
        "poisson": Kind(
            linear_model.PoissonRegressor(), "count", "linear", "log(prediction)", log_prediction
        ),
        "xgboost linear": Kind(
            xgboost.XGBRegressor(booster="gblinear", n_estimators=6, n_jobs=1),
            "number",
            "linear",
            "prediction",
            prediction,
        ),
        "pipeline, logistic": Kind(
            make_pipeline(encoding(), LR()), "yes", "linear", "log-odds", decision, mixed=True
        ),
    }
    trees = {
        "tree": Kind(
            tree.DecisionTreeClassifier(random_state=0), "yes", "tree", "probability", probability
        ),
        "tree, numbers": Kind(
            tree.DecisionTreeRegressor(random_state=0), "numbers", "tree", "prediction", prediction
        ),
        "forest of three": Kind(forest(), "three", "tree", "probability", probabilities),
        "forest, labels": Kind(forest(), "labels", "tree", "probability", chances),
        "extra trees": Kind(
            ensemble.ExtraTreesRegressor(**FEW), "number", "tree", "prediction", prediction
        ),
        "gradient boosting": Kind(GB(**FEW), "yes", "tree", "log-odds", decision),
        "gradient boosting of three": Kind(GB(**FEW), "three", "tree", "log-odds", decision),
        "gradient boosting, exponential": Kind(
            GB(**FEW, loss="exponential"), "yes", "tree", "log-odds", log_odds
        ),
        "histogram": Kind(HGB(max_iter=6), "yes", "tree", "log-odds", decision),
        "histogram, missing": Kind(
            make_pipeline(FunctionTransformer(_numbers_only), HGB(max_iter=6)),
            "three",
            "tree",
            "log-odds",
            decision,
            mixed=True,
        ),
        "histogram, counts": Kind(
            ensemble.HistGradientBoostingRegressor(loss="poisson", max_iter=6),
            "count",
            "tree",
            "log(prediction)",
            log_prediction,
        ),
        "xgboost": Kind(xgboost.XGBClassifier(**XGB), "three", "tree", "log-odds", xgb_margin),
        "xgboost, counts": Kind(
            xgboost.XGBRegressor(**XGB, objective="count:poisson"),
            "count",
            "tree",
            "log(prediction)",
            xgb_margin,
        ),
        "xgboost, two targets": Kind(
            xgboost.XGBRegressor(**XGB), "numbers", "tree", "prediction", prediction
        ),
        "xgboost dart": Kind(
            xgboost.XGBRegressor(**XGB, booster="dart", rate_drop=0.3),
            "number",
            "tree",
            "prediction",
            prediction,
        ),
        "lightgbm": Kind(lightgbm.LGBMClassifier(**LGB), "three", "tree", "log-odds", lgb_margin),
        "lightgbm forest": Kind(
            lightgbm.LGBMRegressor(**LGB, boosting_type="rf", subsample=0.7, subsample_freq=1),
            "number",
            "tree",
            "prediction",
            prediction,
        ),
        "pipeline, forest": Kind(
            make_pipeline(encoding(), forest()),
            "yes",
            "tree",
            "probability",
            probability,
            mixed=True,
        ),
        "search, sparse forest": Kind(
            GridSearchCV(
                make_pipeline(encoding(sparse=True), forest()),
                {"randomforestclassifier__max_depth": [3]},
                cv=2,
            ),
            "three",
            "tree",
            "probability",
            probabilities,
            mixed=True,
        ),
        "threshold": Kind(
            FixedThresholdClassifier(make_pipeline(encoding(), forest()), threshold=0.3),
            "yes",
            "tree",
            "probability",
            probability,
            mixed=True,
        ),
    }
    opaque = {
        "svc": Kind(svm.SVC(), "yes", "enumerated", "score", decision),
        "svc of three": Kind(svm.SVC(), "three", "enumerated", "score", decision),
        "nearest": Kind(
            KNeighborsClassifier(), "three", "enumerated", "probability", probabilities
        ),
        "nearest, numbers": Kind(
            KNeighborsRegressor(), "numbers", "enumerated", "prediction", prediction
        ),
        "network": Kind(
            MLPClassifier((5,), max_iter=20, random_state=0),
            "yes",
            "enumerated",
            "probability",
            probability,
        ),
        "bayes": Kind(GaussianNB(), "yes", "enumerated", "probability", probability),
        "quadratic": Kind(
            QuadraticDiscriminantAnalysis(), "yes", "enumerated", "probability", probability
        ),
        "gaussian process": Kind(
            GaussianProcessRegressor(alpha=0.1), "number", "enumerated", "prediction", prediction
        ),
        "calibrated": Kind(
            CalibratedClassifierCV(LR(), cv=2), "yes", "enumerated", "probability", probability
        ),
        "stack": Kind(
            ensemble.StackingClassifier([("a", LR()), ("b", GaussianNB())], cv=2),
            "yes",
            "enumerated",
            "probability",
            probability,
        ),
        "logarithm of the target": Kind(
            TransformedTargetRegressor(linear_model.Ridge(), func=np.log1p, inverse_func=np.expm1),
            "count",
            "enumerated",
            "prediction",
            prediction,
        ),
        "labels apart": Kind(
            MultiOutputClassifier(GaussianNB()), "labels", "enumerated", "probability", chances
        ),
        "chain": Kind(ClassifierChain(LR()), "labels", "enumerated", "probability", probabilities),
        "mixed columns": Kind(
            make_pipeline(PCA(2), LR()), "yes", "enumerated", "probability", probability
        ),
        "pipeline, nearest": Kind(
            make_pipeline(encoding(), KNeighborsClassifier()),
            "yes",
            "enumerated",
            "probability",
            probability,
            mixed=True,
        ),
        "one class": Kind(svm.OneClassSVM(), "none", "enumerated", "score", decision),
        "clusters": Kind(
            KMeans(2, n_init=1, random_state=0), "none", "enumerated", "label indicator", cluster
        ),
        "mixture": Kind(
            GaussianMixture(2, random_state=0), "none", "enumerated", "label indicator", cluster
        ),
    }
    return {**linear, **trees, **opaque}


def _numbers_only(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["a", "b", "rooms"]]


KINDS = kinds()


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (xgboost.XGBClassifier(**XGB), "three"),
        (xgboost.XGBRegressor(**XGB), "number"),
        (lightgbm.LGBMClassifier(**LGB), "yes"),
        (lightgbm.LGBMRegressor(**LGB), "number"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_bare_boosters_are_explained_like_their_estimators(estimator: Any, target: str) -> None:
    """A booster saved without its scikit-learn wrapper has the same values by the same route."""
    table = numeric_table()
    estimator.fit(table, targets(table)[target])
    is_xgboost = isinstance(estimator, xgboost.XGBModel)
    booster = estimator.get_booster() if is_xgboost else estimator.booster_
    whole, bare = (
        explain(LocalModel(model), table.iloc[:5], table.iloc[20:40])
        for model in (estimator, booster)
    )
    assert bare.method == "tree"
    np.testing.assert_allclose(bare.values, whole.values, atol=1e-12)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_values_are_the_shapley_values_by_definition(name: str) -> None:
    """Each kind takes its route, and its values equal the sum over all coalitions."""
    kind = KINDS[name]
    table = mixed_table() if kind.mixed else numeric_table()
    target = targets(table)[kind.target]
    model = kind.estimator.fit(table) if target is None else kind.estimator.fit(table, target)
    rows, background = table.iloc[:4], table.iloc[20:28]
    found = explain(LocalModel(model), rows, background, seconds=60)
    expected = shapley_by_definition(lambda frame: kind.output(model, frame), rows, background)
    scale = float(np.abs(expected).max())
    assert (found.method, found.space) == (kind.method, kind.space)
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=2e-6 * scale)
    assert found.additivity_gap < 1e-9
