"""Calling an estimator inside the worker: its input's form, its answers as plain arrays.

Owns: class labels as codes, probabilities and scores in one shape, and timed calls. Stand-alone:
standard library, numpy and ``model_describe``; written for Python 3.7 and later.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import resource
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import model_describe
from model_facts import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

MAX_BATCHES = 64
"""Most different batches that timed calls rotate through."""
THREAD_USAGE = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)
"""Whose context switches are counted: this thread's where the platform can tell."""


class TimingPlan(NamedTuple):
    """How many calls to time and on how many rows each."""

    batch_size: int
    max_calls: int
    max_seconds: float
    warmup_calls: int
    how: str = "plain"  # gc: collection on; frame, array: the input; one_filter: of warnings


class Predictor:
    """An estimator that takes tables and answers with plain arrays.

    Parameters
    ----------
    estimator : object
        As returned by ``model_describe.find_model``.
    info : dict
        As returned by ``model_describe.describe``.
    """

    def __init__(self, estimator: Any, info: dict[str, Any]) -> None:  # noqa: ANN401
        self.estimator = estimator
        self.info = info
        self.first_call_ns: int | None = None
        self._codes = [_code_table(labels) for labels in _label_lists(info)]
        self._likeliest = info.get("task") in ("binary", "multiclass") and _is_likeliest(estimator)

    def inputs(self, frame: pd.DataFrame) -> Any:  # noqa: ANN401 - whatever the model takes
        """Return a table in the form the model was fitted on."""
        rows = model_describe.model_input(frame, self.info["input_form"], self.info["features"])
        return np.ascontiguousarray(rows) if isinstance(rows, np.ndarray) else rows

    def predict(self, frame: pd.DataFrame, *, proba: bool) -> dict[str, NDArray[Any]]:
        """Predict every row.

        Returns
        -------
        dict
            ``y_pred``: codes i8 for classes (-1: a label the model did not list), f8 for numbers,
            shape (n,) or (n, n_outputs); with ``proba`` also ``y_proba`` f8 (n, k) or ``y_score``
            f8 (n,) or (n, k), where the model has them.
        """
        rows = self.inputs(frame)
        if proba and self._likeliest and self.first_call_ns is not None:
            found = self._probabilities(rows)
            return {"y_pred": found["y_proba"].argmax(axis=1), **found}
        answers = {"y_pred": self._encoded(_dense(self._first_timed(rows)))}
        if proba and self.info["has_proba"]:
            answers.update(self._probabilities(rows))
        elif proba and self.info["has_score"]:
            scores = _dense(self.estimator.decision_function(rows))
            answers["y_score"] = np.asarray(scores, dtype=np.float64)
        return answers

    def time_calls(self, frame: pd.DataFrame, plan: TimingPlan) -> dict[str, NDArray[Any]]:
        """Time ``predict`` on rotating batches that were made before.

        The very first call of this process is none of those timed; a plan without calls makes that
        one only, if it was not made before.

        Returns
        -------
        dict
            ``durations_ns`` i8 (n_calls,) and ``disturbed`` u1 (n_calls,): whether the thread was
            preempted (involuntary context switches) during the call.
        """
        rows = self._in_form(frame, plan.how)
        batches = [_part(rows, places) for places in _places(len(frame), plan)]
        never_called = self.first_call_ns is None
        for number in range(max(plan.warmup_calls, int(never_called))):
            self._first_timed(batches[number % len(batches)])
        if plan.max_calls == 0:
            return _timed(self.estimator.predict, batches, plan)
        with one_thread(len(sys.modules))():
            was_enabled = gc.isenabled()
            (gc.enable if plan.how == "gc" else gc.disable)()
            try:
                with one_filter() if plan.how == "one_filter" else _quietly():
                    return _timed(self.estimator.predict, batches, plan)
            finally:
                (gc.enable if was_enabled else gc.disable)()

    def _in_form(self, frame: pd.DataFrame, how: str) -> Any:  # noqa: ANN401
        if how == "frame":
            return frame
        rows = self.inputs(frame)
        return np.ascontiguousarray(rows) if how == "array" else rows

    def _first_timed(self, rows: Any) -> Any:  # noqa: ANN401
        """Predict, and remember how long the very first call of this process took."""
        if self.first_call_ns is not None:
            return self.estimator.predict(rows)
        start = time.perf_counter_ns()
        answer = self.estimator.predict(rows)
        self.first_call_ns = time.perf_counter_ns() - start
        return answer

    def _encoded(self, y_pred: NDArray[Any]) -> NDArray[Any]:
        if y_pred.ndim == 2 and y_pred.shape[1] == 1:
            y_pred = y_pred[:, 0]
        if not self._codes:
            integral = self.info["task"] in ("clustering", "outlier")
            return y_pred.astype(np.int64 if integral else np.float64)
        if y_pred.ndim == 1:
            return _encode(y_pred, self._codes[0])
        columns = [_encode(y_pred[:, i], codes) for i, codes in enumerate(self._codes)]
        return np.stack(columns, axis=1)

    def _probabilities(self, rows: Any) -> dict[str, NDArray[Any]]:  # noqa: ANN401
        answer = self.estimator.predict_proba(rows)
        if self.info["task"] == "multioutput":
            return {}
        if isinstance(answer, list):  # one (n, classes) table per label
            answer = np.stack([_p_one(t, c) for t, c in zip(answer, self._codes)], axis=1)  # noqa: B905
        return {"y_proba": np.asarray(_dense(answer), dtype=np.float64)}


