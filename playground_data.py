"""Worlds to play with: data like the built-in examples, of any length, whose truth is known.

Owns: ``WORLDS``. Each draws inputs and knows the probability of every answer given the inputs, so
that drift of the inputs and drift of the truth can be told apart. The numbers below are the means,
covariances and least-squares weights of scikit-learn's iris and diabetes data (Fisher 1936; Efron
et al. 2004), rounded; a test holds them against the originals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

IRIS_COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
IRIS_CLASSES = ("setosa", "versicolor", "virginica")
IRIS_MEANS = np.array(
    [[5.006, 3.428, 1.462, 0.246], [5.936, 2.770, 4.260, 1.326], [6.588, 2.974, 5.552, 2.026]]
)
IRIS_COVARIANCE = np.array(
    [
        [0.2650, 0.0927, 0.1675, 0.0384],
        [0.0927, 0.1154, 0.0552, 0.0327],
        [0.1675, 0.0552, 0.1852, 0.0427],
        [0.0384, 0.0327, 0.0427, 0.0419],
    ]
)
"""Pooled within the classes."""

BODY_COLUMNS = ("age", "bmi", "blood_pressure", "log_triglycerides", "glucose")
BODY_MEANS = np.array([48.52, 26.38, 94.65, 4.641, 91.26])
BODY_STDS = np.array([13.11, 4.418, 13.83, 0.5224, 11.50])
BODY_CORRELATION = np.array(
    [
        [1.0, 0.1851, 0.3354, 0.2708, 0.3017],
        [0.1851, 1.0, 0.3954, 0.4462, 0.3887],
        [0.3354, 0.3954, 1.0, 0.3935, 0.3904],
        [0.2708, 0.4462, 0.3935, 1.0, 0.4647],
        [0.3017, 0.3887, 0.3904, 0.4647, 1.0],
    ]
)
FEMALE_SHARE = 0.468
PROGRESSION_MEAN = 158.4
PROGRESSION_WEIGHTS = np.array([-2.15, 27.94, 13.91, 25.75, 3.27])
"""Of the standardised columns above."""
PROGRESSION_OF_FEMALES = -13.3
PROGRESSION_NOISE = 55.1
PROGRESSION_MEDIAN = 140.5
WEIGHT_CLASSES = {"normal": 22.9, "overweight": 27.2, "obese": 32.8}
"""Mean body mass index of each class."""
LOGISTIC_SCALE = PROGRESSION_NOISE * np.sqrt(3) / np.pi
"""The logistic distribution of the same spread, so that a probability has a simple form."""


@dataclass(frozen=True)
class World:
    """Data without end.

    Parameters
    ----------
    id, title, description, target : str
        For people; ``target`` is what the model predicts.
    draw : callable
        (number of rows, generator) -> DataFrame of inputs without gaps.
    truth : callable
        Inputs -> probabilities of the classes, shape (n, k), or, without classes, the mean, (n,).
    main : str
        The numeric column that decides most; it is shown first and its unit may change.
    classes : tuple of str
        Possible answers; empty where a number is predicted.
    rare : str
        The class that a prior shift makes more frequent.
    gaps : dict of str to float
        Shares of missing values that are normal here.
    """

    id: str
    title: str
    description: str
    target: str
    draw: Callable[[int, np.random.Generator], pd.DataFrame]
    truth: Callable[[pd.DataFrame], Floats]
    main: str
    classes: tuple[str, ...] = ()
    rare: str = ""
    gaps: dict[str, float] = field(default_factory=dict)


def _draw_iris(n: int, rng: np.random.Generator) -> pd.DataFrame:
    kinds = rng.integers(0, len(IRIS_CLASSES), n)
    noise = rng.multivariate_normal(np.zeros(4), IRIS_COVARIANCE, n, method="cholesky")
    return pd.DataFrame(IRIS_MEANS[kinds] + noise, columns=list(IRIS_COLUMNS))


def _iris_truth(inputs: pd.DataFrame) -> Floats:
    """Return the probabilities of the classes by Bayes' rule, all equally frequent."""
    values = inputs[list(IRIS_COLUMNS)].to_numpy(dtype=np.float64)
    weights = np.linalg.solve(IRIS_COVARIANCE, IRIS_MEANS.T)
    return softmax(values @ weights - 0.5 * np.einsum("kc,ck->k", IRIS_MEANS, weights))


def _draw_bodies(n: int, rng: np.random.Generator) -> pd.DataFrame:
    scores = rng.multivariate_normal(np.zeros(5), BODY_CORRELATION, n, method="cholesky")
    frame = pd.DataFrame(BODY_MEANS + scores * BODY_STDS, columns=list(BODY_COLUMNS))
    is_female = rng.random(n) < FEMALE_SHARE
    return frame.assign(sex=np.where(is_female, "female", "male"))


def _draw_clinic(n: int, rng: np.random.Generator) -> pd.DataFrame:
    bodies = _draw_bodies(n, rng)
    cut = pd.cut(bodies["bmi"], [-np.inf, 25, 30, np.inf], labels=list(WEIGHT_CLASSES))
    weight = cut.astype(str)
    return bodies.drop(columns="bmi").assign(weight_class=weight)


def _progression(inputs: pd.DataFrame) -> Floats:
    """Return the expected progression of the disease."""
    frame = inputs
    if "bmi" not in inputs:
        frame = inputs.assign(bmi=inputs["weight_class"].map(WEIGHT_CLASSES).astype(np.float64))
    values = frame[list(BODY_COLUMNS)].to_numpy(dtype=np.float64)
    linear = (values - BODY_MEANS) / BODY_STDS @ PROGRESSION_WEIGHTS
    female = (frame["sex"] == "female").to_numpy() * PROGRESSION_OF_FEMALES
    return np.asarray(PROGRESSION_MEAN + linear + female)


def _clinic_truth(inputs: pd.DataFrame) -> Floats:
    """Return the probabilities of ``no`` and ``yes``: progression above the median."""
    excess = (_progression(inputs) - PROGRESSION_MEDIAN) / LOGISTIC_SCALE
    return softmax(np.column_stack([np.zeros(len(excess)), excess]))


def softmax(scores: Floats) -> Floats:
    """Return probabilities from log-odds, row by row, shape (n, k).

    Examples
    --------
    >>> softmax(np.array([[0.0, 0.0], [np.log(3.0), 0.0]])).round(2).tolist()
    [[0.5, 0.5], [0.75, 0.25]]
    """
    parts = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(parts / parts.sum(axis=1, keepdims=True))


WORLDS: tuple[World, ...] = (
    World(
        "clinic",
        "Clinic records",
        "Will the disease progress fast? Numbers, categories and gaps.",
        "fast_progression",
        _draw_clinic,
        _clinic_truth,
        "log_triglycerides",
        ("no", "yes"),
        "yes",
        {"blood_pressure": 0.05, "glucose": 0.12},
    ),
    World(
        "iris",
        "Iris flowers",
        "Which of three species? Four measurements.",
        "species",
        _draw_iris,
        _iris_truth,
        "petal_length",
        IRIS_CLASSES,
        "virginica",
    ),
    World(
        "diabetes",
        "Diabetes progression",
        "How far will the disease progress? A number from six columns.",
        "progression",
        _draw_bodies,
        _progression,
        "bmi",
    ),
)


def world_by_id(world_id: str) -> World:
    """Return the world called ``world_id``; raises KeyError for an unknown one.

    Examples
    --------
    >>> [world.id for world in WORLDS]
    ['clinic', 'iris', 'diabetes']
    """
    return {world.id: world for world in WORLDS}[world_id]
