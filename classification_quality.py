"""The quality section of a classifier with one output, and of an outlier detector with labels.

Owns: how labels, predictions and probabilities become ``Labelled`` rows, and which parts of the
section they fill. The arithmetic lives in ``label_metrics``, ``score_metrics`` and
``probability_curves``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from base_types import Label
from bootstrap import FloatArray
from histograms import label_histogram, number_histogram
from label_metrics import (
    Labelled,
    class_table,
    confusion_matrix,
    label_metrics,
    weighted_confusion,
)
from labels import MatchedLabels, match_labels, name_labels
from metric_names import LABEL_METRICS, SCORE_METRICS, undefined_metrics
from model_types import ModelInfo, Predictions, Task
from probability_curves import MAX_CURVES, calibration, ranking_curves, threshold_table
from quality_details import cheapest_threshold, gain_table, spiegelhalter
from quality_types import QualityDetails
from report_types import QualitySection, RunConfig
from score_metrics import score_metrics, why_no_losses, why_no_ranking

MAX_CONFUSION_LABELS = 100
"""More labels than this get no confusion matrix: nobody can read it."""

OUTLIER_CLASSES: list[Label] = ["inlier", "outlier"]

CONFIDENCE_EDGES = np.linspace(0.0, 1.0, 21)


def predicted_labels(
    predictions: Predictions, info: ModelInfo
) -> tuple[MatchedLabels, list[Label]]:
    """Return predicted labels as positions, and the classes they refer to.

    Labels the model predicts without having named them join its classes at the end.

    Parameters
    ----------
    predictions : Predictions
        ``y_pred`` of shape (n,).
    info : ModelInfo
    """
    classes: list[Label] = list(info.classes or [])
    matched = match_labels(predictions.y_pred, classes)
    if matched.unknown:
        classes += sorted(matched.unknown)
        matched = match_labels(predictions.y_pred, classes)
    return matched, classes


def class_scores(predictions: Predictions, n_classes: int) -> tuple[FloatArray | None, bool]:
    """Return one column of scores per class, and whether they are probabilities.

    Parameters
    ----------
    predictions : Predictions
    n_classes : int
        Answers with another number of columns are of no use and give None.
    """
    if predictions.y_proba is not None:
        usable = predictions.y_proba.ndim == 2 and predictions.y_proba.shape[1] == n_classes
        return (np.asarray(predictions.y_proba, dtype=np.float64) if usable else None), True
    score = predictions.y_score
    if score is not None and score.ndim == 1 and n_classes == 2:
        return np.column_stack([-score, score]).astype(np.float64), False
    if score is not None and score.ndim == 2 and score.shape[1] == n_classes:
        return np.asarray(score, dtype=np.float64), False
    return None, False


def describe_predictions(
    section: QualitySection, predictions: Predictions, info: ModelInfo
) -> None:
    """Fill what needs no labels: classes, distribution of predictions and of the confidence."""
    matched, classes = predicted_labels(predictions, info)
    section.classes = [str(label) for label in classes]
    section.prediction_distribution = label_histogram(matched.codes, matched.labels)
    scores, is_probability = class_scores(predictions, len(classes))
    if scores is not None and is_probability:
        section.confidence_distribution = number_histogram(
            scores.max(axis=1), edges=CONFIDENCE_EDGES
        )


def evaluate_classes(
    section: QualitySection,
    predictions: Predictions,
    info: ModelInfo,
    y_true: pd.Series,
    config: RunConfig,
    weights: FloatArray | None = None,
) -> NDArray[np.float64] | None:
    """Fill metrics, tables and curves of a classifier.

    Parameters
    ----------
    section : QualitySection
        Filled in place.
    predictions : Predictions
        For the rows of ``y_true``, shape (n,).
    info : ModelInfo
    y_true : Series, shape (n,)
        Labels of any type; missing ones are left out.
    config : RunConfig
        ``positive_class``, ``n_resamples`` and ``seed`` are used.
    weights : ndarray of float, shape (n,), optional
        What each row counts for; rows of weight 0 are left out.

    Returns
    -------
    ndarray of float, shape (n,), or None
        0/1 error per row, NaN without label; None when nothing could be compared.
    """
    predicted, classes = predicted_labels(predictions, info)
    true = match_labels(y_true, classes)
    section.actual_distribution = label_histogram(true.codes, true.labels)
    worth = np.ones(len(y_true)) if weights is None else weights
    rows = np.flatnonzero((true.codes >= 0) & (predicted.codes >= 0) & (worth > 0))
    reason = _why_nothing_matches(true, [str(label) for label in classes])
    if rows.size == 0:
        reason = reason or "No labelled row has a prediction."
    if reason is not None:
        section.metrics = undefined_metrics(LABEL_METRICS + SCORE_METRICS, reason)
        section.notes.append(reason)
        return None
    scores, is_probability = class_scores(predictions, len(classes))
    data = Labelled(
        y_true=true.codes[rows],
        y_pred=predicted.codes[rows],
        labels=true.labels,
        n_classes=len(classes),
        positive=_positive(section, classes, config, info),
        scores=None if scores is None else scores[rows],
        is_probability=is_probability,
        weights=None if weights is None else weights[rows],
    )
    section.notes += _label_notes(true, data)
    _fill(section, data, config)
    loss = np.full(len(y_true), np.nan)
    loss[rows] = data.y_true != data.y_pred
    return loss


def _why_nothing_matches(true: MatchedLabels, classes: list[str]) -> str | None:
    """Name both sets of labels when they have nothing in common."""
    if true.known.any():
        return None
    return (
        f"No label of the sample is a class of the model: the labels are "
        f"{name_labels(true.unknown)}, the classes {name_labels(classes)}."
    )


def _positive(
    section: QualitySection, classes: list[Label], config: RunConfig, info: ModelInfo
) -> int | None:
    """Return the class that counts for two classes, by default the second."""
    if len(classes) != 2 or info.task not in (Task.BINARY, Task.OUTLIER):
        return None
    position = 1
    if config.positive_class is not None:
        wanted = int(match_labels(np.array([config.positive_class]), classes).codes[0])
        if wanted < 2:
            position = wanted
        else:
            section.notes.append(
                f"The positive class {config.positive_class!r} is no class of the model; "
                f"{str(classes[1])!r} was taken."
            )
    section.positive_class = str(classes[position])
    return position


def _label_notes(true: MatchedLabels, data: Labelled) -> list[str]:
    """Say which labels cannot be right, which never occur and what is averaged."""
    notes = []
    if true.unknown:
        n_unknown = int(np.sum(data.y_true >= data.n_classes))
        notes.append(
            f"{n_unknown:,} rows have a label that is no class of the model "
            f"({name_labels(true.unknown)}): they count as wrong, and are left out of "
            "everything that needs probabilities."
        )
    names = np.array(data.labels[: data.n_classes], dtype=object)
    support = np.bincount(data.y_true, minlength=len(data.labels))[: data.n_classes]
    predicted = np.bincount(data.y_pred, minlength=len(data.labels))[: data.n_classes]
    if np.any(support == 0):
        notes.append(f"No labelled row is {name_labels(names[support == 0].tolist())}.")
    if np.any(predicted == 0):
        notes.append(f"The model never predicts {name_labels(names[predicted == 0].tolist())}.")
    if data.positive is None:
        notes.append(
            "Precision, recall and F1 are averaged over the classes that occur (macro); ROC AUC "
            "and average precision rank each class against the rest (one-vs-rest, macro)."
        )
    return notes


def _fill(section: QualitySection, data: Labelled, config: RunConfig) -> None:
    """Fill metrics, tables and curves from labelled rows."""
    rng = np.random.default_rng(config.seed)
    n_resamples = config.n_resamples
    section.metrics = [
        *label_metrics(data, n_resamples=n_resamples, rng=rng),
        *score_metrics(data, n_resamples=n_resamples, rng=rng),
    ]
    section.classes = data.labels
    section.per_class = class_table(data)
    section.details = details = QualityDetails()
    if len(data.labels) <= MAX_CONFUSION_LABELS:
        section.confusion = confusion_matrix(data).tolist()
        if data.weights is not None:
            details.weighted_confusion = weighted_confusion(data).tolist()
    else:
        section.notes.append(f"No confusion matrix for {len(data.labels):,} labels.")
    known = np.flatnonzero(data.y_true < data.n_classes)
    if data.scores is not None and why_no_ranking(data, known) is None:
        _fill_curves(section, data.scores, known, data)
    if data.scores is not None and why_no_losses(data) is None:
        _fill_calibration(section, data.scores, known, data)
        _fill_details(details, data.scores[known], known, data, config)


def _fill_curves(
    section: QualitySection, scores: FloatArray, known: NDArray[np.int64], data: Labelled
) -> None:
    """Draw the curves of the positive class, or of the most frequent classes."""
    y_true, worth = data.y_true[known], data.worth[known]
    support = np.bincount(y_true, minlength=data.n_classes)
    frequent = np.argsort(-support, kind="stable")[:MAX_CURVES]
    shown = np.sort(frequent[support[frequent] > 0]) if data.positive is None else [data.positive]
    for label in shown:
        roc, precision_recall = ranking_curves(
            data.labels[label], scores[known, label], y_true == label, worth
        )
        section.roc.append(roc)
        section.precision_recall.append(precision_recall)


def _fill_calibration(
    section: QualitySection, scores: FloatArray, known: NDArray[np.int64], data: Labelled
) -> None:
    """Compare stated with observed frequencies."""
    worth = data.worth[known]
    confidence, is_right = _confidence(scores[known], data.y_true[known], data.positive)
    if data.positive is not None:
        section.thresholds = threshold_table(confidence, is_right, worth)
    section.calibration, section.expected_calibration_error = calibration(
        confidence, is_right, worth
    )


def _confidence(
    scores: FloatArray, y_true: NDArray[np.int64], positive: int | None
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the probability that is judged, and whether what it speaks of came true."""
    if positive is None:
        return scores.max(axis=1), scores.argmax(axis=1) == y_true
    return scores[:, positive], y_true == positive


