"""Models that attack whoever reads their answers, and library models with forged insides."""

from __future__ import annotations

import copy
import os
import pickle
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import cloudpickle
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # a worker cannot import the tests

ESCAPES = "\x1b[2J\x1b]0;owned\x07<script>alert(1)</script>\u202egnp.exe\n::error::"
X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)
DATA_FD = 3


class Liar:
    """A regressor of three features that answers with whatever it was given to answer."""

    _estimator_type = "regressor"
    n_features_in_: Any = 3

    def __init__(self, answer: Callable[[Any], Any], **attributes: Any) -> None:
        self.answer = answer
        vars(self).update(attributes)

    def predict(self, rows: Any) -> Any:
        """Return the answer."""
        return self.answer(rows)

    def predict_proba(self, rows: Any) -> Any:
        """Return the answer too."""
        return self.answer(rows)


def lying_models() -> dict[str, bytes]:
    """Return models with code of their own whose answers attack the reader."""
    answers: dict[str, Callable[[Any], Any]] = {
        "garbage frames": lambda rows: os.write(DATA_FD, os.urandom(4096)),
        "header of 4 GB": lambda rows: os.write(DATA_FD, b"\xff\xff\xff\xff"),
        "header of brackets": lambda rows: os.write(DATA_FD, b"\0\x07\xa1\x20" + b"[" * 500_000),
        "array of 8 TB": lambda rows: os.write(DATA_FD, _huge_array()),
        "early goodbye": lambda rows: os._exit(0),
        "closed channel": lambda rows: os.close(DATA_FD),
        "not a number": lambda rows: np.full(len(rows), np.nan),
        "infinity": lambda rows: np.full(len(rows), np.inf),
        "largest number": lambda rows: np.resize([1.7e308, -1.7e308], len(rows)),
        "million columns": lambda rows: np.zeros((len(rows), 1_000_000)),
        "one row too many": lambda rows: np.zeros(len(rows) + 1),
        "no answer at all": lambda rows: None,
        "texts for numbers": lambda rows: [ESCAPES] * len(rows),
        "objects": lambda rows: [object()] * len(rows),
        "complex numbers": lambda rows: np.full(len(rows), 1j),
        "dates": lambda rows: np.full(len(rows), np.datetime64("2020")),
        "raises with escapes": _raises_with_escapes,
        "endless recursion": lambda rows: _recurse(),
        "floods its output": lambda rows: [os.write(2, ESCAPES.encode() * 100) for _ in range(500)],
        "floods with warnings": lambda rows: [
            warnings.warn(ESCAPES, stacklevel=2) for _ in range(10_000)
        ],
        "takes 50 GB": lambda rows: np.ones(50 << 27),
        "never ends": lambda rows: time.sleep(3600),
    }
    models = {name: Liar(answer) for name, answer in answers.items()}
    return {name: cloudpickle.dumps(model) for name, model in (models | _boasters()).items()}


def _boasters() -> dict[str, Any]:
    """Return models that lie about what they are."""
    zeros = _zeros
    names = np.array([f"x{i}" for i in range(1_000_000)], dtype=object)
    hostile_names = np.array([ESCAPES, "=cmd()|' /C calc'!A0", "../../etc/passwd"], dtype=object)
    classifier = {"_estimator_type": "classifier"}
    return {
        "million names": Liar(zeros, feature_names_in_=names, n_features_in_=1_000_000),
        "names with markup": Liar(zeros, feature_names_in_=hostile_names),
        "million classes": Liar(zeros, classes_=np.arange(1_000_000), **classifier),
        "classes with escapes": Liar(zeros, classes_=np.array([ESCAPES, "b"]), **classifier),
        "classes of objects": Liar(zeros, classes_=[object(), {}], **classifier),
        "billions of features": Liar(zeros, n_features_in_=10**12),
        "fewer than no features": Liar(zeros, n_features_in_=-1),
        "features by name": Liar(zeros, n_features_in_="three"),
        "representation that exits": _Bomb(zeros),
    }


def _zeros(rows: Any) -> Any:
    return np.zeros(len(rows))


class _Bomb(Liar):
    def __repr__(self) -> str:
        os._exit(0)

    def get_params(self, deep: bool = True) -> Any:
        """End the process."""
        os._exit(0)


