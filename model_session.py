"""One run's model kept open, and the few that are open at the same time.

Owns: ``ModelSession``, which answers questions about rows with the background that the run's own
explanations used, and ``Sessions``, which closes what was not asked for longest.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

import table_reader
from base_types import Cell
from date_forms import with_times
from drift_halves import Halves, split_halves
from errors import BusyError, ModelError, NotFoundError, RowsError
from explain_known import KnownModel
from explain_request import draw_rows
from explain_words import explain_texts
from explainability import explain
from explanation import NO_CONTRIBUTIONS, is_finite
from labels import match_labels
from model_sessions import Answer, PlayQuestion, Question, RowAnswers
from model_types import ModelInfo, Predictions, class_names
from open_stage import ModelSource, reopen_model
from playground_own import play_own
from playground_types import OwnKnobs, OwnOutcome
from report_types import TestReport
from row_table import rows_to_frame
from sandbox import Limits, WorkerParent
from schema_merge import align_frame
from schema_utils import Feature, Kind, Schema, time_forms
from storage import Store

BACKGROUND_ROWS = 100
"""Rows drawn where the report does not say which ones it used."""

CALL_SECONDS = 20.0
"""Longest time of one call to a model while somebody waits."""

LOCK_SECONDS = 30.0
"""Longest wait for another question to the same model."""


class ModelSession:
    """A run's model and its rows, opened at the first question.

    Parameters
    ----------
    store : Store
    run_id : str
    workers : WorkerParent
    """

    def __init__(self, store: Store, run_id: str, workers: WorkerParent) -> None:
        self._store, self._run_id, self._workers = store, run_id, workers
        self._opened: _Opened | None = None
        self._cleanup = ExitStack()
        self._halves: Halves | None = None

    def ask(self, question: Question) -> RowAnswers:
        """Predict and explain rows.

        Raises
        ------
        NotFoundError
            There is no such run, or no model or rows of it are left.
        RowsError
            A row is not what the model takes.
        ModelError
            The model failed.
        """
        opened = self._opened = self._opened or self._open()
        frame = opened.frame_of(question)
        found = explain(
            opened.model,
            frame,
            opened.background,
            seconds=question.seconds,
            seed=opened.seed,
            positive_class=opened.positive_class,
            space=question.space,
        )
        predictions = found.answers
        if predictions is None or len(found.rows) < len(frame):
            predictions = opened.model.predict(frame)
        explanation = found.to_section()
        if not is_finite(explanation):
            raise ModelError(NO_CONTRIBUTIONS)
        explanation.texts = explain_texts(
            opened.model,
            frame.iloc[explanation.row_numbers],
            {feature.name: feature.kind for feature in opened.schema.inputs},
            seconds=question.seconds,
            seed=opened.seed,
            positive_class=opened.positive_class,
        )
        if question.base_rows is not None:
            explanation.row_numbers = [question.base_rows[at] for at in explanation.row_numbers]
        proba = predictions.y_proba
        classes = opened.model.info.classes or []
        return RowAnswers(
            run_id=self._run_id,
            predictions=cells_of(predictions),
            classes=class_names(classes) if proba is not None else [],
            probabilities=proba.round(9).tolist() if proba is not None else [],
            explanation=explanation,
        )

    def play(self, knobs: OwnKnobs) -> OwnOutcome:
        """Drift the run's rows and ask the model; raises as ``ask`` does."""
        opened = self._opened = self._opened or self._open()
        self._halves = self._halves or self._split(opened)
        return play_own(opened.model, self._halves, knobs)

    def _split(self, opened: _Opened) -> Halves:
        """Take the rows apart as the run's drift simulation did, with their answers if known."""
        artifact, target = opened.report.data.artifact, opened.report.data.target
        answers = None
        if artifact is not None and target is not None:
            path = self._store.artifact_path(artifact)
            frame = table_reader.read_table(path, "rows.csv").frame
            answers = _named_answers(frame, target, opened.model.info)
        predictions = opened.model.predict(opened.table)
        about = (opened.model.info, opened.seed)
        return split_halves(opened.table, opened.schema, predictions, answers, about)

    def close(self) -> None:
        """End the model's process."""
        self._opened = self._halves = None
        self._cleanup.close()

    def _open(self) -> _Opened:
        record = self._store.get_run(self._run_id)
        report = self._store.get_report(self._run_id)
        schema, file = report.schema_.data_schema, report.model.file
        if schema is None or file is None or report.data.artifact is None:
            message = f"Run {self._run_id} kept no model or no rows to compare with"
            raise NotFoundError(message)
        info = report.model.info
        table = self._read_rows(report.data.artifact, schema, info.text_columns if info else [])
        source = ModelSource(
            self._store.artifact_path(record.request.model_sha256),
            record.request,
            self._workers,
            self._store.settings,
            self._store.access.find_approval,
            self._cleanup,
        )
        model = reopen_model(source, report.model, _limits(source))
        self._cleanup.callback(model.close)
        model.time_forms = time_forms(schema)
        return _Opened(KnownModel(model), schema, table, _background(table, report), report)

    def _read_rows(self, artifact: str, schema: Schema, texts: list[str]) -> pd.DataFrame:
        path = self._store.artifact_path(artifact)
        frame, _notes = table_reader.read_table(path, "rows.csv", texts)
        table = align_frame(frame, schema)
        if table is None or not len(table):
            message = f"The stored rows of run {self._run_id} lack columns of its schema"
            raise NotFoundError(message)
        dates = [feature.name for feature in schema.inputs if _is_time(feature)]
        return with_times(table, dates)


