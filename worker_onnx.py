"""An ONNX model as an estimator with ``predict``, run by onnxruntime.

Owns: ``OnnxModel``: rows into the graph's input tensors, its outputs as labels, probabilities,
scores or values. Which output is what is told by types, by the graph and by the answers to a few
made-up rows. Stand-alone: standard library and numpy, Python 3.7 syntax; onnxruntime is imported
when a model is loaded.
"""

from __future__ import annotations

import locale
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import onnx_columns
from model_facts import Facts, Origin
from onnx_graph import OnnxFile, read_onnx
from onnx_values import with_text_attribute

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
LABELS = ("tensor(int64)", "tensor(int32)", "tensor(string)", "tensor(bool)")
NUMBERS = ("tensor(float)", "tensor(double)", "tensor(float16)")
LOCALES = ("en_US.UTF-8", "C.UTF-8", "C")
CHANCES = frozenset(("Softmax", "Sigmoid"))
PROBE_ROWS = 8
SUM_TOLERANCE = 1e-3
"""How far the sum of probabilities may be from 1 in 32-bit floats."""
MAX_COLUMNS = 20_000


class OnnxModelError(ValueError):
    """The model cannot be run on tables, or not by this onnxruntime; the message says why."""


class Slot(NamedTuple):
    """One input tensor: its element type, and which columns of the table fill it."""

    name: str
    dtype: Any
    width: int
    flat: bool  # shape (n,) instead of (n, width)


