"""The quality stage of a run: predictions once, then metrics, groups and the answers per row.

Owns: ``measure_quality`` and ``TestedRows``, what it needs to know of the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

import group_stage
import metrics
import row_answers
import row_results
from model_types import Model, Predictions
from quality_types import QualityDetails
from report_types import QualitySection, RunRequest
from sample_stage import SampleRows

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class TestedRows:
    """The rows whose answers are judged.

    Parameters
    ----------
    inputs : DataFrame, shape (n, k)
        As the model gets them.
    sample : SampleRows or None
        The same rows of the sample they are from; None for synthetic rows.
    why_no_labels : str or None
        Why there are no true answers, where more is known than that nobody gave any.
    """

    __test__ = False  # the name begins with Test, but pytest must not collect it

    inputs: pd.DataFrame
    sample: SampleRows | None = None
    why_no_labels: str | None = None


def measure_quality(
    model: Model,
    tested: TestedRows,
    request: RunRequest,
    *,
    save_data: Callable[[bytes, str], str],
    progress: Progress,
) -> tuple[Predictions, QualitySection]:
    """Predict the tested rows and judge the answers.

    Parameters
    ----------
    model : Model
    tested : TestedRows
    request : RunRequest
        Its options are used, and the hash of its sample names the rows.
    save_data : callable
        Stores bytes under a display name and returns their SHA-256.
    progress : callable
        Receives ``(fraction, message)``; may raise to cancel.

    Raises
    ------
    DataError
        The weights of the rows cannot be used.
    """
    predictions = model.predict(tested.inputs)
    progress(0.3, "Computing metrics and intervals")
    sample = tested.sample
    y_true = None if sample is None else sample.answers()
    roles = None if sample is None else sample.roles
    section = metrics.evaluate_quality(
        predictions,
        model.info,
        tested.inputs,
        y_true,
        config=request.config,
        labels_from=None if roles is None else ", ".join(roles.targets) or roles.target,
        weights=None if sample is None else sample.weights(),
        progress=progress,
    )
    if y_true is None and tested.why_no_labels:
        section.notes.insert(0, tested.why_no_labels)
    if sample is not None:
        _add_from_sample(section, predictions, model, sample, request, save_data)
    return predictions, section


def _add_from_sample(
    section: QualitySection,
    predictions: Predictions,
    model: Model,
    sample: SampleRows,
    request: RunRequest,
    save_data: Callable[[bytes, str], str],
) -> None:
    """Add the weights' name, the groups, and the stored answers for comparisons row by row."""
    y_true, weight = sample.single_answers(), sample.roles.weight
    if weight is not None and section.has_labels:
        section.details = (section.details or QualityDetails()).model_copy(
            update={"weight_column": weight}
        )
    section.groups = group_stage.compare_sample_groups(
        predictions,
        model.info,
        sample.table,
        y_true,
        column=request.config.group_column,
        positive_class=section.positive_class,
        weights=sample.weights(),
    )
    if y_true is None:
        return
    results = row_answers.answers_by_row(
        predictions,
        model.info,
        y_true,
        sample=f"{request.sample_sha256}:{sample.roles.target}",
        rows=sample.numbers,
        positive_class=section.positive_class,
    )
    if results is not None:
        section.answers_artifact = save_data(row_results.pack(results), "answers-by-row.npz")
