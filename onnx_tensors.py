"""Rows of a table as the input tensors of a graph, and its output tensors as tables.

Owns: ``Slot`` (which columns fill an input), the conversion of values, made-up rows, and the parts
of answers. Stand-alone: standard library and numpy, Python 3.7 syntax.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onnx_bytes import OnnxModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Rows = Any
"""A table, a matrix or a list of texts."""

DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}
"""What each kind of input is made of."""

KINDS = {"f": "float", "i": "integer", "u": "integer", "b": "boolean", "O": "categorical"}
PROBE_ROWS = 8
SUM_TOLERANCE = 1e-3
"""How far the sum of probabilities may be from 1 in 32-bit floats."""
MAX_COLUMNS = 20_000


class Slot(NamedTuple):
    """One input tensor: its element type, and which columns of the table fill it."""

    name: str
    dtype: Any
    width: int
    flat: bool  # shape (n,) instead of (n, width)


def slot_of(one: Any) -> Slot:  # noqa: ANN401 - of onnxruntime
    """Return how an input takes columns, or tell why it takes no table."""
    dtype = DTYPES.get(one.type)
    if dtype is None:
        message = f"The input {one.name!r} takes {one.type}, which is no column of a table."
        raise OnnxModelError(message)
    shape = list(one.shape)
    if len(shape) == 1:
        return Slot(one.name, dtype, 1, True)
    if len(shape) != 2:
        message = (
            f"The input {one.name!r} takes tensors of shape {_shown(shape)} (pictures, sequences), "
            "not rows of a table. Only models that take one row per prediction can be tested."
        )
        raise OnnxModelError(message)
    width = shape[1]
    if not isinstance(width, int) or width < 1:
        message = (
            f"The input {one.name!r} does not tell its number of columns (shape {_shown(shape)}). "
            "Export the model with a fixed number, such as FloatTensorType([None, 4])."
        )
        raise OnnxModelError(message)
    if width > MAX_COLUMNS:
        message = f"The model takes {width:,} columns; {MAX_COLUMNS:,} are the most."
        raise OnnxModelError(message)
    return Slot(one.name, dtype, width, False)


def _shown(shape: list[Any]) -> str:
    return "(" + ", ".join(str(size) if isinstance(size, int) else "any" for size in shape) + ")"


def fixed_batch(inputs: list[Any]) -> int | None:
    """Return the number of rows that a graph was exported for, None where it takes any."""
    sizes = {one.shape[0] for one in inputs if one.shape and isinstance(one.shape[0], int)}
    return max(sizes) if sizes and max(sizes) > 0 else None


def kind_of(slot: Slot) -> str:
    """Return the kind of an input's columns."""
    return KINDS[np.dtype(slot.dtype).kind]


def column_names(slot: Slot) -> list[str]:
    """Return the names of an input's columns."""
    if slot.width == 1:
        return [slot.name]
    return [f"{slot.name}_{i}" for i in range(slot.width)]


def feature_of(name: str, kind: str, told: dict[str, Any]) -> dict[str, Any]:
    """Return one ``ModelFeature``; texts and categories keep no range."""
    known = {"name": name, "kind": kind, **told}
    if known["kind"] in ("categorical", "text"):
        kept = ("name", "kind", "categories", "source")
        return {key: value for key, value in known.items() if key in kept}
    return known


def columns_of(X: Rows, first: int, end: int) -> NDArray[Any]:
    """Return some columns of a table, a matrix or a list of texts, shape (n, end - first)."""
    if hasattr(X, "iloc"):
        return np.asarray(X.iloc[:, first:end].to_numpy())
    if isinstance(X, list):
        return np.array(X, dtype=object).reshape(-1, 1)
    return np.asarray(X)[:, first:end]


def as_element(block: NDArray[Any], slot: Slot) -> NDArray[Any]:
    """Return values as a tensor's element type; a missing text is the empty text."""
    kind = np.dtype(slot.dtype).kind
    if kind == "O":
        texts = ["" if value is None or value != value else str(value) for value in block.ravel()]
        return np.array(texts, dtype=object)
    numbers = block.astype(np.float64)
    if kind in "iub" and not np.isfinite(numbers).all():
        message = f"the input {slot.name!r} takes whole numbers and cannot take a missing value"
        raise ValueError(message)
    return np.ascontiguousarray(numbers.astype(slot.dtype))


def made_up(feature: dict[str, Any], rng: np.random.Generator) -> list[Any]:
    """Return a few plausible values of a column."""
    known = feature.get("categories")
    if not known and feature["kind"] in ("categorical", "text"):
        known = ["a"]
    if known:
        return [known[i % len(known)] for i in range(PROBE_ROWS)]
    if feature["kind"] in ("integer", "boolean"):
        return [int(one) for one in rng.integers(0, 2, PROBE_ROWS)]
    middle, width = feature.get("mean", 0.0), feature.get("std", 1.0)
    return [float(one) for one in middle + width * rng.normal(size=PROBE_ROWS)]


# ---------------------------------------------------------------- tensors to answers


def as_table(answer: Any) -> NDArray[Any]:  # noqa: ANN401 - tensor or list of maps
    """Return numbers as shape (n, k), from a tensor or from one map per row.

    Examples
    --------
    >>> as_table(np.array([1.0, 2.0])).shape
    (2, 1)
    """
    if isinstance(answer, list):
        return np.array([list(row.values()) for row in answer], dtype=np.float64)
    table = np.asarray(answer, dtype=np.float64)
    return table.reshape(len(table), -1)


def are_chances(table: NDArray[Any]) -> bool:
    """Whether rows hold numbers from 0 to 1 that add up to 1.

    Examples
    --------
    >>> are_chances(np.array([[0.3, 0.7]])), are_chances(np.array([[0.3, 0.6]]))
    (True, False)
    """
    inside = bool(((table >= -SUM_TOLERANCE) & (table <= 1 + SUM_TOLERANCE)).all())
    return inside and bool((abs(table.sum(axis=1) - 1) < SUM_TOLERANCE).all())


def column_of_class(table: NDArray[Any], labels: Any, positive: Any) -> int:  # noqa: ANN401
    """Return which column of scores is above 0 where the second class is predicted.

    Exporters differ: of support vector machines it is the first of two, of linear models the last.
    """
    is_positive = np.asarray(labels).ravel() == positive
    agreement = ((table > 0) == is_positive[:, None]).mean(axis=0)
    return int(len(agreement) - 1 - np.argmax(agreement[::-1]))


def padded(rows: NDArray[Any], size: int) -> NDArray[Any]:
    """Return rows with the last one repeated up to a fixed number.

    Examples
    --------
    >>> padded(np.array([1, 2]), 4).tolist()
    [1, 2, 2, 2]
    """
    missing = size - len(rows)
    return np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]) if missing else rows


def first_rows(answer: Any, kept: int) -> Any:  # noqa: ANN401
    """Return the first rows of a tensor or list of maps.

    Examples
    --------
    >>> first_rows([{"a": 0.1}, {"a": 0.2}], 1)
    [{'a': 0.1}]
    """
    return answer[:kept]


def join(pieces: list[Any]) -> Any:  # noqa: ANN401
    """Return the answers of several calls as one."""
    if isinstance(pieces[0], list):
        return [row for piece in pieces for row in piece]
    return np.concatenate(pieces)
