"""The number of columns is told by what an estimator learned, without the count of new versions."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, RobustScaler, StandardScaler
from sklearn.svm import SVC

from model_width import count_columns

X, Y = load_iris(return_X_y=True)


def without_count(fitted: Any) -> Any:
    """Return a copy that looks as scikit-learn 0.20 left it: nobody inside keeps a count."""
    old = copy.deepcopy(fitted)
    waiting, seen = [old], set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, list | tuple | np.ndarray):
            waiting += [each for each in part if not np.isscalar(each)]
        elif hasattr(part, "__dict__") and not isinstance(part, type):
            vars(part).pop("n_features_in_", None)
            waiting += [v for v in vars(part).values() if hasattr(v, "__dict__") or type(v) is list]
    return old


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(max_iter=500),
        LinearRegression(),
        GaussianNB(),
        MultinomialNB(),
        KNeighborsClassifier(),
        MLPClassifier(max_iter=20, hidden_layer_sizes=(3,), tol=1.0),
        SVC(),
        AdaBoostClassifier(GaussianNB(), n_estimators=2),
        CalibratedClassifierCV(GaussianNB(), cv=2),
        VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression(max_iter=500))]),
        StandardScaler(),
        MinMaxScaler(),
        RobustScaler(),
        SimpleImputer(),
        OneHotEncoder(),
        BaggingClassifier(make_pipeline(StandardScaler(), GaussianNB()), n_estimators=2),
    ],
    ids=lambda model: type(model).__name__,
)
def test_columns_are_counted_without_a_count(model: Any) -> None:
    """What was learned from four columns says so, as the versions before 0.24 leave it."""
    assert count_columns(without_count(model.fit(X, Y))) == 4


@pytest.mark.parametrize(
    "model", [RandomForestClassifier(2), GradientBoostingClassifier(n_estimators=2)]
)
def test_forests_of_old_versions_kept_another_count(model: Any) -> None:
    """Ensembles before 0.24 kept ``n_features_``."""
    old = without_count(model.fit(X, Y))
    vars(old)["n_features_"] = 4
    assert count_columns(old) == 4


def test_nothing_learned_counts_nothing() -> None:
    """An object that tells nothing has no columns rather than wrong ones."""
    assert count_columns(object()) == 0
    assert count_columns(LogisticRegression()) == 0
