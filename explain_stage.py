"""The explanations of a run: contributions, a second opinion, and what belongs to each row.

Owns: ``explain_run``, which draws the rows, asks for both, and puts answers and true answers beside
the explained rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from base_types import Cell, Label, Status
from errors import ModelError
from explain_known import KnownModel
from explain_opinion import Evidence, second_opinion
from explain_words import explain_texts
from explainability import explain_section
from explanation import NO_CONTRIBUTIONS, is_finite, plain_cell
from labels import match_labels
from model_types import Model, Predictions, class_names
from report_types import ExplanationSection, RunConfig
from schema_utils import Kind

BACKGROUND_ROWS = 100
"""Rows that stand for "an ordinary row"; more costs time and changes little."""

EXPLAINED_ROWS = 200
"""Rows explained one by one: enough for a beeswarm, few enough to draw."""

FIRST_PART = 0.6
"""How far the stage is when the contributions are there."""

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class TestedRows:
    """What the model was tested on.

    Parameters
    ----------
    frame : DataFrame, shape (n, d)
        Its index is 0 … n - 1.
    y_true : Series or None
        True answers, in order.
    predictions : Predictions
        The model's answers, in order.
    kinds : dict of str to Kind
        The columns, in order.
    numbers : ndarray of int, shape (n,), or None
        Positions of the rows in the stored data, where some were left out.
    """

    __test__ = False  # the name begins with Test, but pytest must not collect it

    frame: pd.DataFrame
    y_true: pd.Series[Any] | None
    predictions: Predictions
    kinds: dict[str, Kind]
    numbers: NDArray[np.int64] | None = None

    def number_of(self, rows: NDArray[np.int64]) -> list[int]:
        """Return positions in the stored data."""
        return [int(row) for row in (rows if self.numbers is None else self.numbers[rows])]


def explain_run(
    model: Model, tested: TestedRows, config: RunConfig, *, progress: Progress | None = None
) -> ExplanationSection:
    """Explain some of the tested rows and ask for a second opinion.

    Parameters
    ----------
    model : Model
    tested : TestedRows
    config : RunConfig
        ``explain_seconds``, ``seed`` and ``positive_class``.
    progress : callable, optional
        Told a fraction (0 … 1) and a message.

    Returns
    -------
    ExplanationSection
        Skipped or failed with a reason where there are no contributions; a second opinion that
        failed is a note.
    """
    tell, known = progress or (lambda _fraction, _message: None), KnownModel(model)
    explained = _drawn(tested.frame, EXPLAINED_ROWS, config.seed)
    background = _drawn(tested.frame, BACKGROUND_ROWS, config.seed + 1)
    section = explain_section(
        known,
        explained,
        background,
        seconds=config.explain_seconds,
        seed=config.seed,
        max_rows=EXPLAINED_ROWS,
        positive_class=config.positive_class,
        progress=lambda fraction, message: tell(FIRST_PART * fraction, message),
    )
    if section.status is not Status.OK:
        return section
    if not is_finite(section):
        return ExplanationSection(status=Status.FAILED, reason=NO_CONTRIBUTIONS)
    rows = explained.index.to_numpy()[section.row_numbers]
    tell(FIRST_PART, "Asking other methods")
    background_rows = background.index.to_numpy()
    evidence = Evidence(
        tested.frame,
        tested.y_true,
        tested.frame.iloc[rows],
        background,
        tested.kinds,
        tested.predictions.part(background_rows),
    )
    try:
        section.opinion = second_opinion(
            known,
            section,
            evidence,
            seconds=config.explain_seconds,
            seed=config.seed,
            positive_class=config.positive_class,
        )
    except ModelError as error:
        section.notes.append(f"There is no second opinion: the model failed ({error}).")
    _add_words(section, known, tested, rows, config)
    section.row_numbers = tested.number_of(rows)
    section.background_numbers = tested.number_of(background_rows)
    _add_answers(section, tested, rows, model)
    return section


def _add_words(
    section: ExplanationSection,
    model: Model,
    tested: TestedRows,
    rows: NDArray[np.int64],
    config: RunConfig,
) -> None:
    """Explain text columns of the explained rows by their words; a failure is a note."""
    try:
        section.texts = explain_texts(
            model,
            tested.frame.iloc[rows],
            tested.kinds,
            seconds=config.explain_seconds,
            seed=config.seed,
            positive_class=config.positive_class,
        )
    except ModelError as error:
        section.notes.append(f"Texts are not explained by word: the model failed ({error}).")


def _drawn(frame: pd.DataFrame, size: int, seed: int) -> pd.DataFrame:
    if len(frame) <= size:
        return frame
    return frame.sample(size, random_state=seed).sort_index()


def _add_answers(
    section: ExplanationSection, tested: TestedRows, rows: NDArray[np.int64], model: Model
) -> None:
    """Put the model's answer, its chances and the true answer beside each explained row."""
    predictions, info = tested.predictions, model.info
    if np.ndim(predictions.y_pred) != 1:
        return
    section.answers = [plain_cell(value) for value in predictions.y_pred[rows]]
    if predictions.y_proba is not None and info.classes and info.task.is_classification:
        section.classes = class_names(info.classes)
        section.probabilities = predictions.y_proba[rows].round(6).tolist()
    if tested.y_true is not None:
        actual = [plain_cell(value) for value in tested.y_true.iloc[rows]]
        section.actual = _as_classes(actual, info.classes or [])


def _as_classes(actual: list[Cell], classes: list[Label]) -> list[Cell]:
    """Return true answers as the model spells them, where it knows them."""
    if not classes:
        return actual
    codes = match_labels(np.array(actual, dtype=object), classes).codes
    return [
        classes[code] if 0 <= code < len(classes) else cell
        for code, cell in zip(codes, actual, strict=True)
    ]
