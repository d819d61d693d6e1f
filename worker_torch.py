"""A PyTorch program (TorchScript or ``torch.export``) as an estimator with ``predict``.

Owns: ``TorchModel``: rows into one tensor of 32-bit floats, the program's output as values or
class probabilities. What the output means is guessed from the answers to made-up rows and said in
a note. Stand-alone: standard library and numpy, Python 3.7 syntax; torch is imported when a model
is loaded. Such files carry a program of their own: they are loaded only in a confined process.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Program = Any
"""A callable module of torch."""

PROBE_ROWS = 16
PROBE_SCALE = 10.0
"""Made-up rows reach this far, so that a bounded output is no chance."""
SUM_TOLERANCE = 1e-3
MAX_COLUMNS = 20_000

LOGITS = (
    "The program gives {} numbers per row that are no probabilities; they are taken as logits of "
    "as many classes, numbered from 0."
)
CHANCES = "The program's {} numbers per row are taken as probabilities of classes numbered from 0."
CHANCE = "The program's one number per row is always from 0 to 1; it is taken as P(class 1)."
VALUE = "The program's one number per row is taken as a predicted value."


class TorchModelError(ValueError):
    """The program takes no table; the message says why."""


class TorchModel:
    """A program that takes a matrix and answers like a scikit-learn estimator.

    Parameters
    ----------
    data : bytes
        The whole file.
    container : {"torchscript", "torch-export"}

    Raises
    ------
    TorchModelError
        If it does not map a matrix to one number or one row of numbers per row.
    """

    predict: Any
    predict_proba: Any

    def __init__(self, data: bytes, container: str) -> None:
        import torch

        torch.set_num_threads(1)
        self._torch = torch
        self._program, self.n_features_in_ = _opened(torch, data, container)
        if self.n_features_in_ > MAX_COLUMNS:
            message = f"The program takes {self.n_features_in_:,} columns; {MAX_COLUMNS:,} is most."
            raise TorchModelError(message)
        self._container = container
        self.note = self._set_roles()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return what is known of the program: its form."""
        return {"form": self._container}

    def told_columns(self) -> dict[str, Any]:
        """Return the part of ``model_types.ModelInfo`` that concerns the input."""
        names = [f"x{i}" for i in range(self.n_features_in_)]
        return {
            "n_features": len(names),
            "feature_names_known": False,
            "features": [{"name": name, "kind": "float"} for name in names],
            "wants_frame": False,
            "input_form": "matrix",
            "notes": [self.note],
        }

    def _set_roles(self) -> str:
        """Decide what the output is, by its width and its range; return what was decided."""
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(PROBE_ROWS, self.n_features_in_)) * PROBE_SCALE
        table = self._run(rows)
        width = table.shape[1]
        inside = bool(((table >= -SUM_TOLERANCE) & (table <= 1 + SUM_TOLERANCE)).all())
        if width == 1 and not inside:
            self._estimator_type, self.predict = "regressor", self._values
            return VALUE
        self._estimator_type, self.predict = "classifier", self._most_likely
        self.classes_ = np.arange(max(width, 2))
        sums_to_one = bool((abs(table.sum(axis=1) - 1) < SUM_TOLERANCE).all())
        self._are_logits = width > 1 and not (inside and sums_to_one)
        self.predict_proba = self._probabilities
        if width == 1:
            return CHANCE
        return (LOGITS if self._are_logits else CHANCES).format(width)

    def _run(self, X: Any) -> NDArray[Any]:  # noqa: ANN401 - a table or a matrix
        """Return the program's answers as 64-bit floats, shape (n, k)."""
        rows = np.asarray(X.to_numpy() if hasattr(X, "to_numpy") else X)
        torch = self._torch
        try:
            with torch.no_grad():
                answer = self._program(torch.from_numpy(rows.astype(np.float32)))
        except RuntimeError as error:
            told = str(error).strip().splitlines()[-1:]
            message = (
                f"The program does not take a matrix of {rows.shape[1]} columns "
                f"({''.join(told)}). Only programs that take one row per prediction can be tested."
            )
            raise TorchModelError(message) from error
        answer = answer[0] if isinstance(answer, (tuple, list)) else answer
        if not isinstance(answer, torch.Tensor) or answer.shape[:1] != (len(rows),):
            message = "The program does not give one answer per row. Save one that does."
            raise TorchModelError(message)
        table = answer.detach().to(torch.float64).numpy()
        if table.ndim > 2:
            message = (
                f"The program gives answers of {table.ndim - 1} dimensions per row. Save one that "
                "gives a number or one number per class."
            )
            raise TorchModelError(message)
        return np.asarray(table.reshape(len(rows), -1))

    def _values(self, X: Any) -> NDArray[Any]:  # noqa: ANN401
        """Return predicted numbers, shape (n,)."""
        return self._run(X)[:, 0]

    def _most_likely(self, X: Any) -> NDArray[Any]:  # noqa: ANN401
        """Return the number of the likeliest class, shape (n,)."""
        return np.asarray(np.argmax(self._probabilities(X), axis=1))

    def _probabilities(self, X: Any) -> NDArray[Any]:  # noqa: ANN401
        """Return class probabilities, shape (n, classes)."""
        table = self._run(X)
        if table.shape[1] == 1:
            return np.column_stack([1 - table[:, 0], table[:, 0]])
        if self._are_logits:
            table = np.exp(table - table.max(axis=1, keepdims=True))
            table /= table.sum(axis=1, keepdims=True)
        return table


def _opened(torch: Program, data: bytes, container: str) -> tuple[Program, int]:
    """Return the program and the number of its input columns."""
    if container == "torchscript":
        program = torch.jit.load(io.BytesIO(data), map_location="cpu").eval()
        weights = [value for value in program.state_dict().values() if value.ndim == 2]
        if not weights:
            message = (
                "The program has no layer that tells the number of its input columns. Save a "
                "network whose first layer is linear, or export it to ONNX."
            )
            raise TorchModelError(message)
        return program, int(weights[0].shape[1])
    exported = torch.export.load(io.BytesIO(data))
    names = exported.graph_signature.user_inputs
    shapes = [node.meta["val"].shape for node in exported.graph.nodes if node.name in names]
    if len(shapes) != 1 or len(shapes[0]) != 2:
        message = "The program does not take one matrix. Export one that takes rows of a table."
        raise TorchModelError(message)
    if isinstance(shapes[0][0], int):
        message = (
            f"The program takes exactly {shapes[0][0]} rows at once. Export it with a dynamic "
            "first dimension: dynamic_shapes=({0: torch.export.Dim('n')},)."
        )
        raise TorchModelError(message)
    return exported.module(), int(shapes[0][1])
