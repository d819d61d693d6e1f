"""What is known of a model, and the one interface through which anything speaks to it.

Owns: ``ModelFileInfo`` (read from the file without loading it), ``ModelInfo`` (told by the worker
after loading), ``Predictions`` and the ``Model`` protocol. Pure modules depend on ``Model``;
``model_utils.ModelHandle`` implements it over a confined worker process, tests may implement it
over a plain estimator. Labels (``y_true``) never pass through this interface.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from base_types import Label, TypedModel
from composition_types import Part
from errors import ModelError


class Task(StrEnum):
    """What a model does, decided by the worker from the fitted estimator."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    MULTILABEL = "multilabel"
    MULTIOUTPUT = "multioutput"  # several class outputs that are not all binary
    REGRESSION = "regression"
    CLUSTERING = "clustering"
    OUTLIER = "outlier"

    @property
    def is_classification(self) -> bool:
        """Whether one class label per row is predicted."""
        return self in (Task.BINARY, Task.MULTICLASS)


class Safety(StrEnum):
    """Verdict of the inspection before anything is loaded."""

    TRUSTED = "trusted types only"
    UNKNOWN = "unknown types"
    DANGEROUS = "dangerous"


class ModelFileInfo(TypedModel):
    """What the bytes of a model file say, found without unpickling anything."""

    name: str = Field(description="File name as uploaded, cleaned for display")
    size_bytes: int
    sha256: str
    container: str = Field(
        description="pickle, joblib, skops, onnx, xgboost-json, xgboost-ubj, lightgbm-text, "
        "catboost-cbm, torchscript or torch-export"
    )
    compression: str | None = None
    decompressed_bytes: int | None = Field(
        default=None, description="Size after decompression, of a compressed file read to its end"
    )
    protocol: int | None = Field(default=None, description="Pickle protocol")
    imports: list[str] = Field(default_factory=list, description="module.name, sorted")
    safety: Safety = Safety.UNKNOWN
    reasons: list[str] = Field(default_factory=list, description="Why this verdict")
    blocked: list[str] = Field(default_factory=list, description="Imports that the policy refuses")
    written_with: dict[str, str] = Field(default_factory=dict, description="library -> version")
    estimator: str | None = Field(default=None, description="Class at the root, if the file tells")
    members: list[Part] = Field(
        default_factory=list, description="Of a file that holds more than a model"
    )
    notes: list[str] = Field(default_factory=list)


class ModelFeature(TypedModel):
    """One raw input column as far as the model itself tells."""

    name: str
    kind: Literal["float", "integer", "categorical", "boolean", "datetime", "text"] = "float"
    categories: list[Label] | None = Field(default=None, description="Of text: its common words")
    frequencies: list[float] | None = Field(default=None, description="Shares of these words")
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    std: float | None = None
    source: str = Field(default="", description="Which part of the model told it")


class PipelineStep(TypedModel):
    """One step of a pipeline, in order."""

    name: str
    estimator: str
    parameters: dict[str, str] = Field(default_factory=dict, description="repr, cut to 120")


