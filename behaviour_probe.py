"""Asking a model odd questions and judging what comes back.

Owns: ``Prober`` (asks, many tables in one call), ``Answer`` and the comparison of answers, and the
judgement of an exception: clear, or obscure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from errors import (
    ModelCrashedError,
    ModelError,
    ModelProtocolError,
    ModelRaisedError,
    ModelTimeoutError,
)
from model_types import Model, Predictions, Task
from report_types import BehaviourVerdict

MAX_DEATHS = 2
"""After this many crashes or timeouts nothing more is asked: later stages need the model too."""

_TOLERANCE = 1e-6
_OBSCURE = {"AttributeError", "IndexError", "AssertionError", "ZeroDivisionError", "SystemError"}


class NotAskedError(Exception):
    """The model's process died too often to be asked again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one table: predictions or an error.

    Parameters
    ----------
    predictions : Predictions or None
        None when the model failed.
    error : ModelError or None
        None when it answered.
    """

    predictions: Predictions | None = None
    error: ModelError | None = None

    @property
    def y_pred(self) -> NDArray[np.generic]:
        """The predictions; only for an answer without error."""
        if self.predictions is None:
            message = "the model failed, there is no answer"
            raise ValueError(message)
        return self.predictions.y_pred

    def part(self, start: int, stop: int) -> Answer:
        """Return the answer for some of the rows."""
        if self.predictions is None:
            return self
        proba, score = self.predictions.y_proba, self.predictions.y_score
        return Answer(
            Predictions(
                self.predictions.y_pred[start:stop],
                None if proba is None else proba[start:stop],
                None if score is None else score[start:stop],
            )
        )


@dataclass(slots=True)
class Prober:
    """Asks a model and never lets its failures through.

    Parameters
    ----------
    model : Model
        Anything that implements the protocol.
    deaths : int
        How often the model's process died or hung so far.
    """

    model: Model
    deaths: int = 0
    _numbers: bool = field(init=False)

    def __post_init__(self) -> None:
        self._numbers = self.model.info.task is Task.REGRESSION

    @property
    def predicts_numbers(self) -> bool:
        """Whether answers are numbers rather than labels."""
        return self._numbers

    def ask(self, frame: pd.DataFrame, *, proba: bool = False) -> Answer:
        """Predict one table.

        Raises
        ------
        NotAskedError
            The model's process died ``MAX_DEATHS`` times before.
        """
        if self.deaths >= MAX_DEATHS:
            raise NotAskedError
        try:
            return Answer(self.model.predict(frame, proba=proba))
        except (ModelCrashedError, ModelTimeoutError) as error:
            self.deaths += 1
            return Answer(error=error)
        except ModelError as error:
            return Answer(error=error)

    def ask_many(
        self, frames: Mapping[str, pd.DataFrame], *, proba: bool = False
    ) -> dict[str, Answer]:
        """Predict several tables of the same columns in one call; one by one if it raises."""
        together = pd.concat(list(frames.values()), ignore_index=True)
        deaths = self.deaths
        answer = self.ask(together, proba=proba)
        if answer.error is not None and len(frames) > 1 and self.deaths == deaths:
            return {name: self.ask(frame, proba=proba) for name, frame in frames.items()}
        ends = np.cumsum([len(frame) for frame in frames.values()]).tolist()
        sizes = [len(frame) for frame in frames.values()]
        places = zip(frames, ends, sizes, strict=True)
        return {name: answer.part(end - size, end) for name, end, size in places}

    def changed(self, first: Answer, second: Answer) -> NDArray[np.bool_]:
        """Return which rows got another answer, shape (n,).

        Labels differ or not; numbers differ by more than 1e-6 of their scale. Probabilities are
        compared where both answers have them.
        """
        differs = self._rows_differ(first.y_pred, second.y_pred, as_numbers=self._numbers)
        if first.predictions and second.predictions:
            for name in ("y_proba", "y_score"):
                left = getattr(first.predictions, name)
                right = getattr(second.predictions, name)
                if left is not None and right is not None:
                    differs |= self._rows_differ(left, right, as_numbers=True)
        return differs

    @staticmethod
    def _rows_differ(
        left: NDArray[np.generic], right: NDArray[np.generic], *, as_numbers: bool
    ) -> NDArray[np.bool_]:
        """Compare two arrays row by row."""
        if as_numbers:
            one, two = left.astype(np.float64), right.astype(np.float64)
            differs = ~np.isclose(one, two, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)
        else:
            differs = np.asarray(left != right)
        if differs.ndim > 1:
            return np.asarray(differs.reshape(len(differs), -1).any(axis=1))
        return differs


def quote(answer: Answer, *, limit: int = 180) -> str:
    """Return what came back in one line: the error's text, or the first answers."""
    if answer.error is not None:
        text = re.sub(r"\s+", " ", str(answer.error)).strip()
        return text if len(text) <= limit else text[: limit - 1] + "…"
    y_pred = answer.y_pred
    if not len(y_pred):
        return "no rows"
    first = [_shown(value) for value in y_pred[:3]]
    more = ", …" if len(y_pred) > 3 else ""
    count = "1 answer" if len(y_pred) == 1 else f"{len(y_pred)} answers"
    return f"{count}: {', '.join(first)}{more}"


def _shown(value: object) -> str:
    """Return one answer as text."""
    if isinstance(value, np.ndarray):
        return "[" + ", ".join(_shown(entry) for entry in value[:4].tolist()) + "]"
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    return str(value)[:30]


def not_finite(answer: Answer) -> bool:
    """Whether a number that came back is NaN or infinite."""
    y_pred = answer.y_pred
    return y_pred.dtype.kind == "f" and not bool(np.isfinite(y_pred.astype(np.float64)).all())


def _names(message: str, column: str) -> bool:
    """Whether a message names a column: as a word of its own, a short name in quotes."""
    if len(column) < 3:
        return any(f"{mark}{column}{mark}" in message for mark in "'\"`")
    return re.search(rf"(?<!\w){re.escape(column)}(?!\w)", message) is not None


def judge_error(
    error: ModelError, hints: Sequence[str], column: str | None = None
) -> tuple[BehaviourVerdict, str]:
    """Judge whether an exception lets the caller see what was wrong.

    Parameters
    ----------
    error : ModelError
        What the model raised, or how its process ended.
    hints : sequence of str
        Words of which a clear message has one, such as "NaN" or "feature".
    column : str, optional
        The column that was odd; a message that names it is clear too.

    Returns
    -------
    verdict : BehaviourVerdict
        Clear error or broken.
    why : str
        One sentence.
    """
    if isinstance(error, ModelCrashedError):
        return BehaviourVerdict.BROKEN, "The model's process died; a caller would lose the service."
    if isinstance(error, ModelTimeoutError):
        return BehaviourVerdict.BROKEN, "The model did not answer in time and had to be stopped."
    if isinstance(error, ModelProtocolError):
        return BehaviourVerdict.BROKEN, "The answer had not the form that was promised."
    message = error.message if isinstance(error, ModelRaisedError) else str(error)
    kind = error.exception_type if isinstance(error, ModelRaisedError) else type(error).__name__
    found = next((hint for hint in hints if hint.lower() in message.lower()), None)
    if found is None and column is not None and _names(message, column):
        found = column
    if found is not None and kind not in _OBSCURE:
        return BehaviourVerdict.CLEAR_ERROR, f"The message lets a caller see the cause ({found!r})."
    return BehaviourVerdict.BROKEN, (
        f"It failed with {kind}, whose message does not tell a caller what was wrong."
    )
