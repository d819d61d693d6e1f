"""The tables and targets of the zoo of fitted models, and what a model itself answers.

Owns: ``Kind`` (one line of the zoo), ``fitted`` (its model and table) and ``explained_numbers``
(the numbers a model itself gives for an explained space).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import multiclass
from sklearn.ensemble._iforest import _average_path_length

Floats = NDArray[np.float64]

N_ROWS = 120


@dataclass(frozen=True)
class Kind:
    """One line of the zoo.

    Parameters
    ----------
    name : str
    model : estimator, not fitted
    target : str
        Column of ``targets``; ``none`` for models fitted without one.
    route : str
        Which must explain it.
    table : str
        ``numeric``, ``positive``, ``gaps``, ``mixed``, ``native`` (categories), ``words`` or
        ``codes`` (categories, one of them as whole numbers).
    fit : callable, optional
        How to fit it, where ``model.fit(table, target)`` is not the way.
    """

    name: str
    model: Any
    target: str
    route: str
    table: str = "numeric"
    fit: Callable[[Any, pd.DataFrame, Any], Any] | None = None


@cache
def tables() -> dict[str, pd.DataFrame]:
    """Return four columns of ten values or so, alone, positive, with gaps and mixed."""
    rng = np.random.default_rng(7)
    numeric = pd.DataFrame(rng.normal(size=(N_ROWS, 4)).round(1), columns=list("abcd"))
    mixed = numeric[["a", "b"]].copy()
    mixed.loc[::7, "a"] = np.nan
    mixed["city"] = pd.Series(rng.choice(["bern", "oslo", "rome"], N_ROWS), dtype="str")
    mixed["open"] = rng.random(N_ROWS) < 0.5
    size = pd.Categorical(rng.choice(["s", "m", "l"], N_ROWS), ["s", "m", "l"], ordered=True)
    mixed["size"] = size
    native = mixed.assign(city=mixed["city"].astype("category"))
    words = mixed.assign(size=mixed["size"].astype("str"))
    gaps = numeric.mask(rng.random(numeric.shape) < 0.1)
    return {
        "numeric": numeric,
        "positive": numeric.abs(),
        "gaps": gaps,
        "mixed": mixed,
        "native": native,
        "words": words,
        "codes": native.drop(columns="size").assign(floor=rng.integers(0, 6, N_ROWS)),
    }


def targets(table: pd.DataFrame) -> dict[str, Any]:
    """Return targets of every kind that interact in the first two columns."""
    a, b = table["a"].fillna(0).to_numpy(), table["b"].fillna(0).to_numpy()
    number = a + b * a + b**2
    return {
        "yes": np.where(number > np.median(number), "yes", "no"),
        "flag": (number > np.median(number)).astype(int),
        "three": np.digitize(number, np.quantile(number, [0.3, 0.7])),
        "number": number,
        "positive": np.exp(number / 3),
        "count": np.random.default_rng(0).poisson(np.exp(np.clip(number, -3, 3) / 3)),
        "labels": np.column_stack([number > 0.5, a > 0]).astype(int),
        "threes": np.column_stack([np.digitize(number, [0, 1]), np.digitize(a, [0, 0.5])]),
        "numbers": np.column_stack([number, a * 3]),
        "none": None,
        "odd": table["floor"] % 2 if "floor" in table else None,
        "xor": (table["city"] == "oslo") ^ (table["size"] == "m") if "size" in table else None,
    }


def fitted(kind: Kind) -> tuple[Any, pd.DataFrame]:
    """Return the fitted model of a kind and its table."""
    table = tables()[kind.table]
    target = targets(table)[kind.target]
    if kind.fit is not None:
        return kind.fit(kind.model, table, target), table
    model = kind.model.fit(table) if target is None else kind.model.fit(table, target)
    return model, table


def explained_numbers(model: Any, frame: pd.DataFrame, space: str) -> Floats:
    """Return what a model itself gives in a space, (n, outputs).

    Log-odds of several classes are known up to a shift per row, so they are returned with mean
    zero over the classes.
    """
    if space == "path length":  # the score undone, with what 120 rows a tree take on average
        return isolation_lengths(model, frame)
    answers = {"prediction": "predict", "log(prediction)": "predict", "score": "decision_function"}
    if space in answers:
        numbers = np.asarray(getattr(model, answers[space])(frame), dtype=float)
        return np.log(numbers) if space == "log(prediction)" else numbers
    chances = _chances(model, frame)
    if space == "probability":
        return chances
    if isinstance(model, multiclass.OneVsRestClassifier):  # a sigmoid per class
        return centred(model.decision_function(frame))
    if chances.shape[1] > 1 and of_one_label(model, frame):
        return centred(np.log(chances))
    return np.asarray(np.log(chances) - np.log1p(-chances), dtype=float)


def isolation_lengths(model: Any, frame: pd.DataFrame) -> Floats:
    """Return mean path lengths from scores, with scikit-learn's own average path length."""
    usual = _average_path_length(np.array([model.max_samples_]))[0]
    return np.asarray(-usual * np.log2(-model.score_samples(frame)), dtype=float)


def _chances(model: Any, frame: pd.DataFrame) -> Floats:
    """Return P(class), of two classes and of labels that of the second."""
    chances = model.predict_proba(frame)
    if isinstance(chances, list):
        chances = np.column_stack([part[:, 1] for part in chances])
    elif chances.shape[1] == 2 and of_one_label(model, frame):
        chances = chances[:, 1:]
    return np.asarray(chances, dtype=float)


def of_one_label(model: Any, frame: pd.DataFrame) -> bool:
    """Tell whether a model predicts one label per row."""
    return np.asarray(model.predict(frame.iloc[:1])).size == 1


def centred(table: Floats) -> Floats:
    """Return values whose outputs, the last axis, have mean zero."""
    return np.asarray(table - table.mean(axis=-1, keepdims=True), dtype=float)