def _huge_array() -> bytes:
    header = b'{"arrays": [{"name": "y_pred", "dtype": "f8", "shape": [1000000, 1000000]}]}'
    return len(header).to_bytes(4, "big") + header


def _raises_with_escapes(rows: Any) -> None:
    raise ValueError(ESCAPES * 100_000)


def _recurse() -> Any:
    return _recurse()


# ---------------------------------------------------------------- library classes, forged state


def forged_models() -> dict[str, bytes]:
    """Return models of library classes only, whose state no library would write."""
    linear, logistic = LinearRegression().fit(X, Y), LogisticRegression().fit(X, Y)
    million = np.array([f"x{i}" for i in range(1_000_000)])
    hostile_names = np.array([ESCAPES, "b", "=1+1"], dtype=object)
    forged = {
        "coefficients of NaN": _with(linear, coef_=np.full(3, np.nan)),
        "coefficients of infinity": _with(linear, coef_=np.full(3, np.inf)),
        "huge coefficients": _with(linear, coef_=np.full(3, 1.7e308)),
        "texts as coefficients": _with(linear, coef_=np.array([ESCAPES] * 3)),
        "too many coefficients": _with(linear, coef_=np.zeros(10_000_000)),
        "names with escapes": _with(linear, feature_names_in_=hostile_names),
        "million names of columns": _with(linear, feature_names_in_=million),
        "a billion features": _with(linear, n_features_in_=10**9),
        "classes with markup": _with(logistic, classes_=np.array([ESCAPES, "b"], dtype=object)),
        "no classes": _with(logistic, classes_=np.array([])),
        "million classes of numbers": _with(logistic, classes_=np.arange(1_000_000)),
        "function as method": _with(linear, predict=np.log1p),
        "class as method": _with(linear, predict=dict),
        "itself as a member": _cyclic(linear),
        "version with escapes": _with(linear, _sklearn_version=ESCAPES),
    }
    files = {name: pickle.dumps(model) for name, model in forged.items()}
    return files | _unsafe_models()


def _unsafe_models() -> dict[str, bytes]:
    """Return models whose compiled code reads or loops where it must not."""
    tree = DecisionTreeClassifier(random_state=0).fit(X, Y)
    boosted = HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=5).fit(X, Y)
    nodes = boosted._predictors[0][0].nodes
    endless = nodes.copy()
    endless["left"][0] = endless["right"][0] = 0
    far = nodes.copy()
    far["left"][0] = far["right"][0] = 1 << 30
    vectors = SVC().fit(X, Y)
    return {
        "tree of a far feature": _forged_tree(tree, "feature", 1 << 30),
        "tree that loops": _forged_tree(tree, "left_child", 0),
        "boosting that loops": pickle.dumps(_with_nodes(boosted, endless)),
        "boosting far away": pickle.dumps(_with_nodes(boosted, far)),
        "fewer vectors than told": pickle.dumps(
            _with(vectors, _n_support=np.array([1 << 30, 1 << 30], dtype=np.int32))
        ),
        "neighbours far away": pickle.dumps(
            _with(KNeighborsClassifier().fit(X, Y), _y=np.full(60, 1 << 40))
        ),
        "network of other sizes": pickle.dumps(
            _with(_network(), coefs_=[np.zeros((3, 1)), np.zeros((999_999, 1))])
        ),
    }


def _network() -> MLPClassifier:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MLPClassifier((2,), max_iter=3).fit(X, Y)


def _with(model: Any, **state: Any) -> Any:
    forged = copy.deepcopy(model)
    vars(forged).update(state)
    return forged


def _cyclic(model: Any) -> Any:
    forged = copy.deepcopy(model)
    forged.coef_ = [forged]
    forged.steps = [("again", forged)]
    return forged


def _with_nodes(model: Any, nodes: Any) -> Any:
    forged = copy.deepcopy(model)
    forged._predictors[0][0].nodes = nodes
    return forged


def _forged_tree(model: DecisionTreeClassifier, field: str, value: int) -> bytes:
    """Return a pickled tree with one wrong entry in the state of its compiled part."""
    callee, arguments, state = model.tree_.__reduce__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"][field][0] = value

    class Forged:
        def __reduce__(self) -> Any:
            return callee, arguments, state

    forged = copy.copy(model)
    forged.tree_ = Forged()
    return pickle.dumps(forged)
