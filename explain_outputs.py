"""Which numbers of a model are explained, and what they are called.

Owns: ``OutputView``, the one reading of ``Predictions`` as a table (rows, outputs) with names and
a space: probabilities where the model has them (binary: the positive class alone), else its
decision score, else the number it predicts, else 0/1 per predicted label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from base_types import Label
from model_types import ModelInfo, Predictions, Task, class_names

Floats = NDArray[np.float64]
Source = Literal["proba", "score", "pred", "label"]
Space = Literal[
    "probability",
    "log-odds",
    "score",
    "prediction",
    "log(prediction)",
    "path length",
    "label indicator",
]

_SPACES: dict[Source, Space] = {
    "proba": "probability",
    "score": "score",
    "pred": "prediction",
    "label": "label indicator",
}


@dataclass(frozen=True, slots=True)
class OutputView:
    """How predictions become the explained table.

    Parameters
    ----------
    source : str
        Which part of the predictions is read.
    names : tuple of str
        One per output.
    column : int or None
        The only column taken, for a binary model with one column per class.
    negate : bool
        Whether a single score belongs to the other class than the explained one.
    labels : tuple of (int, label)
        For ``label``: column of ``y_pred`` and label of each output.
    """

    source: Source
    names: tuple[str, ...]
    column: int | None = None
    negate: bool = False
    labels: tuple[tuple[int, Label], ...] = ()

    @property
    def space(self) -> Space:
        """Name of the unit."""
        return _SPACES[self.source]

    def read(self, predictions: Predictions) -> Floats:
        """Return the explained numbers, shape (n, outputs)."""
        if self.source == "label":
            table = _two_dimensional(predictions.y_pred)
            return np.column_stack([table[:, at] == label for at, label in self.labels]) * 1.0
        table = part_of(predictions, self.source)
        if self.column is not None:
            return table[:, [self.column]]
        return -table if self.negate else table


def part_of(predictions: Predictions, source: str) -> Floats:
    """Return ``y_proba``, ``y_score`` or ``y_pred`` as a float table (n, outputs)."""
    parts = {
        "proba": predictions.y_proba,
        "score": predictions.y_score,
        "pred": predictions.y_pred,
    }
    return _two_dimensional(np.asarray(parts[source])).astype(np.float64)


def _two_dimensional(values: NDArray[Any]) -> NDArray[Any]:
    return values.reshape(-1, 1) if values.ndim == 1 else values


def choose_view(
    info: ModelInfo, sample: Predictions, positive_class: str | None = None
) -> OutputView:
    """Return the view of a model from what it answered for a few rows.

    Parameters
    ----------
    info : ModelInfo
    sample : Predictions
        Shows which parts the model answers and of which width.
    positive_class : str, optional
        Binary models: the class to explain; by default the second one.
    """
    if sample.y_proba is not None:
        return _proba_view(info, part_of(sample, "proba").shape[1], positive_class)
    if sample.y_score is not None:
        view = _score_view(info, part_of(sample, "score").shape[1], positive_class)
        if view is not None:
            return view
    if info.task is Task.REGRESSION:
        width = part_of(sample, "pred").shape[1]
        return OutputView("pred", output_names(info, width))
    return _label_view(info, sample, positive_class)


def positive_index(info: ModelInfo, positive_class: str | None) -> int:
    """Return which of two classes is explained: the named one, else the second.

    Examples
    --------
    >>> info = ModelInfo(task=Task.BINARY, estimator="E", classes=["no", "yes"])
    >>> positive_index(info, "no"), positive_index(info, None)
    (0, 1)
    """
    names = class_names(info.classes or [])
    return names.index(positive_class) if positive_class in names else 1


def output_names(info: ModelInfo, width: int, positive_class: str | None = None) -> tuple[str, ...]:
    """Return the names of ``width`` outputs: classes, labels or targets."""
    classes = class_names(info.classes or [])
    if width == 1 and len(classes) == 2:
        return (classes[positive_index(info, positive_class)],)
    if width == len(classes):
        return tuple(classes)
    if width == len(info.output_names):
        return tuple(info.output_names)
    if width == 1:
        return ("score" if info.task is Task.OUTLIER else "prediction",)
    return tuple(f"output_{number}" for number in range(width))


def _proba_view(info: ModelInfo, width: int, positive_class: str | None) -> OutputView:
    if info.task is Task.BINARY and width == 2:
        names = output_names(info, 1, positive_class)
        return OutputView("proba", names, column=positive_index(info, positive_class))
    return OutputView("proba", output_names(info, width, positive_class))


def _score_view(info: ModelInfo, width: int, positive_class: str | None) -> OutputView | None:
    """Return the view of a decision score; None for scores of pairs of classes."""
    if info.task is Task.BINARY and width == 1:
        names = output_names(info, 1, positive_class)
        negate = positive_index(info, positive_class) == 0
        return OutputView("score", names, negate=negate)
    if info.task is Task.MULTICLASS and width != len(info.classes or []):
        return None
    return OutputView("score", output_names(info, width))


def _label_view(info: ModelInfo, sample: Predictions, positive_class: str | None) -> OutputView:
    """Return one 0/1 output per label; for two labels per column only the second one."""
    table = _two_dimensional(sample.y_pred)
    if info.task is Task.BINARY and info.classes is not None and len(info.classes) == 2:
        label = info.classes[positive_index(info, positive_class)]
        return OutputView("label", (str(label),), labels=((0, label),))
    labels: list[tuple[int, Label]] = []
    names: list[str] = []
    for at in range(table.shape[1]):
        own = _labels_of(info, table, at)
        own = own[1:] if info.task is Task.MULTILABEL and len(own) == 2 else own
        labels += [(at, label) for label in own]
        names += [_label_name(info, table.shape[1], at, label) for label in own]
    return OutputView("label", tuple(names), labels=tuple(labels))


def _labels_of(info: ModelInfo, table: NDArray[Any], at: int) -> list[Label]:
    """Return the labels of one output, known from the model or seen in its answers."""
    if info.output_classes and at < len(info.output_classes):
        return list(info.output_classes[at])
    if table.shape[1] == 1 and info.classes:
        return list(info.classes)
    return [label.item() for label in np.unique(table[:, at])]


def _label_name(info: ModelInfo, width: int, at: int, label: Label) -> str:
    """Return the display name of one label of one output."""
    if info.task is Task.OUTLIER:
        return "inlier" if label == 1 else "outlier"
    if info.task is Task.CLUSTERING:
        return f"cluster {label}"
    if width == 1:
        return str(label)
    name = info.output_names[at] if at < len(info.output_names) else f"output_{at}"
    return name if info.task is Task.MULTILABEL else f"{name} = {label}"
