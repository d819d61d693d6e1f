"""A ``model_types.Model`` over a fitted estimator in this process, for tests of pure modules."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from itertools import cycle
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import model_describe
import model_lowering
from errors import ModelError, ModelRaisedError
from model_types import Asked, Lowered, ModelInfo, Predictions, SparseRows, Task, TimedCalls


class Predicts(Protocol):
    """Whatever predicts one table."""

    def predict(self, frame: pd.DataFrame, *, proba: bool = True) -> Predictions:
        """Predict every row."""
        ...


def in_turn(model: Predicts, tables: Iterable[Asked]) -> Generator[Predictions | ModelError]:
    """Predict one table after the other; an error of the model is an answer."""
    for table in tables:
        try:
            answer: Predictions | ModelError = model.predict(table.frame, proba=table.proba)
        except ModelError as error:
            answer = error
        yield answer


class LocalModel:
    """Answer like ``model_utils.ModelHandle``, without a worker.

    Parameters
    ----------
    estimator : object
        Fitted, with ``predict``.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator, notes = model_describe.find_model(estimator)
        described = model_describe.describe(self.estimator)
        described["notes"] = [*notes, *described.get("notes", [])]
        self.info = ModelInfo.model_validate(described)
        self.calls = 0
        self.rows = 0

    def predict(self, frame: pd.DataFrame, *, proba: bool = True) -> Predictions:
        """Predict every row; ``calls`` and ``rows`` count what was asked."""
        self.calls += 1
        self.rows += len(frame)
        rows = self._input(frame)
        y_pred = np.asarray(self.estimator.predict(rows))
        if self.info.task is Task.REGRESSION and y_pred.ndim == 2 and y_pred.shape[1] == 1:
            y_pred = y_pred[:, 0]
        y_proba = self._proba(rows) if proba and self.info.has_proba else None
        y_score = None
        if proba and y_proba is None and self.info.has_score:
            y_score = np.asarray(self.estimator.decision_function(rows), dtype=float)
        return Predictions(y_pred, y_proba, y_score)

    def predict_each(self, tables: Iterable[Asked]) -> Generator[Predictions | ModelError]:
        """Predict one table after the other."""
        return in_turn(self, tables)

    def time_calls(
        self,
        frame: pd.DataFrame,
        *,
        batch_size: int,
        max_calls: int,
        max_seconds: float,
        warmup_calls: int = 0,
    ) -> TimedCalls:
        """Time ``predict`` on rotating batches."""
        starts = range(0, max(len(frame) - batch_size, 0) + 1, batch_size)
        batches = cycle([self._input(frame.iloc[i : i + batch_size]) for i in starts])
        for _ in range(warmup_calls):
            self.estimator.predict(next(batches))
        durations: list[int] = []
        end = time.perf_counter() + max_seconds
        while len(durations) < max_calls and (not durations or time.perf_counter() < end):
            batch = next(batches)
            start = time.perf_counter_ns()
            self.estimator.predict(batch)
            durations.append(time.perf_counter_ns() - start)
        measured = np.array(durations, dtype=np.int64)
        return TimedCalls(measured, np.zeros(len(measured), dtype=bool), None, warmup_calls)

    def peak_memory_bytes(self) -> int:
        """A fixed number: nothing is measured here."""
        return 100_000_000

    def transform(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the matrix that reaches the final estimator."""
        try:
            return model_lowering.transform(self.estimator, self._input(frame))
        except ValueError as error:  # as the worker's answer arrives
            raise ModelRaisedError(type(error).__name__, str(error)) from error

    def transform_sparse(self, frame: pd.DataFrame) -> SparseRows:
        """Return that matrix without its zeros."""
        width, arrays = model_lowering.transform_sparse(self.estimator, self._input(frame))
        return SparseRows(arrays["data"], arrays["indices"], arrays["indptr"], width)

    def lower(self) -> Lowered | None:
        """Return the model as arrays, where ``model_lowering`` knows how."""
        lowered = model_lowering.lower(self.estimator)
        return None if lowered is None else Lowered(*lowered)

    def _input(self, frame: pd.DataFrame) -> Any:
        columns = [feature.name for feature in self.info.features]
        if set(columns) <= set(frame.columns):  # else by position, as for models without names
            frame = frame[columns]
        features = [feature.model_dump() for feature in self.info.features]
        return model_describe.model_input(frame, self.info.input_form, features)

    def _proba(self, rows: Any) -> NDArray[np.float64] | None:
        if self.info.task is Task.MULTIOUTPUT:
            return None
        answer = self.estimator.predict_proba(rows)
        if isinstance(answer, list):  # one (n, classes) table per label
            columns = zip(answer, self.info.output_classes or [], strict=True)
            answer = [table[:, labels.index(1)] for table, labels in columns]
            return np.column_stack(answer).astype(float)
        return np.asarray(answer, dtype=float)


class RefusingModel(LocalModel):
    """A local model whose exceptions arrive as those of a worker do."""

    def predict(self, frame: pd.DataFrame, *, proba: bool = True) -> Predictions:
        """Predict every row."""
        try:
            return super().predict(frame, proba=proba)
        except (ValueError, TypeError) as error:
            raise ModelRaisedError(type(error).__name__, str(error)) from error
