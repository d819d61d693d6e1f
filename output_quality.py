"""The quality section of a model that answers several numbers or labels per row.

Owns: how tables of labels and answers become arrays, and which parts of the section they fill. The
arithmetic lives in ``output_metrics`` and ``regression_metrics``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from base_types import Histogram
from bootstrap import FloatArray
from labels import match_labels
from metric_names import (
    MULTILABEL_METRICS,
    MULTILABEL_SCORES,
    MULTIOUTPUT_METRICS,
    REGRESSION_METRICS,
    undefined_metrics,
)
from model_types import ModelInfo, Predictions, Task
from output_metrics import output_metrics, ranking_metrics
from quality_types import QualityDetails
from regression_metrics import several_outputs
from report_types import QualitySection, RunConfig

Targets = pd.Series | pd.DataFrame


def answers_several(predictions: Predictions, info: ModelInfo) -> bool:
    """Whether each row gets several answers that have to be compared one by one."""
    tasks = (Task.MULTILABEL, Task.MULTIOUTPUT, Task.REGRESSION)
    return predictions.y_pred.ndim == 2 and info.task in tasks


def output_names(info: ModelInfo, n_outputs: int) -> list[str]:
    """Return the names of the outputs, numbered where the model tells none."""
    if len(info.output_names) == n_outputs:
        return info.output_names
    return [f"output {i}" for i in range(n_outputs)]


def positive_counts(y_pred: NDArray[np.generic], info: ModelInfo) -> Histogram:
    """Count rows per label of a multilabel model, or rows not in the first class per output."""
    return _counts(_codes(pd.DataFrame(y_pred), info), info)


def _counts(codes: NDArray[np.int64], info: ModelInfo) -> Histogram:
    return Histogram(
        labels=output_names(info, codes.shape[1]), counts=(codes > 0).sum(axis=0).tolist()
    )


def evaluate_outputs(
    section: QualitySection,
    predictions: Predictions,
    info: ModelInfo,
    y_true: Targets,
    config: RunConfig,
    weights: FloatArray | None = None,
) -> FloatArray | None:
    """Fill the metrics of a model with several outputs.

    Parameters
    ----------
    section : QualitySection
        Filled in place.
    predictions : Predictions
        ``y_pred`` of shape (n, n_outputs).
    info : ModelInfo
    y_true : Series or DataFrame, shape (n, n_outputs)
        In the order of the outputs; rows in which one is missing are left out.
    config : RunConfig
        ``n_resamples`` and ``seed`` are used.
    weights : ndarray of float, shape (n,), optional
        What each row counts for; rows of weight 0 are left out.

    Returns
    -------
    ndarray of float, shape (n,), or None
        Per row: 0/1 whether any label is wrong, or the mean absolute error over the outputs; NaN
        where it could not be compared. None when no row could.
    """
    n_outputs = predictions.y_pred.shape[1]
    names = _names_of(info.task)
    n_given = y_true.shape[1] if isinstance(y_true, pd.DataFrame) else 1
    if not isinstance(y_true, pd.DataFrame) or n_given != n_outputs:
        _undefined(
            section,
            names,
            f"The model answers {n_outputs} values per row, the sample has {n_given} target "
            f"column(s); name {n_outputs} in 'targets', in the order of the outputs.",
        )
        return None
    worth = np.ones(len(y_true)) if weights is None else weights
    judge = _judge_numbers if info.task is Task.REGRESSION else _judge_labels
    return judge(section, predictions, info, y_true, config, worth)


def _names_of(task: Task) -> tuple[str, ...]:
    if task is Task.REGRESSION:
        return REGRESSION_METRICS
    return (
        MULTILABEL_METRICS + MULTILABEL_SCORES if task is Task.MULTILABEL else MULTIOUTPUT_METRICS
    )


def _undefined(section: QualitySection, names: tuple[str, ...], reason: str) -> None:
    section.metrics = undefined_metrics(names, reason)
    section.notes.append(reason)


def _left_out(section: QualitySection, n_left: int, why: str) -> None:
    if n_left:
        section.notes.append(f"{n_left:,} rows are left out: {why}.")


def _judge_numbers(
    section: QualitySection,
    predictions: Predictions,
    info: ModelInfo,
    y_true: pd.DataFrame,
    config: RunConfig,
    worth: FloatArray,
) -> FloatArray | None:
    true = y_true.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    answers = np.asarray(predictions.y_pred, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(true - answers)
    comparable = np.isfinite(error).all(axis=1)
    rows = np.flatnonzero(comparable & (worth > 0))
    if rows.size == 0:
        reason = "No row has finite labels and finite answers for all outputs."
        _undefined(section, REGRESSION_METRICS, reason)
        return None
    _left_out(section, int((~comparable).sum()), "a label or an answer is not a finite number")
    section.metrics, outputs = several_outputs(
        true[rows],
        answers[rows],
        [str(name) for name in y_true.columns],
        n_resamples=config.n_resamples,
        rng=np.random.default_rng(config.seed),
        weights=worth[rows],
    )
    section.details = QualityDetails(outputs=outputs)
    section.notes.append(
        "The metrics are plain means over the outputs, each in its own unit; every output alone is "
        "listed below."
    )
    loss = np.full(len(true), np.nan)
    loss[rows] = error[rows].mean(axis=1)
    return loss


def _judge_labels(
    section: QualitySection,
    predictions: Predictions,
    info: ModelInfo,
    y_true: pd.DataFrame,
    config: RunConfig,
    worth: FloatArray,
) -> FloatArray | None:
    true, answers = _codes(y_true, info), _codes(pd.DataFrame(predictions.y_pred), info)
    complete = np.all(true >= 0, axis=1)
    rows = np.flatnonzero(complete & (worth > 0))
    if rows.size == 0:
        reason = "No row has all its labels, so none can be compared."
        _undefined(section, _names_of(info.task), reason)
        return None
    _left_out(section, int((~complete).sum()), "a label is missing")
    section.actual_distribution = _counts(true[rows], info)
    is_multilabel = info.task is Task.MULTILABEL
    section.metrics = output_metrics(
        true[rows],
        answers[rows],
        is_multilabel=is_multilabel,
        n_resamples=config.n_resamples,
        seed=config.seed,
        weights=worth[rows],
    )
    if is_multilabel:
        scores = predictions.y_score if predictions.y_proba is None else predictions.y_proba
        section.metrics += ranking_metrics(
            true[rows],
            None if scores is None else np.asarray(scores, dtype=np.float64)[rows],
            n_resamples=config.n_resamples,
            seed=config.seed,
            weights=worth[rows],
        )
        _tell_absent(section, true[rows], info)
    loss = np.full(len(true), np.nan)
    loss[rows] = (true[rows] != answers[rows]).any(axis=1)
    return loss


def _tell_absent(section: QualitySection, true: NDArray[np.int64], info: ModelInfo) -> None:
    names = output_names(info, true.shape[1])
    alike = [name for name, column in zip(names, true.T, strict=True) if np.ptp(column) == 0]
    if alike:
        section.notes.append(
            f"ROC AUC and average precision leave out {', '.join(alike[:5])}: all rows are alike."
        )


def _codes(table: pd.DataFrame, info: ModelInfo) -> NDArray[np.int64]:
    """Return each output's labels as positions of its classes, shape (n, n_outputs)."""
    classes = info.output_classes or []
    known = len(classes) == table.shape[1]
    columns = [
        match_labels(table.iloc[:, i], classes[i] if known else [0, 1]).codes
        for i in range(table.shape[1])
    ]
    return np.column_stack(columns)