class OnnxModel:
    """A graph that takes tables and answers like a scikit-learn estimator.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    OnnxModelError
        If its inputs are no table, or this onnxruntime does not know its version or operators.
    ImportError
        If onnxruntime is not installed.
    """

    predict: Any
    predict_proba: Any
    decision_function: Any

    def __init__(self, data: bytes) -> None:
        self._file = read_onnx(data)
        trouble = self._file.trouble()
        if trouble:
            raise OnnxModelError(trouble)
        self._session = _session(_with_known_locale(data, self._file))
        inputs = self._session.get_inputs()
        self._batch = _fixed_batch(inputs)
        self._slots = [_slot(one) for one in inputs]
        self._columns = self._describe_columns()
        self.n_features_in_ = len(self._columns["features"])
        self._outputs = self._session.get_outputs()
        self._set_roles()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return what the file says of its making."""
        counts = sorted(self._file.operators.items(), key=lambda item: (-item[1], item[0]))
        producer = f"{self._file.producer} {self._file.producer_version}".strip()
        return {
            "producer": producer,
            "opset": dict(self._file.opsets),
            "operators": ", ".join(op for (_, op), _ in counts),
        }

    def told_columns(self) -> dict[str, Any]:
        """Return the part of ``model_types.ModelInfo`` that concerns the input."""
        return self._columns

    # -------------------------------------------------------------- input

    def _describe_columns(self) -> dict[str, Any]:
        """Return the columns of all inputs, with what the graph knows of them."""
        one_matrix = len(self._slots) == 1 and self._slots[0].dtype is not np.object_
        names = [name for slot in self._slots for name in _column_names(slot)]
        if one_matrix:
            names = [f"x{i}" for i in range(len(names))]
        facts = Facts(names)
        where: dict[str, list[Origin | None]] = {}
        for slot in self._slots:
            first = sum(len(columns) for columns in where.values())
            where[slot.name] = [Origin(first + i) for i in range(slot.width)]
            for origin in where[slot.name]:
                if _kind(slot) in ("integer", "boolean"):
                    facts.tell(origin, "input", kind=_kind(slot))
        onnx_columns.tell_columns(self._file, where, facts)
        kinds = [
            KINDS[np.dtype(slot.dtype).kind] for slot in self._slots for _ in range(slot.width)
        ]
        features = [
            _feature(name, kind, told)
            for name, kind, told in zip(names, kinds, facts.columns)  # noqa: B905 - old Pythons
        ]
        text = len(features) == 1 and features[0]["kind"] == "text"
        return {
            "n_features": len(features),
            "feature_names_known": not one_matrix and not text,
            "features": features,
            "wants_frame": not one_matrix and not text,
            "input_form": "text" if text else "matrix" if one_matrix else "frame",
        }

    def _feed(self, X: Rows) -> dict[str, NDArray[Any]]:
        """Return the input tensors for rows."""
        feed = {}
        first = 0
        for slot in self._slots:
            block = _columns_of(X, first, first + slot.width)
            values = _as_element(block, slot)
            feed[slot.name] = values.reshape(-1) if slot.flat else values.reshape(-1, slot.width)
            first += slot.width
        return feed

    # -------------------------------------------------------------- output

    def _run(self, X: Rows, names: list[str]) -> list[Any]:
        """Return outputs for all rows, in pieces where the graph has a fixed number of rows."""
        feed = self._feed(X)
        if self._batch is None:
            answer: list[Any] = self._session.run(names, feed)
            return answer
        n_rows = len(next(iter(feed.values())))
        pieces = []
        for start in range(0, n_rows, self._batch):
            part = {name: _padded(rows[start : start + self._batch], self._batch)
                    for name, rows in feed.items()}  # fmt: skip
            kept = min(self._batch, n_rows - start)
            pieces.append([_cut(one, kept) for one in self._session.run(names, part)])
        return [_joined([piece[i] for piece in pieces]) for i in range(len(names))]

    def _set_roles(self) -> None:
        """Decide which output is the label and which the chances, scores or values."""
        labels = [out for out in self._outputs if out.type in LABELS]
        others = [out for out in self._outputs if out not in labels]
        usable = [out for out in others if out.type in NUMBERS or out.type.startswith("seq(")]
        if not labels and not usable:
            kinds = ", ".join(f"{out.name} ({out.type})" for out in self._outputs)
            message = f"None of the model's outputs can be read as predictions: {kinds}."
            raise OnnxModelError(message)
        self._second = usable[0].name if usable else None
        if labels:
            self._label = labels[0].name
            self._set_labelled()
        else:
            self._set_values(usable[0])

    def _set_labelled(self) -> None:
        """Tell a classifier, a clustering and an outlier detector apart."""
        label, second = self._label, self._second
        answers = self._probe([name for name in (label, second) if name is not None])
        found = np.asarray(answers[0])
        per_output = onnx_columns.label_columns(self._file, label)
        if found.ndim == 2 and found.shape[1] > 1 and per_output:
            self.classes_: Any = [np.asarray(labels) for labels in per_output]
            self._estimator_type = "classifier"
            self.predict = self._labels
            if second and isinstance(answers[1], list) and self._batch is None:
                self.predict_proba = self._probability_lists
            return
        classes = onnx_columns.class_labels(self._file, label)
        self.predict = self._labels
        if classes is None and onnx_columns.is_nearest(self._file, label):
            self._estimator_type = "clusterer"
        elif classes is None and set(np.unique(found).tolist()) <= {-1, 1}:
            self._estimator_type = "outlier_detector"
            if second is not None:
                self.decision_function = self._scores
        else:
            self._set_classes(classes, answers)

    def _set_classes(self, classes: list[Any] | None, answers: list[Any]) -> None:
        """Set what a classifier has: its labels, and probabilities or scores."""
        self._estimator_type = "classifier"
        table = _table(answers[1]) if len(answers) > 1 else None
        if classes is None:
            is_text = np.asarray(answers[0]).dtype.kind in "OSU"
            if table is None or table.shape[1] < 2 or is_text:
                message = "The model's graph does not tell which classes its labels are from."
                raise OnnxModelError(message)
            classes = list(range(table.shape[1]))
        self.classes_ = np.asarray(classes)
        if table is None:
            return
        if table.shape[1] == len(classes) and _are_chances(table):
            self.predict_proba = self._probabilities
        else:
            self.decision_function = self._scores

    def _set_values(self, output: Any) -> None:  # noqa: ANN401 - of onnxruntime
        """Decide whether numbers without a label are chances of classes or predicted values."""
        table = _table(self._probe([output.name])[0])
        self._label = output.name
        chances = onnx_columns.ends_in(self._file, output.name, CHANCES)
        if chances and (table.shape[1] == 1 or _are_chances(table)):
            self._estimator_type = "classifier"
            self.classes_ = np.arange(max(2, table.shape[1]))
            self.predict_proba = self._probabilities
            self.predict = self._most_likely
            return
        self._estimator_type = "regressor"
        self.n_outputs_ = table.shape[1]
        self.predict = self._values

    def _probe(self, names: list[str]) -> list[Any]:
        """Return the answers for a few made-up rows, which show what each output holds."""
        rng = np.random.default_rng(0)
        cells = [_made_up(feature, rng) for feature in self._columns["features"]]
        rows = np.array(cells, dtype=object).T
        return self._run(rows, names)

    def _labels(self, X: Rows) -> NDArray[Any]:
        """Return one label per row, shape (n,), or (n, outputs)."""
        found = np.asarray(self._run(X, [self._label])[0])
        return found.ravel() if found.ndim == 2 and found.shape[1] == 1 else found

    def _values(self, X: Rows) -> NDArray[Any]:
        """Return predicted numbers, shape (n,) or (n, outputs)."""
        table = _table(self._run(X, [self._label])[0])
        return table[:, 0] if table.shape[1] == 1 else table

    def _most_likely(self, X: Rows) -> NDArray[Any]:
        """Return the number of the likeliest class, shape (n,)."""
        return np.asarray(self.classes_[np.argmax(self._probabilities(X), axis=1)])

    def _probabilities(self, X: Rows) -> NDArray[Any]:
        """Return class probabilities, shape (n, classes)."""
        table = _table(self._run(X, [self._second])[0])  # type: ignore[list-item]
        if table.shape[1] == 1:
            return np.column_stack([1 - table[:, 0], table[:, 0]])
        return table

    def _probability_lists(self, X: Rows) -> list[NDArray[Any]]:
        """Return one table of probabilities per output."""
        return [np.asarray(one) for one in self._run(X, [self._second])[0]]  # type: ignore[list-item]

    def _scores(self, X: Rows) -> NDArray[Any]:
        """Return scores, shape (n,) for two classes and outliers, else (n, k)."""
        table = _table(self._run(X, [self._second])[0])  # type: ignore[list-item]
        if table.shape[1] <= 2:
            return table[:, -1]
        return table


# ---------------------------------------------------------------- the runtime


def _session(data: bytes) -> Any:  # noqa: ANN401 - of onnxruntime
    """Return a session on one thread, or one sentence on why there is none."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise OnnxModelError(_why_no_session(str(error), onnxruntime.__version__)) from error