class ModelInfo(TypedModel):
    """What the loaded model says of itself ("reported by the model")."""

    task: Task
    estimator: str = Field(description="Class name of the outermost object")
    module: str = ""
    final_estimator: str = Field(default="", description="Class name of the innermost predictor")
    n_features: int | None = None
    feature_names_known: bool = False
    features: list[ModelFeature] = Field(default_factory=list)
    wants_frame: bool = Field(default=False, description="Fitted on named columns (a DataFrame)")
    input_form: Literal["matrix", "frame", "categories", "text", "records"] = Field(
        default="matrix",
        description="What predict takes; categories: a frame with pandas' category columns; "
        "text: one column of documents; records: one dict per row",
    )
    n_outputs: int = 1
    output_names: list[str] = Field(default_factory=list, description="One per output or label")
    classes: list[Label] | None = Field(default=None, description="Of a single-output classifier")
    class_codes: list[Label] | None = Field(
        default=None, description="The model's own labels, where ``classes`` are names for them"
    )
    output_classes: list[list[Label]] | None = Field(default=None, description="Per output")
    has_proba: bool = False
    has_score: bool = Field(default=False, description="Has decision_function")
    steps: list[PipelineStep] = Field(default_factory=list)
    parameters: dict[str, str] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict, description="Libraries in the worker")
    memory_bytes: int | None = Field(default=None, description="Growth of the worker by loading")
    notes: list[str] = Field(default_factory=list)

    @property
    def text_columns(self) -> list[str]:
        """Inputs whose values the model knows as texts, also where these are digits."""
        return [
            each.name
            for each in self.features
            if each.categories and all(isinstance(value, str) for value in each.categories)
        ]


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers of a model for the rows of one table.

    Parameters
    ----------
    y_pred : ndarray, shape (n,) or (n, n_outputs)
        Class labels decoded to ``ModelInfo.classes`` (object or native dtype), numbers for
        regression, cluster numbers, or -1/1 for outlier detectors.
    y_proba : ndarray of float, shape (n, n_classes), or (n, n_outputs) for multilabel, optional
        Class probabilities in the order of ``ModelInfo.classes``; for multilabel P(label = 1).
    y_score : ndarray of float, shape (n,) or (n, n_classes), optional
        ``decision_function`` where there are no probabilities.
    """

    y_pred: NDArray[Any]
    y_proba: NDArray[np.float64] | None = None
    y_score: NDArray[np.float64] | None = None

    def part(self, rows: slice | NDArray[np.int64]) -> Predictions:
        """Return the answers for some of the rows."""
        proba, score = self.y_proba, self.y_score
        return Predictions(
            self.y_pred[rows],
            None if proba is None else proba[rows],
            None if score is None else score[rows],
        )


How = Literal["plain", "gc", "frame", "array", "one_filter"]
"""A call as it is, with garbage collection on, on one form of the input, or with one filter of
warnings where there are usually a dozen."""


class Asked(NamedTuple):
    """A table to be predicted, and whether with probabilities or scores."""

    frame: pd.DataFrame
    proba: bool = False


@dataclass(frozen=True, slots=True)
class TimedCalls:
    """Durations measured inside the worker.

    Parameters
    ----------
    durations_ns : ndarray of int64, shape (n_calls,)
        Each call's duration by ``time.perf_counter_ns``.
    disturbed : ndarray of bool, shape (n_calls,)
        Whether the host preempted the call (involuntary context switch), where the platform tells.
    cold_ns : int or None
        Duration of the very first prediction of this worker: one row, tried after loading.
    warmup_calls : int
        Calls made before timing and thrown away.
    cpu_ns : int or None
        Processor time of all threads of the model's process, preparation included.
    """

    durations_ns: NDArray[np.int64]
    disturbed: NDArray[np.bool_]
    cold_ns: int | None
    warmup_calls: int
    cpu_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Lowered:
    """A model as plain arrays, for the exact routes of ``explainability``.

    Parameters
    ----------
    meta : mapping
        ``{"kind": "linear" | "trees", ...}``; its keys are documented in ``model_lowering``.
    arrays : mapping of str to ndarray
        Named numeric arrays.
    """

    meta: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SparseRows:
    """Rows of a matrix without their zeros (compressed sparse rows).

    Parameters
    ----------
    data : ndarray of float, shape (m,)
    indices : ndarray of int, shape (m,)
        Column of each value.
    indptr : ndarray of int, shape (n + 1,)
        Where each row begins and the last one ends.
    width : int
        Columns of the matrix.
    """

    data: NDArray[np.float64]
    indices: NDArray[np.int64]
    indptr: NDArray[np.int64]
    width: int

    def row(self, at: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return columns and values of one row."""
        part = slice(int(self.indptr[at]), int(self.indptr[at + 1]))
        return self.indices[part], self.data[part]

    def __len__(self) -> int:
        return len(self.indptr) - 1


class Model(Protocol):
    """The only way to a model. Every method raises ``errors.ModelError`` when the model fails."""

    @property
    def info(self) -> ModelInfo:
        """What the model said of itself after loading."""
        ...

    def predict(self, frame: pd.DataFrame, *, proba: bool = True) -> Predictions:
        """Predict the rows of ``frame``, with probabilities or scores where the model has them."""
        ...

    def time_calls(
        self,
        frame: pd.DataFrame,
        *,
        batch_size: int,
        max_calls: int,
        max_seconds: float,
        warmup_calls: int = 0,
    ) -> TimedCalls:
        """Time ``predict`` on rotating batches of ``frame`` inside the model's process."""
        ...

    def peak_memory_bytes(self) -> int:
        """Highest resident memory of the model's process so far."""
        ...

    def transform(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Matrix that reaches the final estimator, shape (n, k); the input itself without steps."""
        ...

    def lower(self) -> Lowered | None:
        """Return the model as arrays, or None where no exact form is known."""
        ...


class QueueModel(Model, Protocol):
    """A model that takes the next table while it works on one."""

    def predict_each(self, tables: Iterable[Asked]) -> Generator[Predictions | ModelError]:
        """Predict tables, each in a call of its own; an error is the answer to its table alone.

        A table is taken from ``tables`` while the model still works on the one before.
        """
        ...


@runtime_checkable
class SparseModel(Model, Protocol):
    """A model whose transformed rows can be had without their zeros."""

    def transform_sparse(self, frame: pd.DataFrame) -> SparseRows:
        """Matrix that reaches the final estimator, without its zeros."""
        ...


def class_names(classes: Sequence[Label]) -> list[str]:
    """Return labels as display strings, in order."""
    return [str(label) for label in classes]
