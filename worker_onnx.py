"""An ONNX model as an estimator with ``predict``, run by onnxruntime.

Owns: ``OnnxModel``: rows into the graph's input tensors, its outputs as labels, probabilities,
scores or values. Which output is what is told by types, by the graph and by the answers to a few
made-up rows. Stand-alone: standard library and numpy, Python 3.7 syntax; onnxruntime is imported
when a model is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import onnx_columns
from model_facts import Facts, Origin
from onnx_bytes import OnnxModelError
from onnx_graph import read_onnx
from onnx_session import new_session
from onnx_tensors import (
    Rows,
    are_chances,
    as_element,
    as_table,
    column_names,
    column_of_class,
    columns_of,
    feature_of,
    first_rows,
    fixed_batch,
    join,
    kind_of,
    made_up,
    padded,
    slot_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

LABELS = ("tensor(int64)", "tensor(int32)", "tensor(string)", "tensor(bool)")
NUMBERS = ("tensor(float)", "tensor(double)", "tensor(float16)")
CHANCES_NOTE = "The graph has no labels; its {} chances are of classes numbered from 0."
CHANCE_NOTE = "The graph has no labels; its one chance per row is taken as P(class 1)."
VALUES_NOTE = (
    "The graph has no labels; its {} numbers per row are taken as predicted values. If they are "
    "logits of classes, end the graph with a softmax."
)
CHANCES = frozenset(("Softmax", "Sigmoid"))


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
        self._session = new_session(data, self._file)
        inputs = self._session.get_inputs()
        self._batch = fixed_batch(inputs)
        self._slots = [slot_of(one) for one in inputs]
        self._columns = self._describe_columns()
        self.n_features_in_ = len(self._columns["features"])
        self._outputs = self._session.get_outputs()
        self._score_column = -1
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
        names = [name for slot in self._slots for name in column_names(slot)]
        if one_matrix:
            names = [f"x{i}" for i in range(len(names))]
        facts = Facts(names)
        where: dict[str, list[Origin | None]] = {}
        for slot in self._slots:
            first = sum(len(columns) for columns in where.values())
            where[slot.name] = [Origin(first + i) for i in range(slot.width)]
            for origin in where[slot.name]:
                if kind_of(slot) in ("integer", "boolean"):
                    facts.tell(origin, "input", kind=kind_of(slot))
        onnx_columns.tell_columns(self._file, where, facts)
        kinds = [kind_of(slot) for slot in self._slots for _ in range(slot.width)]
        features = [
            feature_of(name, kind, told)
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
            block = columns_of(X, first, first + slot.width)
            values = as_element(block, slot)
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
            part = {name: padded(rows[start : start + self._batch], self._batch)
                    for name, rows in feed.items()}  # fmt: skip
            kept = min(self._batch, n_rows - start)
            pieces.append([first_rows(one, kept) for one in self._session.run(names, part)])
        return [join([piece[i] for piece in pieces]) for i in range(len(names))]

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
        table = as_table(answers[1]) if len(answers) > 1 else None
        if classes is None:
            is_text = np.asarray(answers[0]).dtype.kind in "OSU"
            if table is None or table.shape[1] < 2 or is_text:
                message = "The model's graph does not tell which classes its labels are from."
                raise OnnxModelError(message)
            classes = list(range(table.shape[1]))
        self.classes_ = np.asarray(classes)
        if table is None:
            return
        if table.shape[1] == len(classes) and are_chances(table):
            self.predict_proba = self._probabilities
        else:
            self.decision_function = self._scores
            if len(classes) == 2:
                self._score_column = column_of_class(table, answers[0], classes[1])

    def _set_values(self, output: Any) -> None:  # noqa: ANN401 - of onnxruntime
        """Decide whether numbers without a label are chances of classes or predicted values."""
        table = as_table(self._probe([output.name])[0])
        self._label = output.name
        chances = onnx_columns.ends_in(self._file, output.name, CHANCES)
        if chances and (table.shape[1] == 1 or are_chances(table)):
            self._estimator_type = "classifier"
            self.classes_ = np.arange(max(2, table.shape[1]))
            self.predict_proba = self._probabilities
            self.predict = self._most_likely
            width = table.shape[1]
            self._columns["notes"] = [CHANCES_NOTE.format(width) if width > 1 else CHANCE_NOTE]
            return
        self._estimator_type = "regressor"
        self.n_outputs_ = table.shape[1]
        self.predict = self._values
        if table.shape[1] > 1:
            self._columns["notes"] = [VALUES_NOTE.format(table.shape[1])]

    def _probe(self, names: list[str]) -> list[Any]:
        """Return the answers for a few made-up rows, which show what each output holds."""
        rng = np.random.default_rng(0)
        cells = [made_up(feature, rng) for feature in self._columns["features"]]
        rows = np.array(cells, dtype=object).T
        return self._run(rows, names)

    def _labels(self, X: Rows) -> NDArray[Any]:
        """Return one label per row, shape (n,), or (n, outputs)."""
        found = np.asarray(self._run(X, [self._label])[0])
        return found.ravel() if found.ndim == 2 and found.shape[1] == 1 else found

    def _values(self, X: Rows) -> NDArray[Any]:
        """Return predicted numbers, shape (n,) or (n, outputs)."""
        table = as_table(self._run(X, [self._label])[0])
        return table[:, 0] if table.shape[1] == 1 else table

    def _most_likely(self, X: Rows) -> NDArray[Any]:
        """Return the number of the likeliest class, shape (n,)."""
        return np.asarray(self.classes_[np.argmax(self._probabilities(X), axis=1)])

    def _probabilities(self, X: Rows) -> NDArray[Any]:
        """Return class probabilities, shape (n, classes)."""
        table = as_table(self._run(X, [self._second])[0])  # type: ignore[list-item]
        if table.shape[1] == 1:
            return np.column_stack([1 - table[:, 0], table[:, 0]])
        return table

    def _probability_lists(self, X: Rows) -> list[NDArray[Any]]:
        """Return one table of probabilities per output."""
        return [np.asarray(one) for one in self._run(X, [self._second])[0]]  # type: ignore[list-item]

    def _scores(self, X: Rows) -> NDArray[Any]:
        """Return scores, shape (n,) for two classes and outliers, else (n, k)."""
        table = as_table(self._run(X, [self._second])[0])  # type: ignore[list-item]
        if table.shape[1] <= 2:
            return table[:, self._score_column]
        return table