LIKELIEST = ("ForestClassifier.predict", "BaggingClassifier.predict")
"""Methods of scikit-learn that compute ``predict_proba`` and answer with the likeliest class."""


def _is_likeliest(estimator: Any) -> bool:  # noqa: ANN401
    """Tell whether one pass gives classes and probabilities: a forest's passes cost the most."""
    kind = type(estimator)
    while (kind.__module__, kind.__name__) == ("sklearn.pipeline", "Pipeline"):
        estimator = estimator.steps[-1][1]
        kind = type(estimator)
    method = getattr(kind, "predict", None)
    told = getattr(method, "__qualname__", "")
    return told in LIKELIEST and method.__module__.startswith("sklearn.")


def _label_lists(info: dict[str, Any]) -> list[list[Any]]:
    """Return the class labels of every output; empty where numbers are predicted."""
    if info.get("output_classes"):
        return list(info["output_classes"])
    return [info["classes"]] if info.get("classes") else []


def _code_table(labels: list[Any]) -> dict[Any, int]:
    return {label: code for code, label in enumerate(labels)}


def _encode(labels: NDArray[Any], codes: dict[Any, int]) -> NDArray[np.int64]:
    """Return each label's place in the list of classes; -1 where it is not in there."""
    if labels.dtype.kind == "O":
        found = [codes.get(plain(label), -1) for label in labels.tolist()]
        return np.array(found, dtype=np.int64)
    distinct, places = np.unique(labels, return_inverse=True)
    known = [codes.get(plain(label), -1) for label in distinct]
    encoded: NDArray[np.int64] = np.array(known, dtype=np.int64)[places.reshape(-1)]
    return encoded


def _p_one(table: NDArray[Any], codes: dict[Any, int]) -> NDArray[np.float64]:
    """Return P(label = 1) from one label's probabilities; a label never seen has none."""
    if 1 not in codes:
        return np.zeros(len(table))
    return np.asarray(table, dtype=np.float64)[:, codes[1]]


def _dense(answer: Any) -> NDArray[Any]:  # noqa: ANN401 - whatever the model answered
    return np.asarray(answer.toarray() if hasattr(answer, "toarray") else answer)


def _places(n_rows: int, plan: TimingPlan) -> list[NDArray[np.int64]]:
    """Return which rows make each batch; rows repeat where there are too few for one."""
    n_batches = max(1, min(n_rows // plan.batch_size, MAX_BATCHES, plan.max_calls))
    return np.split(np.arange(n_batches * plan.batch_size) % n_rows, n_batches)


def _part(rows: Any, places: NDArray[np.int64]) -> Any:  # noqa: ANN401 - whatever the model takes
    """Return some rows as a copy of their own, as a caller would send them."""
    if isinstance(rows, list):
        return [rows[place] for place in places]
    return rows.iloc[places] if hasattr(rows, "iloc") else rows[places]


def _timed(predict: Any, batches: list[Any], plan: TimingPlan) -> dict[str, NDArray[Any]]:  # noqa: ANN401
    clock, usage = time.perf_counter_ns, resource.getrusage
    durations: list[int] = []
    disturbed: list[bool] = []
    end = clock() + int(plan.max_seconds * 1e9)
    while len(durations) < plan.max_calls and (not durations or clock() < end):
        batch = batches[len(durations) % len(batches)]
        before = usage(THREAD_USAGE).ru_nivcsw
        start = clock()
        predict(batch)
        durations.append(clock() - start)
        disturbed.append(usage(THREAD_USAGE).ru_nivcsw != before)
    return {
        "durations_ns": np.array(durations, dtype=np.int64),
        "disturbed": np.array(disturbed, dtype=np.uint8),
    }


@contextlib.contextmanager
def one_filter() -> Iterator[None]:
    """Ignore warnings, which nobody reads here, by one filter instead of a dozen.

    scikit-learn sets all filters anew for every tree of a forest that it asks, and numpy and scipy
    add some: of a call of 100 trees that is up to half.
    """
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Ignore warnings, such as that an array lacks the names of the columns.

    There are as many filters as before: a forest copies them for every tree, so each one more would
    lengthen every call.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        filters: Any = warnings.filters
        filters.pop()
        yield


@functools.lru_cache(maxsize=1)
def one_thread(n_modules: int) -> Any:  # noqa: ANN401 - threadpoolctl ships no types
    """Return what makes a context in which numerical libraries use one thread.

    Looking for the loaded libraries takes as long as a call of many a model, so it is done anew
    only when ``n_modules``, the number of imported modules, is another.
    """
    try:
        import threadpoolctl
    except ImportError:  # an old environment may lack it; timings are then merely noisier
        return getattr(contextlib, "nullcontext")  # noqa: B009
    if hasattr(threadpoolctl, "ThreadpoolController"):
        return functools.partial(threadpoolctl.ThreadpoolController().limit, limits=1)
    return functools.partial(threadpoolctl.threadpool_limits, 1)
