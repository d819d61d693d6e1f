"""Kinds of models that people really save, fitted on small data, with a sample of that data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor


@dataclass(frozen=True)
class Specimen:
    """A fitted model, and a table with inputs and (where it has one) its target."""

    model: Any
    sample: pd.DataFrame
    target: str | None


@cache
def _iris() -> tuple[pd.DataFrame, pd.Series[Any]]:
    bunch = load_iris(as_frame=True)
    return bunch.data, bunch.target.map(dict(enumerate(bunch.target_names))).astype(str)


@cache
def _cancer() -> tuple[pd.DataFrame, pd.Series[Any]]:
    bunch = load_breast_cancer(as_frame=True)
    return bunch.data.iloc[:300, :8], bunch.target.iloc[:300]


@cache
def _diabetes() -> tuple[pd.DataFrame, pd.Series[Any]]:
    bunch = load_diabetes(as_frame=True)
    return bunch.data, bunch.target


@cache
def _mixed() -> tuple[pd.DataFrame, pd.Series[Any]]:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, 300).astype(float),
            "income": rng.lognormal(10, 0.5, 300),
            "city": rng.choice(["Bonn", "Köln", "Łódź"], 300),
            "member": rng.choice(["yes", "no"], 300),
        }
    )
    label = (frame["age"] > 45) ^ (frame["city"] == "Bonn")
    frame.loc[::17, "income"] = np.nan
    return frame, label.map({True: "buys", False: "leaves"}).astype(str)


def _preprocessing() -> ColumnTransformer:
    return ColumnTransformer(
        [
            ("n", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income"]),
            ("c", OneHotEncoder(handle_unknown="ignore"), ["city", "member"]),
        ]
    )


def _fit(estimator: Any, data: Callable[[], tuple[pd.DataFrame, pd.Series[Any]]]) -> Specimen:
    inputs, target = data()
    return Specimen(estimator.fit(inputs, target), inputs.assign(label=target), "label")


def _unnamed_knn() -> Specimen:
    inputs, target = _iris()
    model = KNeighborsClassifier().fit(inputs.to_numpy(), target.to_numpy())
    return Specimen(model, inputs.assign(label=target), "label")


def _unsupervised(estimator: Any) -> Specimen:
    inputs, _target = _iris()
    return Specimen(estimator.fit(inputs), inputs, None)


def _two_outputs() -> Specimen:
    inputs, target = _diabetes()
    both = np.column_stack([target, target * 0.5 + inputs["bmi"] * 100])
    return Specimen(Ridge().fit(inputs, both), inputs, None)


def _two_labels() -> Specimen:
    inputs, target = _iris()
    labels = np.column_stack([target == "setosa", inputs.iloc[:, 0] > 5.8]).astype(int)
    model = MultiOutputClassifier(LogisticRegression(max_iter=1000)).fit(inputs, labels)
    return Specimen(model, inputs, None)


def _search() -> Any:
    grid = {"randomforestclassifier__max_depth": [3, 5]}
    return GridSearchCV(
        make_pipeline(_preprocessing(), RandomForestClassifier(20, random_state=0)), grid, cv=2
    )


def _stack() -> Any:
    parts = [("tree", DecisionTreeClassifier(max_depth=3)), ("bayes", GaussianNB())]
    return StackingClassifier(parts, LogisticRegression(), cv=2)


def _vote() -> Any:
    parts = [("tree", DecisionTreeClassifier(max_depth=3)), ("bayes", GaussianNB())]
    return VotingClassifier(parts, voting="soft")


ZOO: dict[str, Callable[[], Specimen]] = {
    "logistic regression": lambda: _fit(LogisticRegression(max_iter=5000), _cancer),
    "linear regression": lambda: _fit(LinearRegression(), _diabetes),
    "ridge classifier": lambda: _fit(RidgeClassifier(), _cancer),
    "decision tree": lambda: _fit(DecisionTreeClassifier(random_state=0), _iris),
    "regression tree": lambda: _fit(DecisionTreeRegressor(max_depth=5), _diabetes),
    "random forest": lambda: _fit(RandomForestClassifier(100, random_state=0), _iris),
    "forest, all cores": lambda: _fit(RandomForestClassifier(20, n_jobs=-1), _cancer),
    "regression forest": lambda: _fit(RandomForestRegressor(20, random_state=0), _diabetes),
    "extra trees": lambda: _fit(ExtraTreesClassifier(20, random_state=0), _iris),
    "gradient boosting": lambda: _fit(GradientBoostingClassifier(n_estimators=20), _cancer),
    "boosted regression": lambda: _fit(GradientBoostingRegressor(n_estimators=20), _diabetes),
    "histogram boosting": lambda: _fit(HistGradientBoostingClassifier(max_iter=20), _iris),
    "histogram regression": lambda: _fit(HistGradientBoostingRegressor(max_iter=20), _diabetes),
    "svm without probabilities": lambda: _fit(make_pipeline(StandardScaler(), SVC()), _cancer),
    "calibrated svm": lambda: _fit(CalibratedClassifierCV(SVC(), cv=2), _iris),
    "support vector regression": lambda: _fit(SVR(), _diabetes),
    "nearest neighbours": lambda: _fit(KNeighborsClassifier(), _iris),
    "nearest neighbours, no names": _unnamed_knn,
    "neighbour regression": lambda: _fit(KNeighborsRegressor(), _diabetes),
    "naive bayes": lambda: _fit(GaussianNB(), _iris),
    "neural network": lambda: _fit(
        make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=500, learning_rate_init=0.02)),
        _iris,
    ),
    "gaussian process": lambda: _fit(GaussianProcessClassifier(), _iris),
    "gaussian process regression": lambda: _fit(
        GaussianProcessRegressor(alpha=1.0, optimizer=None), _diabetes
    ),
    "mixed pipeline": lambda: _fit(make_pipeline(_preprocessing(), LogisticRegression()), _mixed),
    "mixed pipeline, boosting": lambda: _fit(
        make_pipeline(_preprocessing(), GradientBoostingClassifier(n_estimators=20)), _mixed
    ),
    "grid search": lambda: _fit(_search(), _mixed),
    "stacking": lambda: _fit(_stack(), _iris),
    "voting": lambda: _fit(_vote(), _iris),
    "transformed target": lambda: _fit(
        TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1), _diabetes
    ),
    "two numbers out": _two_outputs,
    "two labels out": _two_labels,
    "isolation forest": lambda: _unsupervised(IsolationForest(random_state=0)),
    "one-class svm": lambda: _unsupervised(OneClassSVM(nu=0.1)),
    "local outlier factor": lambda: _unsupervised(LocalOutlierFactor(novelty=True)),
    "k-means": lambda: _unsupervised(KMeans(3, n_init=1, random_state=0)),
    "gaussian mixture": lambda: _unsupervised(GaussianMixture(3, random_state=0)),
}
"""Thirty-six kinds; each entry fits its model when called."""
