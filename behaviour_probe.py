"""Asking a model odd questions and judging what comes back.

Owns: ``Prober`` (asks tables one after the other, or many in one call), ``Answer`` and the
comparison of answers, and the judgement of an exception: clear, or obscure.
"""

from __future__ import annotations

import contextlib
import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from behaviour_frames import Group
from errors import (
    ModelCrashedError,
    ModelError,
    ModelProtocolError,
    ModelRaisedError,
    ModelTimeoutError,
)
from model_types import Asked, Predictions, QueueModel, Task
from report_types import BehaviourVerdict

MAX_DEATHS = 2
"""After this many crashes or timeouts nothing more is asked: later stages need the model too."""

_DEATHS = (ModelCrashedError, ModelTimeoutError)
_TOLERANCE = 1e-6
_OBSCURE = {"AttributeError", "IndexError", "AssertionError", "ZeroDivisionError", "SystemError"}


_Key = TypeVar("_Key")


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
        return Answer(self.predictions.part(slice(start, stop)))


@dataclass(slots=True)
class Prober:
    """Asks a model and never lets its failures through.

    Parameters
    ----------
    model : QueueModel
        Anything that implements the protocol.
    one_by_one : bool
        Whether a row's answer depends on the rows beside it, so that tables must not be joined.
    deaths : int
        How often the model's process died or hung so far.
    gave_up : bool
        Whether something was not asked because of that.
    """

    model: QueueModel
    one_by_one: bool = False
    deaths: int = 0
    gave_up: bool = False
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
        ((_, answer),) = self.ask_each([(None, Asked(frame, proba))])
        return answer

    def ask_each(self, tables: Iterable[tuple[_Key, Asked]]) -> Generator[tuple[_Key, Answer]]:
        """Predict tables under their keys, each in a call of its own.

        The next table is taken while the model works on the one before.

        Raises
        ------
        NotAskedError
            A further answer is wanted, but the model's process has died ``MAX_DEATHS`` times.
        """
        waiting: deque[_Key] = deque()

        def to_ask() -> Iterator[Asked]:
            for key, table in tables:
                self._refuse_if_dead()
                waiting.append(key)
                yield table

        with contextlib.closing(self.model.predict_each(to_ask())) as found:
            for each in found:
                yield waiting.popleft(), self._counted(each)
                if waiting:
                    self._refuse_if_dead()

    def ask_groups(self, groups: Iterable[Group]) -> dict[str, dict[str, Answer]]:
        """Predict groups of tables, each group in one call; its tables one by one if that raises.

        Where ``one_by_one`` is set no tables are put together. A process that dies in a call is
        the answer to all tables of it.

        Returns
        -------
        dict
            The answers by group and table; without the groups that were not asked because the
            process died too often, which ``gave_up`` tells.
        """
        answers: dict[str, dict[str, Answer]] = {}
        try:
            apart = groups if self.one_by_one else self._ask_joined(groups, answers)
            self._ask_apart(apart, answers)
        except NotAskedError:
            self.gave_up = True
        return answers

    def _ask_joined(
        self, groups: Iterable[Group], answers: dict[str, dict[str, Answer]]
    ) -> list[Group]:
        """Ask every group in one call; return those that have to be asked table by table."""
        refused = []
        joined = ((group, Asked(group.joined(), group.proba)) for group in groups)
        for group, answer in self.ask_each(joined):
            sizes = group.sizes()
            if isinstance(answer.error, _DEATHS) or answer.error is None or len(sizes) == 1:
                ends = np.cumsum(list(sizes.values())).tolist()
                places = zip(sizes.items(), ends, strict=True)
                answers[group.name] = {
                    name: answer.part(end - size, end) for (name, size), end in places
                }
            else:
                refused.append(group)
        return refused

    def _ask_apart(self, groups: Iterable[Group], answers: dict[str, dict[str, Answer]]) -> None:
        """Ask every table by itself; a group is answered when all of its tables are."""
        tables = (
            ((group, name), Asked(group.apart(name), group.proba))
            for group in groups
            for name in group.sizes()
        )
        found: dict[str, Answer] = {}
        for (group, name), answer in self.ask_each(tables):
            found[name] = answer
            if len(found) == len(group.sizes()):
                answers[group.name], found = found, {}

    def _refuse_if_dead(self) -> None:
        if self.deaths >= MAX_DEATHS:
            raise NotAskedError

    def _counted(self, found: Predictions | ModelError) -> Answer:
        if isinstance(found, Predictions):
            return Answer(found)
        self.deaths += isinstance(found, _DEATHS)
        return Answer(error=found)

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