def _with_known_locale(data: bytes, file: OnnxFile) -> bytes:
    """Return a model whose text operators ask for a language that this machine has.

    ``StringNormalizer`` asks for en_US where the file does not say otherwise; containers seldom
    have it, and lower case is the same in C.UTF-8.
    """
    asking = [node for node in file.nodes if node.op == "StringNormalizer"]
    normalizers = [node for node in asking if "locale" not in node.attributes]
    if not normalizers:
        return data
    known = next(name for name in LOCALES if _has_locale(name))
    if known == LOCALES[0]:
        return data
    return with_text_attribute(file, normalizers, "locale", known)


def _has_locale(name: str) -> bool:
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, name)
    except locale.Error:
        return name == LOCALES[-1]
    locale.setlocale(locale.LC_CTYPE, before)
    return True


def _why_no_session(told: str, version: str) -> str:
    """Return one sentence on why onnxruntime refuses a file."""
    newest = re.search(r"till opset (\d+)", told)
    if newest:
        return (
            f"The model uses a newer ONNX opset than onnxruntime {version} knows (up to "
            f"{newest.group(1)}). Export it with target_opset={newest.group(1)}, or install a "
            "newer onnxruntime."
        )
    newest = re.search(r"max supported IR version: (\d+)", told)
    if newest:
        return (
            f"The model has a newer ONNX IR version than onnxruntime {version} knows (up to "
            f"{newest.group(1)}). Export it with an older onnx package, or install a newer "
            "onnxruntime."
        )
    if "is not a registered function/op" in told:
        return f"onnxruntime {version} has no such operator: {told}. Export without it."
    return f"onnxruntime {version} cannot read the model: {told}. Export it again."


# ---------------------------------------------------------------- tables to tensors


def _slot(one: Any) -> Slot:  # noqa: ANN401 - of onnxruntime
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


def _fixed_batch(inputs: list[Any]) -> int | None:
    """Return the number of rows that a graph was exported for, None where it takes any."""
    sizes = {one.shape[0] for one in inputs if one.shape and isinstance(one.shape[0], int)}
    return max(sizes) if sizes and max(sizes) > 0 else None


def _kind(slot: Slot) -> str:
    return KINDS[np.dtype(slot.dtype).kind]


def _column_names(slot: Slot) -> list[str]:
    if slot.width == 1:
        return [slot.name]
    return [f"{slot.name}_{i}" for i in range(slot.width)]


def _feature(name: str, kind: str, told: dict[str, Any]) -> dict[str, Any]:
    """Return one ``ModelFeature``; texts and categories keep no range."""
    known = {"name": name, "kind": kind, **told}
    if known["kind"] in ("categorical", "text"):
        kept = ("name", "kind", "categories", "source")
        return {key: value for key, value in known.items() if key in kept}
    return known


def _columns_of(X: Rows, first: int, end: int) -> NDArray[Any]:
    """Return some columns of a table, a matrix or a list of texts, shape (n, end - first)."""
    if hasattr(X, "iloc"):
        return np.asarray(X.iloc[:, first:end].to_numpy())
    if isinstance(X, list):
        return np.array(X, dtype=object).reshape(-1, 1)
    return np.asarray(X)[:, first:end]


def _as_element(block: NDArray[Any], slot: Slot) -> NDArray[Any]:
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


def _made_up(feature: dict[str, Any], rng: np.random.Generator) -> list[Any]:
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


def _table(answer: Any) -> NDArray[Any]:  # noqa: ANN401 - tensor or list of maps
    """Return numbers as shape (n, k), from a tensor or from one map per row."""
    if isinstance(answer, list):
        return np.array([list(row.values()) for row in answer], dtype=np.float64)
    table = np.asarray(answer, dtype=np.float64)
    return table.reshape(len(table), -1)


def _are_chances(table: NDArray[Any]) -> bool:
    """Whether rows hold numbers from 0 to 1 that add up to 1."""
    inside = bool(((table >= -SUM_TOLERANCE) & (table <= 1 + SUM_TOLERANCE)).all())
    return inside and bool((abs(table.sum(axis=1) - 1) < SUM_TOLERANCE).all())


def _padded(rows: NDArray[Any], size: int) -> NDArray[Any]:
    """Return rows with the last one repeated up to a fixed number."""
    missing = size - len(rows)
    return np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]) if missing else rows


def _cut(answer: Any, kept: int) -> Any:  # noqa: ANN401
    return answer[:kept]


def _joined(pieces: list[Any]) -> Any:  # noqa: ANN401
    """Return the answers of several calls as one."""
    if isinstance(pieces[0], list):
        return [row for piece in pieces for row in piece]
    return np.concatenate(pieces)