def _is_time(feature: Feature) -> bool:
    return feature.kind is Kind.DATETIME and feature.time_form != "text"


def _named_answers(frame: pd.DataFrame, target: str, info: ModelInfo) -> pd.Series | None:
    """Return the true answers under the names of the model's classes; None if they do not fit."""
    if target not in frame:
        return None
    answers = frame[target]
    if not info.classes:
        return answers
    matched = match_labels(answers, info.classes)
    if matched.unknown:
        return None
    names = np.array([*info.classes, None], dtype=object)
    return pd.Series(names[matched.codes])


@dataclass(frozen=True, slots=True)
class _Opened:
    """What is needed to answer."""

    model: KnownModel
    schema: Schema
    table: pd.DataFrame
    background: pd.DataFrame
    report: TestReport

    @property
    def seed(self) -> int:
        return self.report.config.seed

    @property
    def positive_class(self) -> str | None:
        return self.report.config.positive_class

    def frame_of(self, question: Question) -> pd.DataFrame:
        """Return the rows of a question as a table."""
        numbers = question.base_rows
        if numbers is None:
            return rows_to_frame(question.rows, self.schema, self.table)
        if len(numbers) != len(question.rows):
            message = f"{len(question.rows)} rows and {len(numbers)} base rows; expected as many"
            raise RowsError([(0, "base_rows", message)], 1)
        wrong = [n for n in numbers if not 0 <= n < len(self.table)]
        if wrong:
            what = f"is {wrong[0]}; the run has rows 0 to {len(self.table) - 1}"
            raise RowsError([(numbers.index(wrong[0]), "row number", what)], len(wrong))
        base = self.table.iloc[numbers].reset_index(drop=True)
        return _with_changes(base, question.rows, self.schema)


def _with_changes(base: pd.DataFrame, rows: list[dict[str, Cell]], schema: Schema) -> pd.DataFrame:
    """Return rows of the table with some fields of some rows replaced."""
    changed = base.copy()
    known = {feature.name: feature for feature in schema.inputs}
    problems = [
        (at, name[:100], "is no input of this model")
        for at, row in enumerate(rows)
        for name in row
        if name not in known
    ]
    if problems:
        raise RowsError(problems[:20], len(problems))
    for name in {name for row in rows for name in row}:
        part = Schema(features=[known[name]])
        places = [at for at, row in enumerate(rows) if name in row]
        typed = rows_to_frame([{name: rows[at][name]} for at in places], part, base)[name]
        changed[name] = _replaced(base[name], places, typed)
    return changed


