"""How right a model is where labels exist, and what it predicts where not.

Owns: ``evaluate_quality``, the one way to a ``QualitySection``, and the way from a model's task to
the metrics that suit it. Predictions are made once, elsewhere, and passed in; labels never reach
the model.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import slices
from bootstrap import FloatArray
from classification_quality import (
    describe_predictions,
    evaluate_classes,
    outlier_labels,
    outlier_predictions,
)
from errors import DataError
from histograms import number_histogram, value_histogram
from metric_names import REGRESSION_METRICS, undefined_metrics
from model_types import ModelInfo, Predictions, Task
from output_metrics import clustering_metrics
from output_quality import Targets, answers_several, evaluate_outputs, positive_counts
from quality_details import residual_trends
from quality_types import QualityDetails
from regression_metrics import regression_metrics
from report_types import QualitySection, RunConfig

MAX_PAIRS = 1000
"""Points of the predicted-against-actual chart."""

Progress = Callable[[float, str], None]

EMPTY_LABELS = (
    "Every label of the tested rows is missing: fill in the target column to learn how right the "
    "model is."
)
NO_LABELS = (
    "There are no labels, so nothing is known about how right the model is: give a sample with "
    "the target column and name it to see metrics, curves and weak parts."
)


def evaluate_quality(
    predictions: Predictions,
    info: ModelInfo,
    frame: pd.DataFrame,
    y_true: Targets | None,
    *,
    config: RunConfig,
    labels_from: str | None,
    weights: FloatArray | None = None,
    progress: Progress | None = None,
) -> QualitySection:
    """Compare predictions with labels, or describe them where there are none.

    Parameters
    ----------
    predictions : Predictions
        For the rows of ``frame``, in order.
    info : ModelInfo
        Decides by its task which metrics apply.
    frame : DataFrame, shape (n, n_features)
        The model's input, searched for weak parts.
    y_true : Series of shape (n,), DataFrame of shape (n, n_outputs), or None
        Labels of any type, matched with the model's classes by value. A model with several outputs
        needs a DataFrame, in the order of ``info.output_names``.
    config : RunConfig
        ``n_resamples``, ``seed`` and ``positive_class`` are used.
    labels_from : str or None
        Where the labels are from, for the reader.
    weights : ndarray of float, shape (n,), optional
        What each row counts for in metrics, curves and calibration; finite, >= 0, not all 0.
    progress : callable, optional
        Called with (fraction, message); may raise to cancel.

    Returns
    -------
    QualitySection
        Every number that could not be computed is None beside a reason.

    Raises
    ------
    DataError
        When predictions, rows and labels differ in number.
    """
    tell = progress or _silent
    tell(0.0, "Comparing predictions with labels")
    _check_lengths(predictions, frame, y_true)
    section = QualitySection(n_rows=len(frame))
    _describe(section, predictions, info)
    if y_true is None or len(y_true) == 0 or bool(np.all(y_true.isna())):
        section.notes.append(NO_LABELS if y_true is None or len(y_true) == 0 else EMPTY_LABELS)
    else:
        section.has_labels, section.labels_from = True, labels_from
        loss = _evaluate(section, predictions, info, y_true, config, weights)
        tell(0.8, "Looking for weak parts")
        if loss is not None:
            rows, worth = _compared(loss, weights)
            section.slices, section.slices_note = slices.find_slices(
                frame.iloc[rows],
                loss[rows],
                metric="mean_absolute_error" if info.task is Task.REGRESSION else "accuracy",
                seed=config.seed,
                weights=worth,
            )
            _find_trends(section, predictions, frame, y_true, info)
        if weights is not None:
            _tell_weights(section, info)
    tell(1.0, "Quality measured")
    return section


def _silent(fraction: float, message: str) -> None:
    """Stand in for a missing progress callback."""


def _check_lengths(predictions: Predictions, frame: pd.DataFrame, y_true: Targets | None) -> None:
    """Refuse tables whose rows cannot belong together."""
    n = len(frame)
    if len(predictions.y_pred) != n:
        message = f"There are {len(predictions.y_pred):,} predictions for {n:,} rows."
        raise DataError(message)
    if y_true is not None and len(y_true) != n:
        message = f"There are {len(y_true):,} labels for {n:,} rows; give one label per row."
        raise DataError(message)


def _describe(section: QualitySection, predictions: Predictions, info: ModelInfo) -> None:
    """Fill what needs no labels."""
    y_pred = predictions.y_pred
    if info.task.is_classification:
        describe_predictions(section, predictions, info)
    elif info.task is Task.REGRESSION:
        section.prediction_distribution = number_histogram(y_pred)
    elif y_pred.ndim == 1:
        section.prediction_distribution = value_histogram(y_pred)
    else:
        section.prediction_distribution = positive_counts(y_pred, info)


def _evaluate(
    section: QualitySection,
    predictions: Predictions,
    info: ModelInfo,
    y_true: Targets,
    config: RunConfig,
    weights: FloatArray | None,
) -> FloatArray | None:
    """Fill the metrics that suit the task; return the loss per row where slices make sense."""
    if answers_several(predictions, info):
        return evaluate_outputs(section, predictions, info, y_true, config, weights)
    labels = y_true.iloc[:, 0] if isinstance(y_true, pd.DataFrame) else y_true
    missing = int(labels.isna().sum())
    if missing:
        section.notes.append(f"{missing:,} of {len(labels):,} rows have no label: left out.")
    if info.task is Task.REGRESSION:
        return _evaluate_numbers(section, predictions.y_pred, labels, config, weights)
    if info.task is Task.CLUSTERING:
        _evaluate_clusters(section, predictions, labels)
        return None
    if info.task is Task.OUTLIER:
        return _evaluate_outliers(section, predictions, info, labels, config, weights)
    return evaluate_classes(section, predictions, info, labels, config, weights)


def _compared(
    loss: FloatArray, weights: FloatArray | None
) -> tuple[NDArray[np.int64], FloatArray | None]:
    """Return the rows that could be compared and count for something, and their weights."""
    if weights is None:
        return np.flatnonzero(np.isfinite(loss)), None
    rows = np.flatnonzero(np.isfinite(loss) & (weights > 0))
    return rows, weights[rows]


def _tell_weights(section: QualitySection, info: ModelInfo) -> None:
    """Say what the weights of rows are used for."""
    if info.task is Task.CLUSTERING:
        section.notes.append("Agreement of clusters counts pairs of rows: weights are not used.")
        return
    alike = "numbers of rows and histograms"
    if info.task is Task.REGRESSION:
        alike = "numbers of rows, histograms and the trends of residuals"
    section.notes.append(f"Every figure of quality weighs each row; {alike} count rows alike.")


# --- tasks -----------------------------------------------------------------------------------


def _find_trends(
    section: QualitySection,
    predictions: Predictions,
    frame: pd.DataFrame,
    y_true: Targets,
    info: ModelInfo,
) -> None:
    """Look for what the residuals of a regression with one output depend on."""
    if info.task is not Task.REGRESSION or not isinstance(y_true, pd.Series):
        return  # the residuals of several outputs have several units
    y_pred = np.ravel(predictions.y_pred).astype(np.float64)
    residual = _difference(_numbers(y_true), y_pred)
    section.details = QualityDetails(residuals=residual_trends(frame, y_pred, residual))


def _evaluate_numbers(
    section: QualitySection,
    y_pred: NDArray[np.generic],
    labels: pd.Series,
    config: RunConfig,
    weights: FloatArray | None,
) -> FloatArray | None:
    """Fill the metrics and charts of a regression; return absolute errors, NaN where unknown."""
    y_true = _numbers(labels)
    section.actual_distribution = number_histogram(y_true)
    reason = _why_no_numbers(y_true, y_pred)
    if reason is not None:
        section.metrics = undefined_metrics(REGRESSION_METRICS, reason)
        section.notes.append(reason)
        return None
    answers = np.ravel(y_pred).astype(np.float64)
    residual = _difference(y_true, answers)
    comparable = np.isfinite(residual)
    rows = np.flatnonzero(comparable if weights is None else comparable & (weights > 0))
    left_out = int(labels.notna().sum()) - int(comparable.sum())
    if left_out:
        section.notes.append(
            f"{left_out:,} labelled rows are left out: the label or the prediction is not a "
            "finite number."
        )
    section.metrics = regression_metrics(
        y_true[rows],
        answers[rows],
        n_resamples=config.n_resamples,
        rng=np.random.default_rng(config.seed),
        weights=None if weights is None else weights[rows],
    )
    section.residuals = number_histogram(residual[rows])
    shown = np.sort(np.random.default_rng(config.seed).permutation(rows)[:MAX_PAIRS])
    section.predicted_vs_actual = [
        (float(true), float(answer))
        for true, answer in zip(y_true[shown], answers[shown], strict=True)
    ]
    return np.abs(residual)


def _numbers(labels: pd.Series) -> FloatArray:
    """Return labels as numbers, NaN where they are none."""
    return pd.to_numeric(labels, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def _difference(y_true: FloatArray, y_pred: FloatArray) -> FloatArray:
    """Return residuals, not finite where a label or an answer is not."""
    with np.errstate(invalid="ignore", over="ignore"):
        residual: FloatArray = y_true - y_pred
    return residual


def _why_no_numbers(y_true: FloatArray, y_pred: NDArray[np.generic]) -> str | None:
    """Return why a regression cannot be compared with its labels, or None when it can."""
    if not np.isfinite(y_true).any():
        return (
            "No label is a finite number, but the model predicts numbers: write them plainly, "
            "such as 1234.5, or name the right column."
        )
    if not np.isfinite(_difference(y_true, np.ravel(y_pred).astype(np.float64))).any():
        return "No labelled row has a finite prediction."
    return None


def _evaluate_outliers(
    section: QualitySection,
    predictions: Predictions,
    info: ModelInfo,
    labels: pd.Series,
    config: RunConfig,
    weights: FloatArray | None,
) -> FloatArray | None:
    """Compare an outlier detector with labels -1/1 or 0/1, as a classifier of two classes."""
    words = outlier_labels(labels)
    if words is None:
        section.actual_distribution = value_histogram(labels.dropna().to_numpy())
        section.notes.append(
            "The labels are neither -1/1 nor 0/1, so they do not say which rows are outliers."
        )
        return None
    section.notes.append(
        "An outlier detector never saw labels; it is scored as a classifier whose positive class "
        "is 'outlier' (label -1 of -1/1, or 1 of 0/1)."
    )
    as_classes, described = outlier_predictions(predictions, info)
    plain = config.model_copy(update={"positive_class": None})
    return evaluate_classes(section, as_classes, described, words, plain, weights)


def _evaluate_clusters(
    section: QualitySection, predictions: Predictions, labels: pd.Series
) -> None:
    """Compare clusters with labels."""
    codes, names = pd.factorize(labels.astype(object))
    _, clusters = np.unique(predictions.y_pred, return_inverse=True)
    rows = np.flatnonzero(codes >= 0)
    section.actual_distribution = value_histogram(np.asarray(names)[codes[rows]])
    section.metrics = clustering_metrics(codes[rows].astype(np.int64), np.ravel(clusters)[rows])
    section.notes.append(
        "A clustering has no right answer: its metrics say how well the clusters agree with the "
        f"{len(names):,} labels, not how accurate they are."
    )