def _fill_details(
    details: QualityDetails,
    scores: FloatArray,
    known: NDArray[np.int64],
    data: Labelled,
    config: RunConfig,
) -> None:
    """Test the calibration; for two classes also gain and the cheapest threshold."""
    weights = None if data.weights is None else data.weights[known]
    confidence, is_right = _confidence(scores, data.y_true[known], data.positive)
    if data.positive is not None:
        details.gain = gain_table(confidence, is_right, weights)
        false_alarm, miss = config.cost_false_positive, config.cost_false_negative
        if false_alarm is not None and miss is not None and false_alarm + miss > 0:
            details.cost = cheapest_threshold(
                confidence,
                is_right,
                false_positive=false_alarm,
                false_negative=miss,
                weights=weights,
            )
    details.calibration_test = spiegelhalter(confidence, is_right, weights)


# --- outlier detectors -----------------------------------------------------------------------


def outlier_predictions(predictions: Predictions, info: ModelInfo) -> tuple[Predictions, ModelInfo]:
    """Return an outlier detector's answers as those of a classifier of inliers and outliers.

    scikit-learn's detectors answer -1 for outliers and score inliers higher.
    """
    score = None if predictions.y_score is None else -np.ravel(predictions.y_score)
    y_pred = np.where(np.ravel(predictions.y_pred) == -1, "outlier", "inlier")
    return Predictions(y_pred, None, score), info.model_copy(update={"classes": OUTLIER_CLASSES})


def outlier_labels(y_true: pd.Series) -> pd.Series | None:
    """Return labels -1/1 (outlier, inlier) or 0/1 (inlier, outlier) as words; None if unclear."""
    plain = match_labels(y_true, [-1, 0, 1])
    values: NDArray[Any] = plain.codes
    has_minus, has_zero = bool(np.any(values == 0)), bool(np.any(values == 1))
    if plain.unknown or has_minus == has_zero:  # labels of 1 alone could mean either
        return None
    outlier = 0 if has_minus else 2
    words = np.where(values == outlier, "outlier", "inlier")
    return pd.Series(words, index=y_true.index).where(values >= 0)