def _replaced(column: pd.Series, places: list[int], typed: pd.Series) -> pd.Series:
    """Return the column with new cells, of another type only where they need it."""
    changed = column if typed.dtype == column.dtype else column.astype(typed.dtype)
    changed.iloc[places] = typed.to_numpy()
    return changed


def _limits(source: ModelSource) -> Limits:
    limits = source.limits()
    return replace(limits, call_seconds=min(limits.call_seconds, CALL_SECONDS))


def _background(table: pd.DataFrame, report: TestReport) -> pd.DataFrame:
    numbers = report.explanations.background_numbers
    if numbers and max(numbers) < len(table):
        return table.iloc[numbers].reset_index(drop=True)
    return draw_rows(table, BACKGROUND_ROWS, report.config.seed)


def cells_of(predictions: Predictions) -> list[Any]:
    """Return predicted labels or numbers as JSON carries them; a list per row of several."""
    cells: list[Any] = np.asarray(predictions.y_pred).tolist()
    return cells


@dataclass(slots=True)
class _Place:
    """One of the open sessions; whoever asks holds its lock."""

    session: ModelSession
    lock: threading.Lock = field(default_factory=threading.Lock)
    last_used: float = 0.0
    retired: bool = False


class Sessions:
    """The sessions used last; safe for threads.

    Parameters
    ----------
    make : callable
        Makes the session of a run id.
    limit : int
        How many are open at most.
    idle_seconds : float
        After how long without a question one is closed.
    """

    def __init__(
        self,
        make: Callable[[str], ModelSession],
        *,
        limit: int = 2,
        idle_seconds: float = 300.0,
    ) -> None:
        self._make, self._limit, self._idle_seconds = make, limit, idle_seconds
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def open_runs(self) -> list[str]:
        """Runs whose sessions are kept, the one used last at the end."""
        with self._lock:
            return list(self._places)

    def ask(self, question: Question) -> RowAnswers:
        """Answer from the session of the question's run; see ``ModelSession.ask``."""
        return self._use(question.run_id, lambda session: session.ask(question))

    def play(self, question: PlayQuestion) -> OwnOutcome:
        """Play with the session of the question's run; see ``ModelSession.play``."""
        return self._use(question.run_id, lambda session: session.play(question.knobs))

    def _use(self, run_id: str, act: Callable[[ModelSession], Answer]) -> Answer:
        while True:
            place, surplus = self._place_of(run_id)
            for old in surplus:
                _retire(old)
            if not place.lock.acquire(timeout=LOCK_SECONDS):
                message = "The model is busy with another question; try again"
                raise BusyError(message)
            try:
                if not place.retired:  # else closed while we waited for it
                    return act(place.session)
            finally:
                place.last_used = time.monotonic()
                place.lock.release()

    def close_idle(self, now: float) -> None:
        """Close what nobody asked for a while; ``now`` is of ``time.monotonic``."""
        with self._lock:
            idle = [
                run_id
                for run_id, place in self._places.items()
                if now - place.last_used > self._idle_seconds and not place.lock.locked()
            ]
            old = [self._places.pop(run_id) for run_id in idle]
        for place in old:
            _retire(place)

    def _place_of(self, run_id: str) -> tuple[_Place, list[_Place]]:
        """Return a run's place, and the places that are too many now."""
        with self._lock:
            place = self._places.pop(run_id, None) or _Place(self._make(run_id))
            place.last_used = time.monotonic()
            self._places[run_id] = place
            surplus = len(self._places) - self._limit
            oldest = list(self._places)[: max(surplus, 0)]
            return place, [self._places.pop(old) for old in oldest]


def _retire(place: _Place) -> None:
    with place.lock:
        place.retired = True
        place.session.close()
