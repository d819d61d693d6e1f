"""Which numbers are explained, for every kind of answer a model gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from explain_outputs import choose_view, output_names
from model_types import ModelInfo, Predictions, Task

LABELS = np.array(["no", "yes", "no"])
PROBA = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
SCORE = np.array([-1.0, 2.0, -0.5])


def info(task: Task, **facts: Any) -> ModelInfo:
    return ModelInfo(task=task, estimator="E", **facts)


YES_NO = info(Task.BINARY, classes=["no", "yes"])


def test_binary_probability_is_that_of_the_second_class() -> None:
    """One output, named after the positive class."""
    view = choose_view(YES_NO, Predictions(LABELS, PROBA))
    assert (view.names, view.space) == (("yes",), "probability")
    assert view.read(Predictions(LABELS, PROBA))[:, 0].tolist() == [0.1, 0.8, 0.4]


@pytest.mark.parametrize(
    ("predictions", "expected"),
    [
        (Predictions(LABELS, PROBA), [0.9, 0.2, 0.6]),
        (Predictions(LABELS, None, SCORE), [1.0, -2.0, 0.5]),
        (Predictions(LABELS), [1.0, 0.0, 1.0]),
    ],
    ids=["probability", "score", "label"],
)
def test_the_first_class_can_be_the_positive_one(
    predictions: Predictions, expected: list[float]
) -> None:
    """Naming the first class takes its column, turns the score or marks its label."""
    view = choose_view(YES_NO, predictions, "no")
    assert view.names == ("no",)
    assert view.read(predictions)[:, 0].tolist() == expected


@pytest.mark.parametrize(
    ("model", "predictions", "space", "names"),
    [
        (
            info(Task.MULTICLASS, classes=["a", "b", "c"]),
            Predictions(LABELS, np.eye(3)),
            "probability",
            ("a", "b", "c"),
        ),
        (
            info(Task.MULTICLASS, classes=["a", "b", "c", "d"]),
            Predictions(np.array(["a", "b", "a"]), None, np.zeros((3, 6))),
            "label indicator",
            ("a", "b", "c", "d"),
        ),
        (
            info(Task.MULTILABEL, output_names=["red", "big"], output_classes=[[0, 1], [0, 1]]),
            Predictions(np.array([[0, 1], [1, 1]])),
            "label indicator",
            ("red", "big"),
        ),
        (
            info(
                Task.MULTIOUTPUT,
                output_names=["colour", "size"],
                output_classes=[["red", "blue"], [1, 2]],
            ),
            Predictions(np.array([["red", 1], ["blue", 2]], dtype=object)),
            "label indicator",
            ("colour = red", "colour = blue", "size = 1", "size = 2"),
        ),
        (info(Task.REGRESSION), Predictions(np.zeros(3)), "prediction", ("prediction",)),
        (
            info(Task.REGRESSION, output_names=["low", "high"]),
            Predictions(np.zeros((3, 2))),
            "prediction",
            ("low", "high"),
        ),
        (info(Task.OUTLIER), Predictions(np.ones(3), None, SCORE), "score", ("score",)),
        (
            info(Task.OUTLIER),
            Predictions(np.array([1, -1])),
            "label indicator",
            ("outlier", "inlier"),
        ),
        (
            info(Task.CLUSTERING),
            Predictions(np.array([0, 2, 0])),
            "label indicator",
            ("cluster 0", "cluster 2"),
        ),
    ],
)
def test_space_and_names(
    model: ModelInfo, predictions: Predictions, space: str, names: tuple[str, ...]
) -> None:
    """Each kind of answer has its space, and each output its name."""
    view = choose_view(model, predictions)
    assert (view.space, view.names) == (space, names)
    assert view.read(predictions).shape == (len(predictions.y_pred), len(names))


def test_label_indicator_marks_the_predicted_label() -> None:
    """The output of a label is 1 where it is predicted, else 0."""
    predictions = Predictions(np.array([["red", 1], ["blue", 2]], dtype=object))
    model = info(
        Task.MULTIOUTPUT, output_names=["c", "s"], output_classes=[["red", "blue"], [1, 2]]
    )
    view = choose_view(model, predictions)
    assert view.read(predictions).tolist() == [[1, 0, 1, 0], [0, 1, 0, 1]]


def test_unknown_outputs_are_numbered() -> None:
    """Without names from the model the outputs are counted."""
    assert output_names(info(Task.REGRESSION), 2) == ("output_0", "output_1")
