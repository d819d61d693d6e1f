"""A model in a file, as everything else sees it: ``open_model`` and ``ModelHandle``.

Owns: the one way from a model file to predictions. The model itself lives in a worker process
(``sandbox``); what comes back is checked here against what was asked, and class codes become
labels. A worker that died is replaced at the next call, so that one bad input does not end a run.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

import isolation
import load_failures
import model_policy
from base_types import Label
from composition_types import Composition, FoundBundle
from date_forms import TimeForm, as_model_takes
from errors import ModelError, ModelLoadError, ModelProtocolError, ModelRaisedError
from file_kinds import PROGRAMS
from isolation import IsolationReport
from model_types import (
    Asked,
    How,
    Lowered,
    ModelFeature,
    ModelFileInfo,
    ModelInfo,
    Predictions,
    SparseRows,
    Task,
    TimedCalls,
)
from module_packages import package_of
from sandbox import Limits, Worker, Workers
from worker_parent import LATE
from worker_protocol import Reply, clean_text

MAX_RESTARTS = 20
"""How often a run replaces a dead worker before the last error stays."""
MAX_ANSWER_BYTES = 1 << 30
"""Most bytes of one answer, whatever the model says of its outputs."""
MAX_LOWERED_BYTES = 256 << 20
"""Most bytes of a model as arrays."""
MAX_TIMED_CALLS = 1_000_000
AHEAD_BYTES = 64 << 10
"""A further table is sent while this much of answers is under way; a socket holds more."""
VERSION_TROUBLE = ("AttributeError", "ModuleNotFoundError", "ImportError", "NotImplementedError")
"""Exceptions of a first prediction that mean: made with another version of a library."""


def open_model(
    path: Path,
    file_info: ModelFileInfo,
    *,
    workers: Workers,
    limits: Limits | None = None,
    policy: str = "standard",
    approved: bool = False,
    composition: Composition | None = None,
) -> ModelHandle:
    """Load a model file in a worker of its own and try one prediction.

    Parameters
    ----------
    path : Path
        The stored file; its name says nothing about its format.
    file_info : ModelFileInfo
        What ``model_file`` found without loading it.
    workers : Workers
        Where the process comes from.
    limits : Limits, optional
        What the process is held to.
    policy : {"strict", "standard", "custom"}
        What the file may contain; only "custom" lets it run code of its own.
    approved : bool
        Whether the operator approved exactly this file; stands in for the full isolation that
        "custom" wants otherwise.
    composition : Composition, optional
        How the parts of a bundle belong together, where that was said by hand.

    Returns
    -------
    ModelHandle
        A context manager; closing it ends the process.

    Raises
    ------
    ModelLoadError
        If the file cannot be loaded, or holds no fitted model, or was made with library versions
        under which it loads but cannot predict, or if isolation is weaker than demanded.
    ModelCrashedError, ModelTimeoutError, ModelProtocolError
        If the process died, gave no answer or lied.
    """
    limits = limits or Limits()
    held = isolation.self_test(workers)
    needs = model_policy.needs_full_isolation(file_info, policy, approved=approved)
    _refuse_weak_isolation(file_info.name, needs, limits.isolation, held)
    limits = replace(limits, imports=_late_imports(file_info))
    handle = ModelHandle(path, file_info, workers, limits, policy)
    handle.composition = composition
    try:
        handle.load()
        handle.try_one_row()
    except ModelError:
        handle.close()
        raise
    return handle


class ModelHandle:
    """A loaded model behind ``model_types.Model``; see ``open_model``.

    Examples
    --------
    >>> with open_model(path, file_info, workers=workers) as model:  # doctest: +SKIP
    ...     model.predict(frame).y_pred
    """

    def __init__(
        self,
        path: Path,
        file_info: ModelFileInfo,
        workers: Workers,
        limits: Limits,
        policy: str,
    ) -> None:
        self.file_info = file_info
        self.load_ms = 0.0
        self.warnings: list[str] = []
        self.composition: Composition | None = None
        self.bundle: FoundBundle | None = None
        self.time_forms: Mapping[str, TimeForm] = {}
        """Columns of times that the model takes as numbers; set once the schema is known."""
        self._path, self._workers, self._limits, self._policy = path, workers, limits, policy
        self._worker: Worker | None = None
        self._info: ModelInfo | None = None
        self._restarts = 0
        self._last_error: ModelError | None = None
        self._unsent: ModelError | None = None
        """Why a table could not be sent; belongs to the first table that waits for an answer."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def info(self) -> ModelInfo:
        """What the model said of itself after loading."""
        if self._info is None:
            message = "The model was not loaded."
            raise ModelLoadError(message)
        return self._info

    @property
    def isolation(self) -> str:
        """How the model's process is held: "full", or "partial" with what is missing."""
        return isolation.self_test(self._workers).summary

    def close(self) -> None:
        """End the model's process."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def load(self) -> None:
        """Start a worker and load the file in it; fills ``info``, ``warnings`` and ``load_ms``.

        Raises
        ------
        ModelLoadError
            If the file cannot be loaded; other model errors as ``sandbox.Worker.request``.
        """
        self.close()
        self._worker = self._workers.spawn(self._path, self._limits)
        started = time.perf_counter()
        try:
            reply = self._worker.request(
                self._load_request(),
                doing="loading",
                timeout=self._limits.load_seconds,
            )
        except ModelRaisedError as error:
            told = load_failures.why_not_loaded(self.file_info, self._policy, error)
            raise ModelLoadError(told) from error
        if self._info is None:
            self.load_ms = (time.perf_counter() - started) * 1000
            self._info = _checked_info(reply)
            self._take_bundle(reply)
            self.warnings = _checked_warnings(reply)

    def _load_request(self) -> dict[str, Any]:
        wanted = self.composition
        asked = None if wanted is None else wanted.model_dump(mode="json")
        return {"op": "load", "policy": self._policy, "composition": asked}

    def _take_bundle(self, reply: Reply) -> None:
        """Keep what was made of a bundle; names found for the classes are shown from now on."""
        self.bundle = _checked_bundle(reply)
        if self.bundle is None:
            return
        self.bundle.is_corrected = self.composition is not None
        if self.bundle.class_names is not None:
            self.name_classes(self.bundle.class_names)

    def name_classes(self, names: Sequence[Label]) -> None:
        """Show other labels for the classes than the model's own, in its order.

        Raises
        ------
        ModelProtocolError
            If there are not as many different names as classes.
        """
        self._info = named_info(self.info, names)

    def twin(self) -> Self:
        """Load the same file once more, in another process; whoever asks closes it.

        Raises
        ------
        ModelError
            As ``load``.
        """
        other = type(self)(self._path, self.file_info, self._workers, self._limits, self._policy)
        other.composition = self.composition
        try:
            other.load()
        except ModelError:
            other.close()
            raise
        return other

    def try_one_row(self) -> None:
        """Predict one made-up row, for files that load under a newer library and fail only then.

        Raises
        ------
        ModelLoadError
            If the failure is one of library versions. A model that merely dislikes the row gets
            a line in ``warnings``.
        """
        row = probe_row(self.info)
        if row is None:
            return
        try:
            self.predict(row)
        except ModelRaisedError as error:
            if error.exception_type in VERSION_TROUBLE:
                raise ModelLoadError(_version_sentence(error, self.file_info, self.info)) from error
            self.warnings.append(f"A first prediction of one made-up row failed: {error}")

    def predict(self, frame: pd.DataFrame, *, proba: bool = True) -> Predictions:
        """Predict the rows of ``frame``; see ``model_types.Model``."""
        reply = self._ask(
            {"op": "predict", "proba": proba},
            frame,
            doing="predicting",
            max_bytes=_promised_bytes(self.info, len(frame)),
        )
        return _predictions(reply, self.info, len(frame), proba=proba)

    def predict_each(self, tables: Iterable[Asked]) -> Generator[Predictions | ModelError]:
        """Predict one table after the other; see ``model_types.QueueModel``.

        The next table is made and sent while the model works on the one before, so neither
        process waits for the other's arithmetic. Close the iterator before asking anything else.
        """
        waiting: deque[Asked] = deque()
        try:
            for table in tables:
                waiting.append(table)
                self._send_newest(waiting)
                if len(waiting) > 1:
                    yield self._next_answer(waiting)
            while waiting:
                yield self._next_answer(waiting)
        finally:
            self._drop(waiting)

    def _send_newest(self, waiting: deque[Asked]) -> None:
        """Send the last table at once, unless the answers before it may fill a socket's buffer."""
        *before, table = waiting
        try:
            worker = self._worker if before else self._living_worker()
            under_way = sum(_promised_bytes(self.info, len(asked.frame)) for asked in before)
            if worker is not None and worker.n_awaited == len(before) and under_way <= AHEAD_BYTES:
                self._send(worker, table)
        except ModelError as error:
            self._unsent = error

    def _send(self, worker: Worker, table: Asked) -> None:
        worker.send(
            {"op": "predict", "proba": table.proba},
            as_model_takes(table.frame, self.time_forms),
            doing="predicting",
            timeout=self._limits.call_seconds,
        )

    def _next_answer(self, waiting: deque[Asked]) -> Predictions | ModelError:
        """Return the answer to the first table that waits, which is sent now if it was not."""
        table = waiting.popleft()
        try:
            if self._unsent is not None:
                raise self._unsent
            worker = self._living_worker()
            if not worker.n_awaited:
                self._send(worker, table)
            return self._received(worker, table)
        except ModelError as error:
            self._last_error = error
            return error
        finally:
            self._unsent = None

    def _received(self, worker: Worker, table: Asked) -> Predictions:
        n_rows = len(table.frame)
        reply = worker.receive(
            doing="predicting",
            timeout=self._limits.call_seconds,
            max_bytes=_promised_bytes(self.info, n_rows),
        )
        return _predictions(reply, self.info, n_rows, proba=table.proba)

    def _drop(self, waiting: deque[Asked]) -> None:
        """Fetch the answers under way that nobody wants any more."""
        self._unsent = None
        while waiting and self._worker is not None and self._worker.n_awaited:
            with contextlib.suppress(ModelError):
                self._received(self._worker, waiting.popleft())

    def time_calls(
        self,
        frame: pd.DataFrame,
        *,
        batch_size: int,
        max_calls: int,
        max_seconds: float,
        warmup_calls: int = 0,
        how: How = "plain",
    ) -> TimedCalls:
        """Time ``predict`` inside the model's process; see ``model_types.Model``."""
        max_calls = min(max_calls, MAX_TIMED_CALLS)
        plan = {
            "batch_size": batch_size,
            "max_calls": max_calls,
            "max_seconds": max_seconds,
            "warmup_calls": warmup_calls,
            "how": how,
        }
        reply = self._ask(
            {"op": "time", "plan": plan},
            frame,
            doing="being timed",
            max_bytes=max_calls * 9,
            extra_seconds=max_seconds,
        )
        durations = _array(reply, "durations_ns", (None,))
        disturbed = _array(reply, "disturbed", durations.shape)
        cold_ns, cpu_ns = reply.header.get("cold_ns"), reply.header.get("cpu_ns")
        return TimedCalls(
            durations_ns=durations.astype(np.int64),
            disturbed=disturbed.astype(bool),
            cold_ns=cold_ns if isinstance(cold_ns, int) else None,
            warmup_calls=warmup_calls,
            cpu_ns=cpu_ns if isinstance(cpu_ns, int) else None,
        )

    def peak_memory_bytes(self) -> int:
        """Highest resident memory of the model's process so far."""
        peak = self._ask({"op": "memory"}, doing="telling its memory").header.get("peak_bytes")
        if not isinstance(peak, int):
            _refuse("no peak memory")
        return peak

    def resident_bytes(self) -> int:
        """Resident memory of the model's process now, 0 where the platform does not tell."""
        now = self._ask({"op": "memory"}, doing="telling its memory").header.get("resident_bytes")
        return now if isinstance(now, int) else 0

    def transform(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Matrix that reaches the final estimator, shape (n, k)."""
        reply = self._ask(
            {"op": "transform"}, frame, doing="transforming", max_bytes=MAX_ANSWER_BYTES
        )
        return _array(reply, "matrix", (len(frame), None)).astype(np.float64, copy=False)

    def transform_sparse(self, frame: pd.DataFrame) -> SparseRows:
        """Matrix that reaches the final estimator, without its zeros."""
        reply = self._ask(
            {"op": "transform_sparse"}, frame, doing="transforming", max_bytes=MAX_ANSWER_BYTES
        )
        data, indices = _array(reply, "data", (None,)), _array(reply, "indices", (None,))
        indptr = _array(reply, "indptr", (len(frame) + 1,))
        return _checked_rows(data, indices, indptr, reply.header.get("width"))

    def lower(self) -> Lowered | None:
        """Return the model as arrays, or None where no exact form is known."""
        reply = self._ask({"op": "lower"}, doing="being read", max_bytes=MAX_LOWERED_BYTES)
        meta = reply.header.get("meta")
        if meta is None:
            return None
        if not isinstance(meta, dict):
            _refuse("no description of its arrays")
        return Lowered(meta, reply.arrays)

    def _ask(
        self,
        header: dict[str, Any],
        frame: pd.DataFrame | None = None,
        *,
        doing: str,
        max_bytes: int = 0,
        extra_seconds: float = 0.0,
    ) -> Reply:
        """Ask the worker, a new one if the last has died."""
        worker = self._living_worker()
        try:
            return worker.request(
                header,
                None if frame is None else as_model_takes(frame, self.time_forms),
                doing=doing,
                timeout=self._limits.call_seconds + extra_seconds,
                max_bytes=max_bytes,
            )
        except ModelError as error:
            self._last_error = error
            raise

    def _living_worker(self) -> Worker:
        if self._worker is not None and self._worker.alive:
            return self._worker
        if self._restarts >= MAX_RESTARTS and self._last_error is not None:
            raise self._last_error
        self._restarts += 1
        self.load()
        return self._worker  # type: ignore[return-value]


def _late_imports(file: ModelFileInfo) -> tuple[str, ...]:
    """Return the libraries that a file needs and that cannot be imported once confined."""
    roots = {name.partition(".")[0] for name in file.imports}
    if file.container in PROGRAMS:
        roots.add("torch")
    return tuple(name for name in LATE if name in roots)


def _refuse_weak_isolation(
    name: str, needs_full: str | None, required: str, held: IsolationReport
) -> None:
    """Raise unless the model is held as firmly as the policy and the operator demand."""
    if needs_full is not None and not held.reaches("full"):
        why = needs_full
    elif not held.reaches(required):
        why = f"{required} isolation is required"
    else:
        return
    message = (
        f"{name} was not loaded: {why}; here it is {held.summary}. Use Linux 5.13 or later with "
        "Landlock and libseccomp, or save the model with library classes only, use the policy "
        "standard and require less isolation."
    )
    raise ModelLoadError(message)


def probe_row(info: ModelInfo) -> pd.DataFrame | None:
    """Return one plausible row of a model's input, or None if its columns are unknown.

    Examples
    --------
    >>> age = ModelFeature(name="age", mean=41.5)
    >>> probe_row(ModelInfo(task=Task.BINARY, estimator="Pipeline", features=[age]))
        age
    0  41.5
    """
    if not info.features:
        return None
    names = [feature.name for feature in info.features]
    values = [_plausible(feature) for feature in info.features]
    frame = pd.DataFrame({i: [value] for i, value in enumerate(values)})
    frame.columns = pd.Index(names)
    return frame


def _plausible(feature: ModelFeature) -> Any:  # noqa: ANN401 - a cell of any kind
    if feature.categories:
        return feature.categories[0]
    if feature.kind in ("text", "categorical"):  # categories that the model keeps to itself
        return "text"
    if feature.kind == "datetime":
        return pd.Timestamp("2020-01-01")
    bounds = (feature.mean, feature.minimum, feature.maximum, 0.0)
    middle = next(value for value in bounds if value is not None)
    return bool(middle) if feature.kind == "boolean" else float(middle)


# ------------------------------------------------------------------- checking what came back


def _checked_info(reply: Reply) -> ModelInfo:
    try:
        info = ModelInfo.model_validate(reply.header.get("info"))
    except ValidationError:
        _refuse("no valid description of itself")
    if info.n_outputs < 1 or info.n_outputs > 100_000:
        _refuse("an impossible number of outputs")
    return info


def named_info(info: ModelInfo, names: Sequence[Label]) -> ModelInfo:
    """Return what a model said of itself, with names for its classes.

    Examples
    --------
    >>> info = ModelInfo(task=Task.BINARY, estimator="SVC", classes=[0, 1])
    >>> named = named_info(info, ["no", "yes"])
    >>> named.classes, named.class_codes
    (['no', 'yes'], [0, 1])
    """
    if info.classes is None or not len(set(names)) == len(names) == len(info.classes):
        _refuse("names that are not one for each class")
    codes = info.class_codes or info.classes
    return info.model_copy(update={"classes": list(names), "class_codes": codes})


def _checked_bundle(reply: Reply) -> FoundBundle | None:
    told = reply.header.get("bundle")
    try:
        return None if told is None else FoundBundle.model_validate(told)
    except ValidationError:
        _refuse("no valid account of its parts")


def _checked_warnings(reply: Reply) -> list[str]:
    told = reply.header.get("warnings")
    return [clean_text(text, 2000) for text in told[:20]] if isinstance(told, list) else []


def _promised_bytes(info: ModelInfo, n_rows: int) -> int:
    """Return the most bytes an honest answer for ``n_rows`` rows can have."""
    n_classes = len(info.classes or [])
    width = max(n_classes, info.n_outputs)
    if info.has_score and not info.has_proba:  # one-against-one decision functions
        width = max(width, n_classes * (n_classes - 1) // 2)
    return min(8 * n_rows * (info.n_outputs + width), MAX_ANSWER_BYTES)


def _predictions(reply: Reply, info: ModelInfo, n_rows: int, *, proba: bool) -> Predictions:
    """Return what a reply says of ``n_rows`` rows, checked and decoded."""
    y_pred = _decoded(_array(reply, "y_pred", _prediction_shape(info, n_rows)), info)
    return Predictions(y_pred, *_chances(reply, info, n_rows)) if proba else Predictions(y_pred)


def _prediction_shape(info: ModelInfo, n_rows: int) -> tuple[int, ...]:
    several = info.n_outputs > 1 or info.task in (Task.MULTILABEL, Task.MULTIOUTPUT)
    return (n_rows, info.n_outputs) if several else (n_rows,)


def _chances(reply: Reply, info: ModelInfo, n_rows: int) -> tuple[Any, Any]:
    """Return probabilities and scores, one of them or both None."""
    if info.has_proba and info.task is not Task.MULTIOUTPUT:
        width = len(info.classes) if info.classes else info.n_outputs
        return _array(reply, "y_proba", (n_rows, width)), None
    if not info.has_score or info.has_proba:
        return None, None
    one_column = info.task in (Task.BINARY, Task.OUTLIER)
    return None, _array(reply, "y_score", (n_rows,) if one_column else (n_rows, None))


def _array(reply: Reply, name: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Return an array of the reply; a ``None`` in ``shape`` stands for any size."""
    values = reply.arrays.get(name)
    if values is None:
        _refuse(f"no {name}")
    fits = values.ndim == len(shape) and all(
        want is None or have == want for have, want in zip(values.shape, shape, strict=True)
    )
    if not fits:
        want = " × ".join("any" if size is None else str(size) for size in shape)
        have = " × ".join(map(str, values.shape))
        _refuse(f"{name} of {have}, expected {want}")
    return values


def _checked_rows(
    data: NDArray[Any], indices: NDArray[Any], indptr: NDArray[Any], width: object
) -> SparseRows:
    """Return sparse rows whose places all lie inside the matrix."""
    if not isinstance(width, int) or indices.dtype.kind != "i" or indptr.dtype.kind != "i":
        _refuse("sparse rows of an unknown form")
    ends = indptr[0] == 0 and indptr[-1] == len(data) == len(indices)
    inside = not len(indices) or 0 <= indices.min() <= indices.max() < width
    if not (ends and inside and (np.diff(indptr) >= 0).all()):
        _refuse("sparse rows that do not fit together")
    cells = data.astype(np.float64, copy=False)
    return SparseRows(cells, indices.astype(np.int64), indptr.astype(np.int64), width)


def _decoded(codes: NDArray[Any], info: ModelInfo) -> NDArray[Any]:
    """Return labels for class codes; numbers as they are."""
    if info.output_classes:
        columns = [_labels(codes[:, i], classes) for i, classes in enumerate(info.output_classes)]
        return np.stack(columns, axis=1)
    return _labels(codes, info.classes) if info.classes else codes


def _labels(codes: NDArray[Any], classes: list[Label]) -> NDArray[Any]:
    if codes.size and (codes.dtype.kind != "i" or codes.min() < 0 or codes.max() >= len(classes)):
        _refuse("a class that it did not list")
    kinds = {type(label) for label in classes}
    labels = np.array(classes, dtype=None if len(kinds) == 1 else object)
    decoded: NDArray[Any] = labels[codes]
    return decoded


def _refuse(what: str) -> NoReturn:
    message = f"The model's process answered with {what}."
    raise ModelProtocolError(message)


def _version_sentence(error: ModelRaisedError, file_info: ModelFileInfo, info: ModelInfo) -> str:
    """Say with which versions a file was made and with which it was tried."""
    made = ", ".join(f"{k} {v}" for k, v in sorted(file_info.written_with.items()))
    here = ", ".join(
        f"{library} {version}"
        for library, version in sorted(info.versions.items())
        if not file_info.written_with or package_of(library) in file_info.written_with
    )
    return (
        f"{file_info.name} loads but cannot predict under {here}: {error}. It was made with "
        f"{made or 'other versions'}; save it again with the versions used here."
    )
